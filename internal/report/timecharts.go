package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"perigee"
)

const (
	laneTop    = 6 // from the plot's bottom to the lane of disruptions
	laneHeight = 12
	laneRoom   = laneTop + laneHeight + 2
)

// rttChart draws median and band of the round-trip time over time, with a lane of
// disruptions below.
func rttChart(r Report, l Link) drawing {
	top, above, highest := rttTop(l.RTT.Points)
	description := fmt.Sprintf("Median round-trip time, with the band from the 5th to the 95th percentile, in steps of %s.", duration(l.RTT.Step))
	if above > 0 {
		description += fmt.Sprintf(" In %s the band reaches beyond the axis, up to %s; these are marked at the top.", plural(above, "step"), milliseconds(highest))
	}
	p := newPlot("Round-trip time over time", description, r, fullWidth, 180, laneRoom, top, func(v float64) string { return axisMilliseconds(v, top) })
	p.unmeasured(l)

	var band, median, beyond path
	for _, run := range contiguous(l.RTT.Points) {
		for i, at := range run {
			x0, x1 := p.x(at.Start), p.x(at.Start.Add(at.Length))
			if i == 0 {
				band.move(x0, p.y(at.P95))
				median.move(x0, p.y(at.P50))
			} else {
				band.line(x0, p.y(at.P95))
				median.line(x0, p.y(at.P50))
			}
			band.line(x1, p.y(at.P95))
			median.line(x1, p.y(at.P50))
			if at.P95 > top {
				beyond.triangle((x0+x1)/2, plotTop+4, 4)
			}
		}
		for _, at := range slices.Backward(run) {
			band.line(p.x(at.Start.Add(at.Length)), p.y(at.P5))
			band.line(p.x(at.Start), p.y(at.P5))
		}
		band.close()
	}
	p.path("band", &band)
	p.path("median", &median)
	p.path("beyond", &beyond)
	if l.Main.FloorDefined && l.Main.Floor <= top {
		var floor path
		floor.move(plotLeft, p.y(l.Main.Floor))
		floor.line(p.right, p.y(l.Main.Floor))
		p.path("reference", &floor)
	}
	p.lane(l)
	return p.drawing
}

// rttTop returns where the axis of round-trip times ends: at the greatest 95th
// percentile, or, if a few of them dwarf the rest, above the rest. It returns how many
// lie above, too, and the highest of them.
func rttTop(points []perigee.SeriesPoint) (top float64, above int, highest float64) {
	var p95 []float64
	for _, at := range points {
		if at.QuantilesDefined {
			p95 = append(p95, at.P95)
		}
	}
	if len(p95) == 0 {
		return 0, 0, 0
	}
	slices.Sort(p95)
	highest = p95[len(p95)-1]
	usual := p95[(len(p95)-1)*97/100]
	if highest < 2*usual {
		return niceTop(highest), 0, highest
	}
	top = niceTop(1.3 * usual)
	for _, v := range p95 {
		if v > top {
			above++
		}
	}
	return top, above, highest
}

// axisMilliseconds labels an axis that ends at top.
func axisMilliseconds(v, top float64) string {
	if top >= 5 {
		return strconv.FormatFloat(v, 'g', 4, 64) + space + "s"
	}
	return strconv.FormatFloat(v*1000, 'g', 4, 64) + space + "ms"
}

// lossChart draws the share of packets lost in each step.
func lossChart(r Report, l Link) drawing {
	worst := 0.0
	for _, at := range l.RTT.Points {
		if at.LossDefined {
			worst = max(worst, at.LossRatio)
		}
	}
	top := min(niceTop(max(worst, 0.01)), 1)
	p := newPlot("Packets lost over time", fmt.Sprintf("Share of the packets lost in each step of %s, %s at most.", duration(l.RTT.Step), percent(worst)),
		r, fullWidth, 60, 0, top, func(v float64) string { return strconv.FormatFloat(v*100, 'g', 3, 64) + space + "%" })
	p.unmeasured(l)
	var bars path
	for _, at := range l.RTT.Points {
		if at.LossDefined && at.LossRatio > 0 {
			x, width := p.span(at.Start, at.Start.Add(at.Length))
			height := max(p.bottom-p.y(at.LossRatio), leastBarPix)
			bars.rect(x, p.bottom-height, width, height)
		}
	}
	p.path("loss", &bars)
	return p.drawing
}

