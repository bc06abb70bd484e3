package transfer_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
)

// The findings_ files hold transfers to what docs/throughput.md says of them. They print
// the tables that stand there.

// way is a direction with the senders that fill it.
type way struct {
	load       perigee.Load
	congestion string
	streams    int
}

func (w way) name() string { return fmt.Sprintf("%s_%s_%d", w.load, w.congestion, w.streams) }

func (w way) String() string { return fmt.Sprintf("%s %s x %d", w.load, w.congestion, w.streams) }

// copies returns a lab of links of the same kind, named after it and numbered from 0. What
// happens on each is drawn apart.
func copies(t testing.TB, seed uint64, profiles ...lab.Profile) *lab.Lab {
	t.Helper()
	o := lab.Options{Seed: seed}
	for i, p := range profiles {
		o.Links = append(o.Links, lab.Link{Name: fmt.Sprintf("%s%d-", p.Name, i), Profile: p})
	}
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// abreast runs one transfer after the other on each link of l, on all links at once, and
// returns the results by link. plan says which are made on link number i. The error is that
// of all that failed.
func abreast(t testing.TB, l *lab.Lab, plan func(i int) []transfer.Options) ([][]perigee.Throughput, error) {
	t.Helper()
	results := make([][]perigee.Throughput, len(l.Links()))
	failed := make([]error, len(results))
	var all sync.WaitGroup
	for i := range results {
		options := plan(i)
		all.Go(func() {
			for _, o := range options {
				r, err := transfer.Run(t.Context(), o)
				if failed[i] = err; err != nil {
					return
				}
				results[i] = append(results[i], r)
			}
		})
	}
	all.Wait()
	return results, errors.Join(failed...)
}

// by returns the options of a transfer of the given length over link number i of l.
func by(t testing.TB, l *lab.Lab, i int, w way, length time.Duration) transfer.Options {
	t.Helper()
	o := over(t, l, l.Links()[i].Name, w.load)
	o.Congestion, o.Streams, o.MaxDuration = w.congestion, w.streams, length
	return o
}

// mean returns the mean of what of yields of each result.
func mean(results []perigee.Throughput, of func(perigee.Throughput) float64) float64 {
	sum := 0.0
	for _, r := range results {
		sum += of(r)
	}
	return sum / float64(len(results))
}

func rate(r perigee.Throughput) float64      { return r.Rate }
func wholeRate(r perigee.Throughput) float64 { return r.WholeRate }
