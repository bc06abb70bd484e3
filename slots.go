package perigee

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"perigee/stats"
)

// LeapSeconds is by how many seconds GPS time is ahead of UTC, since 2017 and until it is
// decided otherwise. Starlink's slots lie on GPS time.
const LeapSeconds = 18

// MaxSlotsRange bounds the range of an analysis of slots: it reads every single probe.
const MaxSlotsRange = 7 * 24 * time.Hour

// ErrNoSingletons is in the chain of the error of an analysis that needs single probes
// where the store has their statistics alone.
var ErrNoSingletons = errors.New("single probes are not kept")

// ClockQuality is what the system believes of the clock that stamped the probes. The zero
// value is not to know.
type ClockQuality struct {
	Known        bool
	Synchronised bool
	Error        time.Duration // estimated
}

// clockTolerance is the clock error up to which a second of a slot can be told from the
// next.
const clockTolerance = 500 * time.Millisecond

// sound reports whether nothing speaks against the clock.
func (c ClockQuality) sound() bool {
	return !c.Known || c.Synchronised && c.Error <= clockTolerance
}

// SlotQuery asks whether the delay of a link changes in Starlink's slots of 15 s.
type SlotQuery struct {
	Site   string
	Link   LinkID
	Target TargetID // empty: the one with the most probes in the range
	Family Family   // empty: ipv4 if measured, else ipv6

	// From and To bound the range, of MaxSlotsRange at most. Without To it ends
	// with the last sample; without From it is a day, or what there is of it.
	From, To time.Time

	LeapSeconds int          // LeapSeconds if 0
	Clock       ClockQuality // of the clock of the monitor
}

// SlotAnalysis is what a stream's idle probes say of slots.
type SlotAnalysis struct {
	Stream      Stream
	Orbit       Orbit // empty if the link was never described
	From, To    time.Time
	LeapSeconds int
	Grid        stats.SlotGrid
	Interval    time.Duration // between probes, at the end of the range
	Statistics  stats.SlotStatistics

	// Detected reports whether there are slots. DetectedDefined is false if the
	// clock is too doubtful to say.
	Detected, DetectedDefined bool

	Verdict  string // a sentence to quote
	Warnings []string
}

// Slots folds the idle probes of one link to one target onto the seconds of Starlink's
// slots, and says whether there are any. Windows that begin in the range are read, what
// was not measured is left out.
//
// It fails with CodeNotFound for an unknown link, with CodeInvalid for too long a range,
// and with CodeNotEnoughData if fewer than stats.LeastSlots slots can be judged; if that
// is because the store has no single probes, ErrNoSingletons is in its chain.
func Slots(ctx context.Context, store Store, q SlotQuery) (SlotAnalysis, error) {
	known, err := findLinks(ctx, store, q.Site, []LinkID{q.Link})
	if err != nil {
		return SlotAnalysis{}, err
	}
	site, err := oneSite(known)
	if err != nil {
		return SlotAnalysis{}, err
	}
	a := SlotAnalysis{LeapSeconds: q.LeapSeconds}
	if a.LeapSeconds == 0 {
		a.LeapSeconds = LeapSeconds
	}
	if a.From, a.To, err = slotsRange(q.From, q.To, known); err != nil {
		return SlotAnalysis{}, err
	}
	query := Query{Site: site, Links: []LinkID{q.Link}, Family: q.Family, Load: LoadIdle, From: a.From, To: a.To}
	if q.Target != "" {
		query.Targets = []TargetID{q.Target}
	}
	if a.Stream, err = measuredMost(ctx, store, query); err != nil {
		return SlotAnalysis{}, err
	}
	a.Orbit = describedAs(known, a.Stream).Link.Orbit
	a.Grid = stats.StarlinkGrid(a.LeapSeconds)
	if err := a.fold(ctx, store, query); err != nil {
		return SlotAnalysis{}, err
	}
	steps, err := clockSteps(ctx, store, query)
	if err != nil {
		return SlotAnalysis{}, err
	}
	a.conclude(q.Clock, steps)
	return a, nil
}

// slotsRange completes and checks a range.
func slotsRange(from, to time.Time, known []LinkRecord) (time.Time, time.Time, error) {
	if to.IsZero() {
		for _, r := range known {
			to = later(to, r.Last)
		}
		if !from.IsZero() {
			to = later(to, from.Add(time.Nanosecond))
		}
	}
	if from.IsZero() {
		from = to.Add(-24 * time.Hour)
		var first time.Time
		for _, r := range known {
			if !r.First.IsZero() && (first.IsZero() || r.First.Before(first)) {
				first = r.First
			}
		}
		if first.After(from) && first.Before(to) {
			from = first
		}
	}
	from, to, err := resolveRange(from, to, known)
	if err != nil {
		return from, to, err
	}
	if to.Sub(from) > MaxSlotsRange {
		return from, to, &Error{Code: CodeInvalid, Message: fmt.Sprintf("range of %s: slots are looked for in %s at most; ask for a shorter one", to.Sub(from).Round(time.Second), MaxSlotsRange)}
	}
	return from, to, nil
}

// measuredMost returns the stream with the most probes among those that q selects.
func measuredMost(ctx context.Context, store Store, q Query) (Stream, error) {
	planned := map[Stream]int64{}
	if err := scan(ctx, store, q, Hours, func(s Sample) { planned[s.Stream] += s.Counts.Planned }); err != nil {
		return Stream{}, err
	}
	stream, ok := busiest(planned, func(n int64) int64 { return n })
	if !ok {
		return Stream{}, &Error{Code: CodeNotEnoughData, Message: fmt.Sprintf("link %s was not measured in this range: ask for another", q.Links[0])}
	}
	return stream, nil
}

