package perigee

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// HeatmapQuery asks how a metric of one link depends on the hour of the week.
type HeatmapQuery struct {
	Site     string
	Link     LinkID
	Target   TargetID // empty: the one with the most probes in the range
	Family   Family   // empty: ipv4 if measured, else ipv6
	Load     Load     // idle if empty
	Metric   MetricName
	From, To time.Time      // zero: all there is
	Zone     *time.Location // of hours and weekdays; UTC if nil
}

// Heatmap is a metric of one stream by weekday and hour.
type Heatmap struct {
	Stream   Stream // what was asked for, completed; Target is empty if nothing was measured
	Metric   Metric
	From, To time.Time
	Zone     *time.Location

	// Cells are in order from Monday, 0:00; those in which nothing was planned are
	// left out.
	Cells []HeatmapCell
}

// HeatmapCell is one hour of the week: all clock hours of the range that begin in it,
// merged.
type HeatmapCell struct {
	Weekday time.Weekday
	Hour    int // 0 to 23
	Hours   int // how many clock hours were measured, in part or whole
	StepValues
}

// HeatmapOf returns how q.Metric did in each hour of the week over q's range.
//
// It reads rollups, which are of clock hours of UTC, and puts each hour where it begins in
// q.Zone: where local time is not whole hours from UTC, the cell of 13:00 is of 13:30 to
// 14:30. An hour that occurs twice when clocks are set back counts twice.
//
// It fails as Series does.
func HeatmapOf(ctx context.Context, store Store, q HeatmapQuery) (Heatmap, error) {
	metric, query, err := SeriesQuery{
		Site: q.Site, Link: q.Link, Target: q.Target, Family: q.Family, Load: q.Load, Metric: q.Metric, From: q.From, To: q.To,
	}.resolve(ctx, store)
	if err != nil {
		return Heatmap{}, err
	}
	h := Heatmap{
		Stream: Stream{Site: query.Site, Link: q.Link, Target: q.Target, Family: q.Family, Load: query.Load},
		Metric: metric, From: query.From, To: query.To, Zone: cmp.Or(q.Zone, time.UTC),
	}
	merged := map[Stream]week{}
	err = scan(ctx, store, query, Hours, func(s Sample) {
		if s.Counts.Planned == 0 {
			return
		}
		if merged[s.Stream] == nil {
			merged[s.Stream] = week{}
		}
		merged[s.Stream].add(lean(s), h.Zone)
	})
	if err != nil {
		return Heatmap{}, err
	}
	stream, ok := busiest(merged, week.planned)
	if !ok {
		return h, nil
	}
	h.Stream = stream
	down, err := readDowntime(ctx, store, query)
	if err != nil {
		return Heatmap{}, err
	}
	for _, place := range slices.Sorted(maps.Keys(merged[stream])) {
		c := merged[stream][place]
		h.Cells = append(h.Cells, HeatmapCell{
			Weekday: time.Weekday((place/24 + 1) % 7), Hour: place % 24, Hours: len(c.hours),
			StepValues: c.merged.values(metric, func() (sum time.Duration) {
				for _, start := range c.hours {
					sum += down.within(stream, later(start, h.From), earlier(start.Add(time.Hour), h.To))
				}
				return sum
			}),
		})
	}
	return h, nil
}

// week is what a stream measured by hour of the week, counted from Monday.
type week map[int]*weekHour

// weekHour is what a stream measured in one hour of the week.
type weekHour struct {
	hours  []time.Time // the clock hours in which something was measured, in order
	merged stepSample
}

// add merges s into the cell of its clock hour.
func (w week) add(s Sample, zone *time.Location) {
	hour := floorTime(s.Start, time.Hour)
	at := Sample{Start: hour}
	place := int(grouping{by: ByWeekday, zone: zone}.of(at).order*24 + grouping{by: ByHour, zone: zone}.of(at).order)
	c := w[place]
	if c == nil {
		c = &weekHour{merged: stepSample{start: s.Start}}
		w[place] = c
	}
	if n := len(c.hours); n == 0 || !c.hours[n-1].Equal(hour) {
		c.hours = append(c.hours, hour)
	}
	c.merged.add(s)
}

func (w week) planned() (sum int64) {
	for _, c := range w {
		sum += c.merged.sample.Counts.Planned
	}
	return sum
}
