package perigee

import (
	"context"
	"fmt"
	"time"
)

// MaxSeriesPoints bounds the points of a TimeSeries whose step was not asked for.
const MaxSeriesPoints = 500

// SeriesQuery asks how a metric of one link went over time.
type SeriesQuery struct {
	Site     string
	Link     LinkID
	Target   TargetID // empty: the one with the most probes in the range
	Family   Family   // empty: ipv4 if measured, else ipv6
	Load     Load     // idle if empty
	Metric   MetricName
	From, To time.Time     // zero: all there is
	Step     time.Duration // zero: the shortest that gives at most MaxSeriesPoints
}

// TimeSeries is a metric of one stream over time.
type TimeSeries struct {
	Stream   Stream // what was asked for, completed; Target is empty if nothing was measured
	Metric   Metric
	From, To time.Time
	Step     time.Duration

	// Points are in order of time. A step in which nothing was planned has no
	// point: it was a gap, which is neither zero nor an outage.
	Points []SeriesPoint
}

// SeriesPoint is one step of a TimeSeries.
type SeriesPoint struct {
	Start  time.Time     // on the grid of steps since the Unix epoch
	Length time.Duration // the series' step
	StepValues
}

// StepValues is what a stream measured in one step of a TimeSeries, or in one HeatmapCell.
type StepValues struct {
	Counts Counts

	// Value is the metric over all of it: the median of a distribution, the
	// mean of an estimate, the ratio itself. Meaningful if Defined.
	Value   float64
	Defined bool

	// Quantiles of a distribution; meaningful if QuantilesDefined.
	P5, P50, P95     float64
	QuantilesDefined bool

	// LossRatio is (lost + late) / sent; meaningful if LossDefined.
	LossRatio   float64
	LossDefined bool
}

// steps are the lengths a step is chosen from. Each divides the next but a few, and
// all divide a day.
var steps = []time.Duration{
	10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// stepFor returns the shortest of steps, or else of whole days, of which length
// holds at most limit.
func stepFor(length time.Duration, limit int) time.Duration {
	for _, step := range steps {
		if length <= step*time.Duration(limit) {
			return step
		}
	}
	const day = 24 * time.Hour
	shortest := (length + time.Duration(limit) - 1) / time.Duration(limit)
	return (shortest + day - 1) / day * day
}

// Series returns how q.Metric went over q's range. Steps lie on a grid since the
// Unix epoch. Steps of an hour and more are read from rollups.
//
// It fails with CodeNotFound for an unknown link and with CodeInvalid for a metric
// that is not Drawable, a negative step, or one of which the range holds more than
// 100,000.
func Series(ctx context.Context, store Store, q SeriesQuery) (TimeSeries, error) {
	metric, query, err := q.resolve(ctx, store)
	if err != nil {
		return TimeSeries{}, err
	}
	step, err := resolveStep(q.Step, query.From, query.To)
	if err != nil {
		return TimeSeries{}, err
	}
	series := TimeSeries{
		Stream: Stream{Site: query.Site, Link: q.Link, Target: q.Target, Family: q.Family, Load: query.Load},
		Metric: metric, From: query.From, To: query.To, Step: step,
	}
	merged := map[Stream][]stepSample{}
	err = scan(ctx, store, query, finest(step), func(s Sample) {
		start := floorTime(s.Start, step)
		list := merged[s.Stream]
		if n := len(list); n == 0 || !list[n-1].start.Equal(start) {
			list = append(list, stepSample{start: start})
		}
		list[len(list)-1].add(lean(s))
		merged[s.Stream] = list
	})
	if err != nil {
		return TimeSeries{}, err
	}
	stream, ok := busiest(merged, func(list []stepSample) int64 {
		var planned int64
		for _, s := range list {
			planned += s.sample.Counts.Planned
		}
		return planned
	})
	if !ok {
		return series, nil
	}
	series.Stream = stream
	down, err := readDowntime(ctx, store, query)
	if err != nil {
		return TimeSeries{}, err
	}
	for _, s := range merged[stream] {
		end := s.start.Add(step)
		series.Points = append(series.Points, SeriesPoint{Start: s.start, Length: step, StepValues: s.values(metric, func() time.Duration {
			return down.within(stream, later(s.start, series.From), earlier(end, series.To))
		})})
	}
	return series, nil
}

// resolve checks what is asked and returns what it selects.
func (q SeriesQuery) resolve(ctx context.Context, store Store) (Metric, Query, error) {
	metric, err := metricThat(q.Metric, "drawn", Metric.Drawable)
	if err != nil {
		return Metric{}, Query{}, err
	}
	known, err := findLinks(ctx, store, q.Site, []LinkID{q.Link})
	if err != nil {
		return Metric{}, Query{}, err
	}
	query := Query{Links: []LinkID{q.Link}, Family: q.Family, Load: orIdle(q.Load), Lean: true}
	if query.Site, err = oneSite(known); err != nil {
		return Metric{}, Query{}, err
	}
	if q.Target != "" {
		query.Targets = []TargetID{q.Target}
	}
	query.From, query.To, err = resolveRange(q.From, q.To, known)
	return metric, query, err
}

// resolveStep checks an asked step or chooses one.
func resolveStep(asked time.Duration, from, to time.Time) (time.Duration, error) {
	const most = 100_000
	switch {
	case asked == 0:
		return stepFor(to.Sub(from), MaxSeriesPoints-1), nil // one more where the grid cuts
	case asked < 0 || to.Sub(from)/asked > most:
		return 0, &Error{Code: CodeInvalid, Message: fmt.Sprintf("step %s: give a positive one of which the range holds at most %d", asked, most)}
	default:
		return asked, nil
	}
}

// finest returns the longest resolution that whole steps are made of.
func finest(step time.Duration) Resolution {
	switch {
	case step%(24*time.Hour) == 0:
		return Days
	case step%time.Hour == 0:
		return Hours
	default:
		return Windows
	}
}

// stepSample is a stream's merged sample of one step.
type stepSample struct {
	start       time.Time
	sample      Sample
	plannedTime time.Duration
}

func (s *stepSample) add(o Sample) {
	s.sample.Merge(o)
	s.plannedTime += plannedTime(o)
}

// values describes what was merged. downtime returns the time inside outages.
func (s stepSample) values(metric Metric, downtime func() time.Duration) StepValues {
	p := StepValues{Counts: s.sample.Counts}
	p.LossRatio, p.LossDefined = p.Counts.LossRatio()
	switch metric.Name {
	case MetricRTT:
		p.quantiles(s.sample.RTT.Quantile)
	case MetricPDV:
		p.quantiles(s.sample.PDV)
	case MetricJitter:
		p.Value, p.Defined = s.sample.Variation.MeanJitter()
	case MetricLossRatio:
		p.Value, p.Defined = p.LossRatio, p.LossDefined
	case MetricAvailability:
		p.Value, p.Defined = availability(downtime(), s.plannedTime)
	}
	return p
}

func (p *StepValues) quantiles(quantile func(float64) (float64, bool)) {
	if p.P50, p.Defined = quantile(0.5); !p.Defined {
		return
	}
	p.P5, _ = quantile(0.05)
	p.P95, _ = quantile(0.95)
	p.Value, p.QuantilesDefined = p.P50, true
}
