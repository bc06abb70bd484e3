package storagetest

import (
	"reflect"
	"testing"
	"time"

	"perigee"
)

// judged: what went wrong, and how reliable links were, is the same whichever store
// tells of it.
func (s *suite) judged(t *testing.T) {
	const days = 8
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	var b perigee.Batch
	g := NewGenerator(7)
	for hour := range days * 24 {
		for _, link := range []perigee.LinkID{"dish", "fibre"} {
			for _, target := range []perigee.TargetID{"x", "y", perigee.FirstHop} {
				// One window an hour is enough to tell what is measured.
				b.Samples = append(b.Samples, g.Sample(Stream(link, target), at(time.Duration(hour)*time.Hour)))
			}
		}
	}
	outage := func(link perigee.LinkID, target perigee.TargetID, start, length time.Duration, reason string) {
		b.Outages = append(b.Outages, perigee.Outage{Stream: Stream(link, target), Start: at(start), End: at(start + length), Probes: int64(length / time.Second), Reason: reason})
	}
	for day := range time.Duration(days) {
		for _, target := range []perigee.TargetID{"x", "y"} {
			outage("dish", target, day*24*time.Hour+5*time.Hour+time.Minute, 90*time.Second, perigee.NoReplies)
		}
	}
	for _, link := range []perigee.LinkID{"dish", "fibre"} {
		outage(link, "x", 30*time.Hour, time.Minute, perigee.NoReplies)
		outage(link, perigee.FirstHop, 40*time.Hour, time.Hour, perigee.NoReplies)
	}
	outage("fibre", "y", 50*time.Hour, 5*time.Second, "interface down")
	outage("dish", "y", 5*time.Minute+12*time.Second, 1200*time.Millisecond, perigee.NoReplies)
	b.Gaps = []perigee.Gap{{Site: "home", Start: at(60 * time.Hour), End: at(61 * time.Hour), Reason: perigee.GapCrashed}}
	links := []perigee.Link{{ID: "dish", Orbit: perigee.OrbitStarlink, Mark: 1}, {ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 2}}

	var stores [2]perigee.Store
	for i, store := range []perigee.Store{NewMemory(), s.open(t)} {
		if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, links); err != nil {
			t.Fatal(err)
		}
		appendAll(t, store, b)
		stores[i] = store
	}
	for _, q := range []perigee.DisruptionQuery{{}, {From: at(29 * time.Hour), To: at(31 * time.Hour)}, {Links: []perigee.LinkID{"fibre"}}} {
		want, err := perigee.Disruptions(t.Context(), stores[0], q)
		if err != nil || len(want) == 0 {
			t.Fatalf("%d disruptions, %v", len(want), err)
		}
		if got, err := perigee.Disruptions(t.Context(), stores[1], q); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Disruptions(%+v) = %+v, %v, want those of the memory: %+v", q, got, err, want)
		}
	}
	for _, q := range []perigee.ReliabilityQuery{{}, {By: perigee.ByMonth}, {Location: time.FixedZone("five and a half hours", 19800)}} {
		want, err := perigee.ReliabilityOf(t.Context(), stores[0], q)
		if err != nil || len(want) != 2 || want[0].Total.Failures == 0 {
			t.Fatalf("%+v, %v", want, err)
		}
		got, err := perigee.ReliabilityOf(t.Context(), stores[1], q)
		if err != nil || len(got) != len(want) {
			t.Fatalf("ReliabilityOf(%+v) = %+v, %v", q, got, err)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i].Total, want[i].Total) || !reflect.DeepEqual(got[i].Periods, want[i].Periods) {
				t.Errorf("ReliabilityOf(%+v) = %+v, want those of the memory: %+v", q, got[i], want[i])
			}
		}
	}
}
