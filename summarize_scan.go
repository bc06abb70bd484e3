package perigee

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// resolveRange completes an open range with what is known of links, and checks a
// closed one.
func resolveRange(from, to time.Time, known []LinkRecord) (time.Time, time.Time, error) {
	if !from.IsZero() && !to.IsZero() {
		if !from.Before(to) {
			return from, to, &Error{Code: CodeInvalid, Message: fmt.Sprintf("range: from %s is not before to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))}
		}
		return from, to, nil
	}
	var first, last time.Time
	for _, r := range known {
		if r.First.IsZero() {
			continue
		}
		if first.IsZero() || r.First.Before(first) {
			first = r.First
		}
		last = later(last, r.Last)
	}
	if from.IsZero() {
		from = first
	}
	if to.IsZero() {
		to = later(last, from)
	}
	return from, to, nil
}

// worthRollups is the length from which a range is read from rollups: below it the
// windows at its ends are most of it anyway.
const worthRollups = 6 * time.Hour

// part is a piece of a range and the resolution it is read at.
type part struct {
	from, to   time.Time
	resolution Resolution
}

// parts divides [from, to) into the longest whole UTC days and hours, as far as
// coarsest allows, and windows at the ends, in order of time.
func parts(from, to time.Time, coarsest Resolution) []part {
	if !from.Before(to) {
		return nil
	}
	length, finer := time.Duration(0), Windows
	switch {
	case coarsest == Days && to.Sub(from) >= worthRollups*24:
		length, finer = 24*time.Hour, Hours
	case coarsest != Windows && to.Sub(from) >= worthRollups:
		coarsest, length = Hours, time.Hour
	default:
		return []part{{from, to, Windows}}
	}
	first, last := ceilTime(from, length), floorTime(to, length)
	if !first.Before(last) {
		return parts(from, to, finer)
	}
	list := parts(from, first, finer)
	list = append(list, part{first, last, coarsest})
	return append(list, parts(last, to, finer)...)
}

// scan calls f for each sample that q selects, in order of start, read at the
// coarsest resolution that whole hours and days of the range allow, none coarser
// than coarsest.
func scan(ctx context.Context, store Store, q Query, coarsest Resolution, f func(Sample)) error {
	for _, p := range parts(q.From, q.To, coarsest) {
		q.From, q.To, q.Resolution = p.from, p.to, p.resolution
		for s, err := range store.Samples(ctx, q) {
			if err != nil {
				return err
			}
			f(s)
		}
	}
	return nil
}

// floorTime returns the last point at or before t on the grid of step since the Unix
// epoch.
func floorTime(t time.Time, step time.Duration) time.Time {
	return time.Unix(0, gridIndex(t, step)*int64(step)).UTC()
}

// ceilTime returns the first point at or after t on the grid of step.
func ceilTime(t time.Time, step time.Duration) time.Time {
	if floor := floorTime(t, step); floor.Before(t) {
		return floor.Add(step)
	}
	return t
}

// gridIndex returns the number of t's cell on the grid of step since the Unix epoch.
func gridIndex(t time.Time, step time.Duration) int64 {
	n, d := t.UnixNano(), int64(step)
	index := n / d
	if n%d < 0 {
		index--
	}
	return index
}

// orIdle returns l, idle if it is empty.
func orIdle(l Load) Load {
	if l == "" {
		return LoadIdle
	}
	return l
}

// comparableMetric finds a metric that links can be compared by, rtt if name is empty.
func comparableMetric(name MetricName) (Metric, error) {
	return metricThat(name, "compared", func(m Metric) bool { return m.Comparable })
}

// metricThat finds a metric that can be used in some way, rtt if name is empty.
func metricThat(name MetricName, used string, can func(Metric) bool) (Metric, error) {
	if name == "" {
		name = MetricRTT
	}
	m, ok := LookupMetric(name)
	if !ok || !can(m) {
		list := ""
		for _, m := range Metrics {
			if can(m) {
				list += ", " + string(m.Name)
			}
		}
		return Metric{}, &Error{Code: CodeInvalid, Message: fmt.Sprintf("metric %q cannot be %s: use one of %s", name, used, list[2:])}
	}
	return m, nil
}

// busiest returns the stream that measured most, preferring any target to a first hop,
// IPv4 to IPv6, and then the first by order. It reports false if there is none.
func busiest[T any](streams map[Stream]T, amount func(T) int64) (best Stream, ok bool) {
	rank := func(s Stream) (rank int) {
		if s.Target != FirstHop {
			rank += 2
		}
		if s.Family == IPv4 {
			rank++
		}
		return rank
	}
	var most int64
	for _, stream := range slices.SortedFunc(maps.Keys(streams), Stream.Compare) {
		n := amount(streams[stream])
		if better := rank(stream) - rank(best); !ok || better > 0 || better == 0 && n > most {
			best, most, ok = stream, n, true
		}
	}
	return best, ok
}