// unmeasured hatches the steps in which nothing was planned: nothing is known of the
// link then. Those in which a transfer of our own ran are shaded instead: round trips
// under load are kept apart.
func (p *plot) unmeasured(l Link) {
	var holes, busy path
	known := p.from
	hole := func(to time.Time) {
		for at := known; at.Before(to); {
			end, loaded := sameLoad(l.Transfers, at, to, l.RTT.Step)
			x, width := p.span(at, end)
			if loaded {
				busy.rect(x, plotTop, width, p.bottom-plotTop)
			} else {
				holes.rect(x, plotTop, width, p.bottom-plotTop)
			}
			at = end
		}
	}
	for _, at := range l.RTT.Points {
		if at.Counts.Planned > 0 {
			hole(at.Start)
			known = at.Start.Add(at.Length)
		}
	}
	hole(p.to)
	p.path("busy", &busy)
	p.path("unmeasured", &holes)
}

// sameLoad returns until when, after from and to at most, a transfer runs or none does,
// and which. A step that a transfer touches is one in which it ran.
func sameLoad(transfers []Transfer, from, to time.Time, step time.Duration) (end time.Time, loaded bool) {
	// The first transfer that ends, with its step, after from.
	i, _ := slices.BinarySearchFunc(transfers, from, func(t Transfer, from time.Time) int {
		return t.Start.Add(t.Length + step).Compare(from.Add(1))
	})
	if i == len(transfers) {
		return to, false
	}
	begin, finish := transfers[i].Start.Add(-step), transfers[i].Start.Add(transfers[i].Length+step)
	if begin.After(from) {
		return earlier(begin, to), false
	}
	return earlier(finish, to), true
}

// lane draws disruptions below the plot: those charged to the link filled, the others
// as outlines.
func (p *plot) lane(l Link) {
	var base path
	var down, excused bars
	y := p.bottom + laneTop
	base.rect(plotLeft, y, p.right-plotLeft, laneHeight)
	for _, d := range l.Disruptions {
		x, width := p.span(d.Start, d.End)
		if d.Blame.Charged() {
			down.add(x, width)
		} else {
			excused.add(x, width)
		}
	}
	p.path("lane", &base)
	p.path("excused", excused.at(y+3, laneHeight-6))
	p.path("down", down.at(y, laneHeight))
}

// bars are stretches of a line, in order of their begin; those that touch are one, so
// that there are no more than pixels.
type bars []struct{ x, end float64 }

func (b *bars) add(x, width float64) {
	if n := len(*b); n > 0 && x <= (*b)[n-1].end+leastBarPix/2.0 {
		(*b)[n-1].end = max((*b)[n-1].end, x+width)
		return
	}
	*b = append(*b, struct{ x, end float64 }{x, x + width})
}

// at draws the bars with their top at y.
func (b bars) at(y, height float64) *path {
	var p path
	for _, one := range b {
		p.rect(one.x, y, one.end-one.x, height)
	}
	return &p
}

// contiguous divides points with quantiles into runs without a step missing.
func contiguous(points []perigee.SeriesPoint) [][]perigee.SeriesPoint {
	var runs [][]perigee.SeriesPoint
	for i, at := range points {
		if !at.QuantilesDefined {
			continue
		}
		if i > 0 && points[i-1].QuantilesDefined && at.Start.Equal(points[i-1].Start.Add(points[i-1].Length)) {
			runs[len(runs)-1] = append(runs[len(runs)-1], at)
		} else {
			runs = append(runs, []perigee.SeriesPoint{at})
		}
	}
	return runs
}
