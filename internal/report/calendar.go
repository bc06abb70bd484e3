package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"perigee"
)

// A calendar is months side by side, weeks below each other, Monday first.
const (
	cellWidth, cellHeight = 43, 34
	monthWidth            = 7*cellWidth + 18
	monthTop              = 42 // for its name and the weekdays
	monthsPerRow          = 3
)

// The levels of a day. Their lightness falls with availability, and the number stands in
// the cell, so that nothing is lost in grey.
var levels = []struct {
	class string
	least float64 // availability from which it applies
	name  string
}{
	{"full", 1, "no outage"},
	{"fine", 0.999, "99.9 % and more"},
	{"fair", 0.99, "99 % and more"},
	{"poor", 0.95, "95 % and more"},
	{"bad", 0, "below 95 %"},
}

// partly is the share of a day below which it is marked as partly measured.
const partly = 0.9

// calendars draws the availability of each day of the range, three months a drawing.
func calendars(r Report, l Link) []drawing {
	days := map[string]perigee.Reliability{}
	for _, d := range l.Days.Periods {
		days[d.From.In(r.Zone).Format(time.DateOnly)] = d
	}
	y, m, _ := r.From.In(r.Zone).Date()
	var list []drawing
	row := drawing{Title: "Availability by day"}
	var months int
	for month := time.Date(y, m, 1, 0, 0, 0, 0, r.Zone); month.Before(r.To); month = month.AddDate(0, 1, 0) {
		if months == monthsPerRow {
			list = append(list, row)
			row.Marks, row.Height, months = nil, 0, 0
		}
		weeks := row.month(r, days, month, float64(months*monthWidth)+1)
		row.Height = max(row.Height, monthTop+weeks*cellHeight+4)
		months++
		row.Width = months*monthWidth - 16
		row.Description = describeDays(l.Days.Periods)
	}
	return append(list, row)
}

// usedLevels are the levels that calendars show, in their order, with what else
// they show.
func usedLevels(calendars []drawing) []term {
	has := func(class string) bool {
		return slices.ContainsFunc(calendars, func(d drawing) bool { return d.Has(class) })
	}
	var used []term
	for _, level := range levels {
		if has(level.class) {
			used = append(used, term{level.class, level.name})
		}
	}
	for _, t := range []term{{"unmeasured", "not measured"}, {"corner", "measured for less than nine tenths"}} {
		if has(t.Word) {
			used = append(used, t)
		}
	}
	return used
}

// describeDays says what the calendar shows to who cannot see it.
func describeDays(days []perigee.Reliability) string {
	counts := make([]int, len(levels))
	for _, d := range days {
		if i, ok := levelOf(d); ok {
			counts[i]++
		}
	}
	text := "Days measured: "
	for i, level := range levels {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d with %s", counts[i], level.name)
	}
	return text + "."
}

// levelOf returns the index of a day's level. It reports false if nothing was measured.
func levelOf(d perigee.Reliability) (int, bool) {
	a, ok := d.Availability()
	if !ok {
		return 0, false
	}
	for i, level := range levels {
		if a >= level.least {
			return i, true
		}
	}
	return len(levels) - 1, true
}

// month draws one month, its left side at x, and returns how many weeks it touches.
func (d *drawing) month(r Report, days map[string]perigee.Reliability, first time.Time, x float64) (weeks int) {
	d.text("monthname", "start", x, 14, first.Format("January 2006"))
	for i, name := range []string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"} {
		d.text("tick", "middle", x+(float64(i)+0.5)*cellWidth, 34, name)
	}
	var corner path
	offset := (int(first.Weekday()) + 6) % 7
	for day := first; day.Month() == first.Month(); day = day.AddDate(0, 0, 1) {
		place := offset + day.Day() - 1
		weeks = place/7 + 1
		left, top := x+float64(place%7)*cellWidth, monthTop+float64(place/7)*cellHeight
		var cell path
		cell.rect(left+1, top+1, cellWidth-2, cellHeight-2)
		inRange := day.AddDate(0, 0, 1).After(r.From) && day.Before(r.To)
		measured, has := days[day.Format(time.DateOnly)]
		class, text := "outside", ""
		if inRange {
			class, text = "unmeasured", noValue
			if level, ok := levelOf(measured); has && ok {
				a, _ := measured.Availability()
				class, text = levels[level].class, cellDigits(a)
				if measured.Planned < time.Duration(partly*float64(measured.To.Sub(measured.From))) {
					corner.move(left+cellWidth-1, top+1)
					corner.line(left+cellWidth-11, top+1)
					corner.line(left+cellWidth-1, top+11)
					corner.close()
				}
			}
		}
		d.path("cell "+class, &cell)
		d.text("daynumber "+class, "start", left+4, top+11, strconv.Itoa(day.Day()))
		if text != "" {
			d.text("dayvalue "+class, "middle", left+cellWidth/2, top+27, text)
		}
	}
	d.path("corner", &corner)
	return weeks
}

// cellDigits writes an availability in percent, in five characters at most where that
// does not hide an outage.
func cellDigits(a float64) string {
	if a < 0.1 {
		return strconv.FormatFloat(a*100, 'f', 1, 64)
	}
	return availabilityDigits(a)
}