// fold reads the stream's single probes of the range.
func (a *SlotAnalysis) fold(ctx context.Context, store Store, q Query) error {
	q.Targets, q.Method, q.Family = []TargetID{a.Stream.Target}, a.Stream.Method, a.Stream.Family
	fold := stats.NewSlotFold(a.Grid)
	windows := 0
	for s, err := range store.Singletons(ctx, q) {
		if err != nil {
			return err
		}
		windows++
		a.Interval = s.Interval
		start := s.Start.UnixNano()
		for _, one := range s.Singletons {
			switch at := start + int64(one.At); {
			case one.Outcome == Received:
				fold.Arrived(at, one.RTT.Seconds())
			case one.Outcome.Sent():
				fold.Missed(at)
			}
		}
	}
	if windows == 0 {
		return &Error{Code: CodeNotEnoughData, Err: ErrNoSingletons, Message: fmt.Sprintf("slots of link %s need single probes, and of this range there are only statistics: "+
			"a monitor keeps single probes for storage.keep.singletons (14 days), InfluxDB does not hold them; ask the monitor itself, and for a later range", a.Stream.Link)}
	}
	a.Statistics = fold.Result()
	if compared := a.Statistics.Phases[0].Compared; compared < stats.LeastSlots {
		message := fmt.Sprintf("only %d slots of link %s can be judged, and %d are needed: ask for a longer range", compared, a.Stream.Link, stats.LeastSlots)
		if a.Interval > time.Second {
			message = fmt.Sprintf("link %s is probed every %s, and slots can be judged only from a probe a second or more: lower probes.icmp.interval", a.Stream.Link, a.Interval)
		}
		return &Error{Code: CodeNotEnoughData, Message: message}
	}
	return nil
}

// clockSteps returns how often the clock was set in the range.
func clockSteps(ctx context.Context, store Store, q Query) (int, error) {
	gaps, err := store.Gaps(ctx, Query{Site: q.Site, Links: q.Links, From: q.From, To: q.To})
	gaps = slices.DeleteFunc(gaps, func(g Gap) bool { return g.Reason != GapClockStep })
	return len(gaps), err
}

// conclude puts what was found into words. A wrong clock moves slots to another phase: it
// hides none and makes none.
func (a *SlotAnalysis) conclude(clock ClockQuality, clockSteps int) {
	s := a.Statistics
	a.Detected, a.DetectedDefined = s.Verdict == stats.SlotsDetected, true
	milliseconds := func(seconds float64) string { return fmt.Sprintf("%.1f ms", seconds*1000) }
	switch s.Verdict {
	case stats.SlotsDetected:
		a.Verdict = fmt.Sprintf("slots of 15 s: round trips step by %s on average where slots meet, by %s elsewhere", milliseconds(s.Edge.Mean), milliseconds(s.Other.Mean))
	case stats.SlotsElsewhere:
		a.Verdict = fmt.Sprintf("no slots of Starlink's: round trips step every 15 s, but %d s after its slots begin", s.Best)
		if !clock.sound() {
			a.DetectedDefined = false
			a.Verdict = fmt.Sprintf("cannot be told: round trips step every 15 s, %d s after Starlink's slots begin by a clock that may be wrong", s.Best)
		}
	case stats.SlotsWeak:
		a.Verdict = "no slots: steps are larger where slots would meet, but hardly"
	case stats.SlotsOneSided:
		a.Verdict = "no slots: round trips step where slots would meet, but always the same way or by turns, as load does that comes and goes"
	case stats.SlotsShorter:
		a.Verdict = "no slots: round trips step where slots would meet, and as much in between; something has a shorter period"
	case stats.SlotsLonger:
		a.Verdict = "no slots: round trips step where some slots would meet, not where all would; something has a longer period"
	default:
		a.Verdict = "no slots: round trips step no more where slots would meet than elsewhere"
	}
	a.warn(clock, clockSteps)
}

// What it takes to find slots in nearly all cases; see docs/metrics.md.
const (
	slotsForNo       = 48                     // judged, of 12 min
	slotsForNoSparse = 200                    // of nearly an hour
	sparseInterval   = 500 * time.Millisecond // between probes, from which a second holds too few for a good median
)

func (a *SlotAnalysis) warn(clock ClockQuality, clockSteps int) {
	warn := func(format string, args ...any) { a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...)) }
	s := a.Statistics
	compared := s.Phases[0].Compared
	switch {
	case a.Detected:
	case a.Interval >= sparseInterval && compared < slotsForNoSparse:
		warn("only %d slots were judged: with a probe every %s it takes %d to miss hardly any", compared, a.Interval, slotsForNoSparse)
	case compared < slotsForNo:
		warn("only %d slots were judged: it takes %d to miss hardly any", compared, slotsForNo)
	}
	switch {
	case !clock.Known, a.Detected: // slots that are where they should be vouch for the clock
	case !clock.Synchronised:
		warn("the clock is not synchronised: phases may be those of other seconds")
	case clock.Error > clockTolerance:
		warn("the clock may be wrong by %s: phases may be those of other seconds", clock.Error.Round(time.Millisecond))
	}
	if clockSteps > 0 {
		times := "once"
		if clockSteps > 1 {
			times = fmt.Sprintf("%d times", clockSteps)
		}
		warn("the clock was set %s in this range: the phases before may be those of other seconds", times)
	}
	switch {
	case a.Orbit == "":
	case a.Detected && a.Orbit != OrbitStarlink:
		warn("the link is described as %s, and behaves like Starlink", a.Orbit)
	case a.DetectedDefined && !a.Detected && a.Orbit == OrbitStarlink && len(a.Warnings) == 0:
		warn("the link is described as starlink, and does not behave like it: it may have failed over to another")
	}
}
