package perigee

import (
	"context"
	"time"

	"perigee/stats"
)

const (
	// lookBelow is how short an outage must be for the windows around it to be
	// looked at: another path that failed at the same time may have been silent for
	// just less than what counts as an outage.
	lookBelow = 5 * time.Second

	// mostLooks bounds the looks that one question takes. The newest outages are
	// looked at, older ones are judged by outages alone.
	mostLooks = 500

	// sameLook is how near to each other outages share a look.
	sameLook = time.Minute
)

// lossRun is the longest run of losses of a path in windows that follow one another.
type lossRun struct {
	windows span
	runs    stats.LossRuns
}

// look reads the loss runs of the windows around short outages.
func (e *evidence) look(ctx context.Context, store Store) error {
	var spans []span
	for i := len(e.outages) - 1; i >= 0 && len(spans) <= mostLooks; i-- {
		if o := e.outages[i]; o.length() < lookBelow && o.Reason == NoReplies {
			s := span{o.Start.Add(-sameLook / 2), o.End.Add(sameLook / 2)}
			if n := len(spans); n > 0 && !s.to.Before(spans[n-1].from) {
				spans[n-1] = span{earlier(s.from, spans[n-1].from), later(s.to, spans[n-1].to)}
				continue
			}
			spans = append(spans, s)
		}
	}
	e.runs = map[path][]lossRun{}
	for _, s := range spans[:min(len(spans), mostLooks)] {
		for sample, err := range store.Samples(ctx, Query{Site: e.site, From: s.from, To: s.to}) {
			if err != nil {
				return err
			}
			if sample.LossRuns.Count > 0 {
				p := pathOf(sample.Stream)
				e.runs[p] = append(e.runs[p], lossRun{span{sample.Start, sample.End()}, sample.LossRuns})
			}
		}
	}
	return nil
}

// brieflySilent reports whether p lost probes in a row for half as long as s or longer
// in the windows that s touches.
func (e *evidence) brieflySilent(p path, s span) bool {
	length := s.to.Sub(s.from)
	if length >= lookBelow {
		return false
	}
	var joined stats.LossRuns
	var end time.Time
	for _, r := range e.runs[p] {
		if r.windows.overlap(s.from, s.to) == 0 {
			continue
		}
		if r.windows.from.Sub(end).Abs() <= Adjacency {
			joined.Append(r.runs)
		} else {
			joined.Separate(r.runs)
		}
		end = r.windows.to
	}
	return 2*joined.Longest.Seconds >= length.Seconds() && joined.Count > 0
}
