package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// drawing is one SVG. Coordinates are pixels of its own width and height; the page
// scales it.
type drawing struct {
	Title, Description string // what it is, and what it shows, for who cannot see it
	Width, Height      int
	Marks              []mark
}

// mark is a path, or a text.
type mark struct {
	Class  string
	Path   string
	Text   string
	X, Y   string
	Anchor string // of a text: start, middle or end
}

func (d *drawing) path(class string, p *path) {
	if p.b.Len() > 0 {
		d.Marks = append(d.Marks, mark{Class: class, Path: p.b.String()})
	}
}

func (d *drawing) text(class, anchor string, x, y float64, text string) {
	d.Marks = append(d.Marks, mark{Class: class, Text: text, X: coordinate(x), Y: coordinate(y), Anchor: anchor})
}

// Has reports whether anything of the class is drawn.
func (d drawing) Has(class string) bool {
	return slices.ContainsFunc(d.Marks, func(m mark) bool { return m.Class == class || strings.HasSuffix(m.Class, " "+class) })
}

// Half reports whether d is drawn to stand beside another.
func (d drawing) Half() bool { return d.Width <= halfWidth }

// path is SVG path data that grows.
type path struct{ b strings.Builder }

func (p *path) move(x, y float64) { p.b.WriteString("M" + coordinate(x) + " " + coordinate(y)) }
func (p *path) line(x, y float64) { p.b.WriteString("L" + coordinate(x) + " " + coordinate(y)) }
func (p *path) close()            { p.b.WriteString("Z") }

func (p *path) rect(x, y, width, height float64) {
	p.b.WriteString("M" + coordinate(x) + " " + coordinate(y) + "h" + coordinate(width) + "v" + coordinate(height) + "h" + coordinate(-width) + "z")
}

// dot is a disc; triangle one that points up.
func (p *path) dot(x, y, r float64) {
	p.b.WriteString("M" + coordinate(x-r) + " " + coordinate(y))
	arc := "a" + coordinate(r) + " " + coordinate(r) + " 0 1 0 "
	p.b.WriteString(arc + coordinate(2*r) + " 0" + arc + coordinate(-2*r) + " 0")
}

func (p *path) triangle(x, y, r float64) {
	p.move(x-r, y+r*0.8)
	p.line(x+r, y+r*0.8)
	p.line(x, y-r)
	p.close()
}

// coordinate writes v to a tenth of a pixel.
func coordinate(v float64) string {
	v = math.Round(v*10) / 10
	if v == 0 {
		return "0" // not "-0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// The frame of every chart over time.
const (
	fullWidth   = 960
	halfWidth   = 470
	plotLeft    = 80
	plotMargin  = 14 // right of the plot
	plotTop     = 12
	axisHeight  = 24 // for the labels below
	leastBarPix = 1  // what is shorter than a pixel is still seen
)

// plot maps time and value to pixels.
type plot struct {
	drawing
	from, to time.Time
	right    float64 // pixel of the range's end
	bottom   float64 // pixel of value 0
	top      float64 // value at plotTop
}

// newPlot draws the frame of a chart over r's range, width pixels wide, whose plotting
// area is height pixels high and reaches from 0 to the top value: value ticks written by
// format, time ticks. below is how much room stays between the plot and its time labels.
func newPlot(title, description string, r Report, width int, height, below, top float64, format func(float64) string) *plot {
	p := &plot{from: r.From, to: r.To, right: float64(width) - plotMargin, bottom: plotTop + height, top: top}
	p.drawing = drawing{Title: title, Description: description, Width: width, Height: int(plotTop + height + below + axisHeight)}
	var grid path
	for _, v := range valueTicks(top) {
		y := p.y(v)
		grid.move(plotLeft, y)
		grid.line(p.right, y)
		p.text("tick", "end", plotLeft-7, y+4, format(v))
	}
	floor := p.bottom + below
	for _, t := range timeTicks(r.From, r.To, r.Zone, width/100) {
		x := p.x(t.at)
		grid.move(x, plotTop)
		grid.line(x, floor+4)
		if x > plotLeft+18 && x < p.right-18 {
			p.text("tick", "middle", x, floor+18, t.label)
		}
	}
	p.Marks = append([]mark{{Class: "grid", Path: grid.b.String()}}, p.Marks...)
	return p
}

func (p *plot) x(t time.Time) float64 {
	share := float64(t.Sub(p.from)) / float64(max(p.to.Sub(p.from), 1))
	return plotLeft + min(max(share, 0), 1)*(p.right-plotLeft)
}

func (p *plot) y(v float64) float64 {
	if p.top <= 0 {
		return p.bottom
	}
	return p.bottom - min(v/p.top, 1)*(p.bottom-plotTop)
}

// span returns the pixels from from to to, one at least.
func (p *plot) span(from, to time.Time) (x, width float64) {
	x = p.x(from)
	return x, max(p.x(to)-x, leastBarPix)
}

// valueTicks returns round values from 0 to top, some four of them.
func valueTicks(top float64) []float64 {
	if top <= 0 {
		return []float64{0}
	}
	step := niceStep(top / 4)
	var ticks []float64
	for i := 0; float64(i)*step <= top*1.0001; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return ticks
}

// niceStep returns the least of 1, 2 and 5 times a power of ten that is at least v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v*0.9999 {
			return m * power
		}
	}
	return 10 * power
}

