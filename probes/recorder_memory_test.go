package probes

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// TestWaitingResultsAreBounded gives a recorder what four links at ten probes a second
// yield in nine hours in which the store takes nothing: after the six hours for which samples
// wait, memory no longer grows.
func TestWaitingResultsAreBounded(t *testing.T) {
	var streams []perigee.Stream
	for _, link := range []perigee.LinkID{"fibre", "leo", "starlink", "geo"} {
		streams = append(streams, storagetest.Stream(link, "far"))
	}
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	r := newRecorder(Options{
		Streams: make([]Stream, len(streams)), Window: DefaultWindow,
		Record: func(context.Context, perigee.Batch) error { return nil },
		Clock:  func() perigee.Reading { return perigee.Reading{Wall: now} },
	}, rand.New(rand.NewPCG(1, 1)))
	g := storagetest.NewGenerator(1)
	g.Interval = 100 * time.Millisecond
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	before := heap()
	var after []float64 // each hour
	for hour := range 9 {
		for n := range int(time.Hour / DefaultWindow) {
			r.push(perigee.Batch{Samples: g.Samples(now.Add(time.Duration(hour)*time.Hour+time.Duration(n)*DefaultWindow), 1, streams...)})
		}
		after = append(after, heap()-before)
	}
	t.Logf("MB after each hour: %.1f", after)
	six, last := after[6], after[8]
	if six < 5 || last > six*1.05+0.5 || last > 80 {
		t.Errorf("%.1f MB wait after seven hours, %.1f two hours later: want no growth, and 80 at most", six, last)
	}
	if r.waiting != r.samplesLimit || r.full != r.singletonsLimit {
		t.Errorf("%d samples wait, %d with singletons, want %d and %d", r.waiting, r.full, r.samplesLimit, r.singletonsLimit)
	}
}
