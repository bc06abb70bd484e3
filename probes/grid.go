package probes

import (
	"time"

	"perigee"
)

// span is one window of time: where it lies on the wall clock, which names it, and on
// the monotonic clock, which measures. All streams share the same spans. length and
// end change only while it is the grid's current span.
type span struct {
	start  time.Time     // on the grid, or a whole millisecond
	length time.Duration // wall time up to the next border, or measured time once cut
	epoch  int64         // nanoseconds that make start unique, see perigee.Sample.Start
	mono   time.Duration // the monotonic clock at start
	end    time.Duration // the monotonic clock at the window's end
	part   *part
}

// wall returns the time of day at a monotonic instant as this span saw it.
func (s *span) wall(mono time.Duration) time.Time { return s.start.Add(mono - s.mono) }

// part is a stretch of uninterrupted measuring under one wall clock: several spans.
// What broke it off is set once the next part begins.
type part struct {
	broken bool
	cause  breakCause
	end    time.Duration // the monotonic clock when it was broken off
	wall   time.Time     // the time of day at end, by the clock that ended
}

// breakCause says why a part ended.
type breakCause uint8

const (
	breakGap  breakCause = iota // the monitor was not measuring afterwards
	breakStep                   // the wall clock was set; measuring went on

	// breakDated: the time of day became known. What was told by provisional times
	// will be told by it.
	breakDated
)

// grid divides time into spans. The current span ends at the next multiple of window
// since the Unix epoch.
type grid struct {
	window time.Duration // whole milliseconds
	epoch  int64         // how often the clock was ever seen to be set back
	cur    *span
	recent []*span // the last ones, cur included, in order
}

// recentSpans is how many spans stay known for probes that were due in the past: the
// loop may be late by two intervals, which may be longer than a window.
const recentSpans = 64

// begin starts a new part at r. The current span, if any, has been cut.
func (g *grid) begin(r perigee.Reading) {
	start := r.Wall.Truncate(time.Millisecond).Round(0).UTC()
	mono := r.Mono - r.Wall.Sub(start)
	length := g.border(start).Sub(start)
	g.push(&span{start: start, length: length, epoch: g.epoch, mono: mono, end: mono + length, part: &part{}})
}

// advance crosses the borders that lie before r. A wall clock that was slewed, or
// stepped by too little to be a step, is absorbed here: the next span keeps to the
// grid and is longer or shorter on the monotonic clock.
func (g *grid) advance(r perigee.Reading) {
	for g.cur != nil && g.cur.end <= r.Mono {
		start := g.cur.start.Add(g.cur.length)
		length := g.border(start).Sub(start)
		mono := g.cur.end
		end := r.Mono + start.Add(length).Sub(r.Wall)
		end = min(max(end, mono+length/2), mono+length+length/2)
		g.push(&span{start: start, length: length, epoch: g.epoch, mono: mono, end: end, part: g.cur.part})
	}
}

// cut ends the current span at mono, and its part with it. The span's length becomes
// the measured time in whole milliseconds, rounded up.
func (g *grid) cut(mono time.Duration, cause breakCause) {
	s := g.cur
	s.end = max(mono, s.mono)
	s.length = (s.end - s.mono + time.Millisecond - 1).Truncate(time.Millisecond)
	*s.part = part{broken: true, cause: cause, end: s.end, wall: s.wall(s.end)}
	g.cur = nil
}

// at returns the span that mono lies in; of instants before all that are known the
// oldest, in a gap the one before.
func (g *grid) at(mono time.Duration) *span {
	for i := len(g.recent) - 1; i > 0; i-- {
		if g.recent[i].mono <= mono {
			return g.recent[i]
		}
	}
	return g.recent[0]
}

func (g *grid) push(s *span) {
	if len(g.recent) == recentSpans {
		copy(g.recent, g.recent[1:])
		g.recent = g.recent[:recentSpans-1]
	}
	g.recent = append(g.recent, s)
	g.cur = s
}

// border returns the first grid point after t.
func (g *grid) border(t time.Time) time.Time {
	n, w := t.UnixNano(), int64(g.window)
	offset := n % w
	if offset < 0 {
		offset += w
	}
	return time.Unix(0, n-offset+w).UTC()
}
