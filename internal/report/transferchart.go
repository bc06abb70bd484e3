package report

import (
	"slices"
	"strconv"
	"time"

	"perigee"
)

// mostDots is how many transfers are drawn one by one; more are drawn as the range and
// the median of as many bins.
const mostDots = 500

// transferChart draws each transfer of a direction, and the plan.
func transferChart(r Report, l Link, direction perigee.Load) drawing {
	transfers := inDirection(l.Transfers, direction)
	promised, title := l.Link.Plan.Down, "Throughput down over time"
	if direction == perigee.LoadUp {
		promised, title = l.Link.Plan.Up, "Throughput up over time"
	}
	highest := promised
	for _, t := range transfers {
		highest = max(highest, t.Rate)
	}
	top := niceTop(highest * 1.05)
	description := plural(len(transfers), "transfer") + ", each a dot at its rate; hollow if its rate was not steady."
	binned := len(transfers) > mostDots
	if binned {
		description = plural(len(transfers), "transfer") + ", too many to draw one by one: lines from the lowest to the highest rate of a time, a dot at the median."
	}
	p := newPlot(title, description, r, halfWidth, 120, 0, top, func(v float64) string { return axisMegabits(v) })
	if promised > 0 {
		var plan path
		plan.move(plotLeft, p.y(promised))
		plan.line(p.right, p.y(promised))
		p.path("reference", &plan)
		p.text("label", "end", p.right-2, p.y(promised)-4, "plan "+megabits(promised))
	}
	var dots, hollow, ranges path
	if binned {
		for _, bin := range bins(transfers, r.From, r.To, mostDots) {
			x := p.x(bin.at)
			ranges.move(x, p.y(bin.low))
			ranges.line(x, p.y(bin.high))
			dots.dot(x, p.y(bin.median), 1.5)
		}
	} else {
		for _, t := range transfers {
			if t.Steady {
				dots.dot(p.x(t.Start), p.y(t.Rate), 3.5)
			} else {
				hollow.dot(p.x(t.Start), p.y(t.Rate), 3.5)
			}
		}
	}
	p.path("ranges", &ranges)
	p.path("dots", &dots)
	p.path("hollow", &hollow)
	return p.drawing
}

func axisMegabits(v float64) string {
	if v >= 1e9 {
		return strconv.FormatFloat(v/1e9, 'g', 4, 64) + space + "Gbit/s"
	}
	return strconv.FormatFloat(v/1e6, 'g', 4, 64) + space + "Mbit/s"
}

func inDirection(transfers []Transfer, direction perigee.Load) []Transfer {
	return slices.DeleteFunc(slices.Clone(transfers), func(t Transfer) bool { return t.Direction != direction })
}

// bin is what transfers of a time had in common.
type bin struct {
	at                time.Time
	low, median, high float64
}

// bins divides the range into n and sums up the transfers of each that has some.
func bins(transfers []Transfer, from, to time.Time, n int) []bin {
	length := max(to.Sub(from)/time.Duration(n), 1)
	rates := map[time.Duration][]float64{}
	for _, t := range transfers {
		place := t.Start.Sub(from) / length
		rates[place] = append(rates[place], t.Rate)
	}
	var list []bin
	for place, of := range rates {
		slices.Sort(of)
		list = append(list, bin{from.Add(place*length + length/2), of[0], of[len(of)/2], of[len(of)-1]})
	}
	slices.SortFunc(list, func(a, b bin) int { return a.at.Compare(b.at) })
	return list
}
