package perigee

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Union and subtraction agree with marking seconds one by one.
func TestSpansAgreeWithMarking(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	zero := time.Unix(0, 0)
	second := func(n int) time.Time { return zero.Add(time.Duration(n) * time.Second) }
	draw := func() (spans []span, marks [60]bool) {
		for range r.IntN(6) {
			from := r.IntN(60)
			to := from + r.IntN(60-from+1)
			spans = append(spans, span{second(from), second(to)})
			for i := from; i < to; i++ {
				marks[i] = true
			}
		}
		return spans, marks
	}
	for trial := range 2000 {
		spans, inside := draw()
		holes, outside := draw()
		from, to := r.IntN(60), r.IntN(61)
		want := 0
		for i := from; i < to; i++ {
			if inside[i] && !outside[i] {
				want++
			}
		}
		stream := Stream{Link: "a"}
		d := downtime{stream: subtract(union(spans), holes)}
		if got := d.within(stream, second(from), second(to)); got != time.Duration(want)*time.Second {
			t.Fatalf("trial %d: %v less %v in [%d, %d): %s, want %d s", trial, spans, holes, from, to, got, want)
		}
	}
}

func TestAvailability(t *testing.T) {
	for _, c := range []struct {
		down, planned time.Duration
		want          float64
		ok            bool
	}{
		{0, time.Minute, 1, true},
		{15 * time.Second, time.Minute, 0.75, true},
		{61 * time.Second, time.Minute, 0, true}, // edges are known to one interval
		{0, 0, 0, false},
	} {
		if got, ok := availability(c.down, c.planned); got != c.want || ok != c.ok {
			t.Errorf("availability(%s, %s) = %g, %v, want %g, %v", c.down, c.planned, got, ok, c.want, c.ok)
		}
	}
}
