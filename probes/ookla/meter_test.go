package ookla

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"perigee"
)

// TestCount places bytes in the steps during which they came.
func TestCount(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name     string
		told     int // counts that must not change any more
		from, to time.Duration
		n        int64
		want     []int64
	}{
		{"at_one_time", 0, 250 * ms, 250 * ms, 10, []int64{0, 0, 10}},
		{"within_a_step", 0, 110 * ms, 190 * ms, 10, []int64{0, 10}},
		{"over_an_edge_by_share_of_time", 0, 50 * ms, 250 * ms, 100, []int64{25, 50, 25}},
		{"up_to_an_edge", 0, 0, 200 * ms, 100, []int64{50, 50, 0}},
		{"nothing_is_lost_in_rounding", 0, 0, 290 * ms, 10, []int64{3, 3, 4}},
		{"late_news_go_to_the_first_count_that_may_change", 2, 50 * ms, 50 * ms, 7, []int64{0, 0, 7}},
		{"late_news_of_a_span_too", 2, 50 * ms, 250 * ms, 7, []int64{0, 0, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMeter(true, 0)
			m.told = c.told
			m.count(c.from, c.to, c.n)
			if !slices.Equal(m.series, c.want) || m.payload != c.n {
				t.Errorf("series is %v of %d, want %v of %d", m.series, m.payload, c.want, c.n)
			}
		})
	}
}

// TestLimit: what is read, written and promised never exceeds the limit together.
func TestLimit(t *testing.T) {
	m := newMeter(false, 1<<20)
	if got := m.reserve(1 << 19); got != 1<<19 {
		t.Fatalf("reserved %d of half the limit", got)
	}
	m.settle(1<<19, 100, false)
	if got := m.reserve(1 << 21); got != 1<<20-100 {
		t.Errorf("reserved %d, want all but the 100 that were moved", got)
	}
	if got := m.reserve(1); got != 0 {
		t.Errorf("reserved %d beyond the limit", got)
	}
	if m.begin(); m.promise(0) {
		t.Error("promised more than the limit")
	}
}

// TestSizesNearTheCap: requests fit the room there is, all streams keep going until
// little is left, and the promises never exceed the cap.
func TestSizesNearTheCap(t *testing.T) {
	for _, up := range []bool{false, true} {
		for _, limit := range []int64{leastBytes, 5 << 20, 100 << 20, 1 << 30} {
			for _, streams := range []int64{1, 4, maxStreams} {
				m := newMeter(up, limit)
				m.begin()
				tripper := &transferTripper{meter: m, up: up, streams: streams}
				total := int64(0)
				for size := tripper.size(); m.promise(size); size = tripper.size() {
					total += size
				}
				if left := limit - total; left < 0 || left > max(limit/10, 2*leastUpload) {
					t.Errorf("up %v, %d streams: %d of %d left", up, streams, left, limit)
				}
			}
		}
	}
}

// TestRequestBroke: a connection may be closed at any time, but not twice without
// anything moving in between.
func TestRequestBroke(t *testing.T) {
	over := func(m *meter) bool {
		select {
		case <-m.over:
			return true
		default:
			return false
		}
	}
	broken := errors.New("broken")
	m := newMeter(false, 0)
	m.begin()
	m.reached()
	m.settle(10, 10, true)
	if m.requestBroke(broken); over(m) {
		t.Fatal("over at the first failure")
	}
	m.settle(10, 10, true)
	if m.requestBroke(broken); over(m) {
		t.Fatal("over although something moved since")
	}
	if m.requestBroke(broken); !over(m) {
		t.Fatal("goes on although nothing moved since")
	}
	m.end(perigee.StoppedAtCap, nil)
	if stop, err := m.ending(); stop != perigee.StoppedByFailure || err != broken {
		t.Errorf("ended for %q, %v: want the first reason", stop, err)
	}
}

// TestPayload is of the length asked for, and does not repeat within what compressors
// look back.
func TestPayload(t *testing.T) {
	all, err := io.ReadAll(newPayload(leastUpload))
	if err != nil || len(all) != leastUpload {
		t.Fatalf("%d bytes, %v, want %d", len(all), err, leastUpload)
	}
	counts := [256]int{}
	for _, b := range all {
		counts[b]++
	}
	for b, n := range counts {
		if mean := leastUpload / 256; n < mean*3/4 || n > mean*5/4 { // 8 deviations of sqrt(958)
			t.Errorf("byte %#x comes %d times, want about %d", b, n, mean)
		}
	}
}