// niceTop returns a value at or above v at which an axis ends.
func niceTop(v float64) float64 {
	if v <= 0 {
		return 0
	}
	step := niceStep(v / 4)
	return math.Ceil(v/step*0.9999) * step
}

type timeTick struct {
	at    time.Time
	label string
}

// timeTicks returns round times in zone, most at most or one more, by the shortest step
// that allows it.
func timeTicks(from, to time.Time, zone *time.Location, most int) []timeTick {
	length, mostTicks := to.Sub(from), time.Duration(most)
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if length <= step*mostTicks {
			return clockTicks(from, to, zone, step)
		}
	}
	const day = 24 * time.Hour
	for _, days := range []int{1, 2, 3, 7, 14} {
		if length <= day*time.Duration(days)*mostTicks {
			return dateTicks(from, to, zone, 0, days, "2 Jan")
		}
	}
	for _, months := range []int{1, 2, 3, 6} {
		if length <= day*30*time.Duration(months)*mostTicks {
			return dateTicks(from, to, zone, months, 0, "Jan 2006")
		}
	}
	years := int(length/(365*day*mostTicks)) + 1
	return dateTicks(from, to, zone, 12*years, 0, "2006")
}

// clockTicks are times of day; midnight shows its date.
func clockTicks(from, to time.Time, zone *time.Location, step time.Duration) []timeTick {
	var ticks []timeTick
	y, m, d := from.In(zone).Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, zone)
	for !midnight.After(to) {
		next := midnight.AddDate(0, 0, 1)
		first := max(from.Sub(midnight)/step, 0)
		for at := midnight.Add(first * step); at.Before(next) && !at.After(to); at = at.Add(step) {
			if at.Before(from) {
				continue
			}
			local, format := at.In(zone), "15:04"
			switch {
			case at.Equal(midnight):
				format = "2 Jan"
			case step < time.Minute:
				format = "15:04:05"
			}
			ticks = append(ticks, timeTick{at, local.Format(format)})
		}
		midnight = next
	}
	return ticks
}

// dateTicks are midnights, of every so many days or first days of months.
func dateTicks(from, to time.Time, zone *time.Location, months, days int, format string) []timeTick {
	y, m, d := from.In(zone).Date()
	if months > 0 {
		d = 1
		m -= (m - 1) % time.Month(min(months, 12))
	}
	var ticks []timeTick
	for at := time.Date(y, m, d, 0, 0, 0, 0, zone); !at.After(to); at = at.AddDate(0, months, days) {
		if !at.Before(from) {
			ticks = append(ticks, timeTick{at, at.Format(format)})
		}
	}
	return ticks
}
