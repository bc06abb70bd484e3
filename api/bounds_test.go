package api

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/storagetest"
)

// yearEnd is when the year of newYearStore ends.
var yearEnd = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// newYearStore returns a store with a year of two links with an outage a day: windows of an
// hour, which a store in memory answers from sooner than from shorter ones, and of a minute
// on the last day. Under the race detector it is the last two months of one.
func newYearStore(t *testing.T) *storagetest.Memory {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 3))
	store := storagetest.NewMemory()
	window := func(s perigee.Stream, base float64, start time.Time, length time.Duration) perigee.Sample {
		sample := perigee.Sample{Stream: s, Start: start, Length: length, Interval: length / 20, LossTimeout: 3 * time.Second}
		busy := 1 + 0.3*math.Sin(float64(start.Unix())/86400*2*math.Pi)
		var variation stats.Variation
		for range 20 {
			one := perigee.Singleton{Outcome: perigee.Lost}
			if random.Float64() > 0.01*busy {
				v := base * (1 + 0.1*busy*random.ExpFloat64())
				one.Outcome = perigee.Received
				sample.RTT.Add(v)
				variation.Arrived(v)
			} else {
				variation.Missed()
			}
			sample.Counts.Add(one)
			sample.LossRuns.Add(one.Outcome == perigee.Lost, sample.Interval.Seconds())
		}
		sample.Variation = variation.Cut()
		return sample
	}
	bases := map[perigee.LinkID]float64{"fibre": 0.012, "geo": 0.61}
	months := 12
	if raced {
		months = 2
	}
	var batch perigee.Batch
	for _, link := range []perigee.LinkID{"fibre", "geo"} {
		base := bases[link]
		start := yearEnd.AddDate(0, -months, 0)
		for start.Before(yearEnd) {
			length := time.Hour
			if yearEnd.Sub(start) <= 24*time.Hour {
				length = time.Minute
			}
			batch.Samples = append(batch.Samples, window(stream(link), base, start, length))
			if random.Float64() < length.Hours()/24 {
				began := start.Add(time.Duration(random.Int64N(int64(length))))
				batch.Outages = append(batch.Outages, perigee.Outage{
					Stream: stream(link), Start: began, End: began.Add(time.Duration(1e9 + 60e9*random.ExpFloat64())), Probes: 20, Reason: "no replies",
				})
			}
			start = start.Add(length)
		}
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestAnswersOfAYear(t *testing.T) {
	handler := New(Options{Store: newYearStore(t), Version: "test", Now: func() time.Time { return yearEnd }})
	t.Run("are short", func(t *testing.T) { answersAreShort(t, handler) })
	t.Run("are the newest", func(t *testing.T) { disruptionsAreNewest(t, handler) })
}

// answersAreShort asks about a year. On the wire, compressed, no answer is
// longer than its bound, and none longer than twice that about a shorter range with as
// many points. Periods of availability are one for each day or month, so that theirs are
// bounds alone.
func answersAreShort(t *testing.T, handler http.Handler) {
	wire := func(question, from string) int {
		t.Helper()
		w := askAs(t, handler, "gzip", "/api/v1"+question+"&from="+from)
		if w.Code != http.StatusOK {
			t.Fatalf("%s from %s: %s", question, from, plain(t, w.Body.Bytes()))
		}
		return w.Body.Len()
	}
	const day, week, fullest = "24h", "7d", "20d" // at 20 days a series has 480 steps of an hour
	for _, c := range []struct {
		question string
		most     int      // bytes
		ranges   []string // the first is what a year is held against
	}{
		{"/series?link=geo", 12_000, []string{day, fullest}},
		{"/series?link=geo&metric=loss_ratio", 12_000, []string{day, fullest}},
		{"/series?link=geo&metric=jitter", 12_000, []string{day}},
		{"/distribution?links=fibre,geo", 3_000, []string{day}},
		{"/distribution?metric=pdv", 3_000, []string{day}},
		{"/heatmap?link=geo&timezone=Australia/Sydney", 5_000, []string{week}},
		{"/heatmap?link=geo&metric=loss_ratio", 5_000, []string{week}},
		{"/compare?links=fibre,geo", 3_000, []string{day}},
		{"/availability?by=month", 4_000, nil},
		{"/availability?link=geo", 24_000, nil},
		{"/disruptions?limit=100", 5_000, []string{"90d"}}, // in which there are as many
	} {
		sizes := ""
		for _, from := range append(c.ranges, "365d") {
			n := wire(c.question, from)
			if n > c.most {
				t.Errorf("%s from %s takes %d bytes, more than %d", c.question, from, n, c.most)
			}
			sizes += fmt.Sprintf(", %s %d", from, n)
			if from == "365d" && len(c.ranges) > 0 {
				if before := wire(c.question, c.ranges[0]); n > 2*before {
					t.Errorf("%s takes %d bytes of a year, more than twice the %d of %s", c.question, n, before, c.ranges[0])
				}
			}
		}
		t.Logf("%s: bytes of %s", c.question, sizes[2:])
	}
}

// disruptionsAreNewest asks for as many as there are, and for less.
func disruptionsAreNewest(t *testing.T, handler http.Handler) {
	asked := func(question string) (list []Disruption) {
		t.Helper()
		w := ask(t, handler, http.MethodGet, "/api/v1/disruptions?from=30d"+question)
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	all := asked("")
	if len(all) < 20 || len(all) > maxDisruptions {
		t.Fatalf("%d disruptions in a month of two links, want about 60", len(all))
	}
	for limit, want := range map[int][]Disruption{1: all[len(all)-1:], 5: all[len(all)-5:], maxDisruptions: all} {
		if got := asked(fmt.Sprintf("&limit=%d", limit)); !reflect.DeepEqual(got, want) {
			t.Errorf("the newest %d of %d are %d: %+v", limit, len(all), len(got), got)
		}
	}
}
