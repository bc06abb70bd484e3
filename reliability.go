package perigee

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// CalendarUnit is what reliability is told by.
type CalendarUnit string

// The units.
const (
	ByDay   CalendarUnit = "day"
	ByMonth CalendarUnit = "month"
)

// ReliabilityQuery asks how often and how long links failed. Zero fields select all.
type ReliabilityQuery struct {
	Site     string
	Links    []LinkID
	From, To time.Time // zero: all there is

	By          CalendarUnit   // ByDay if empty
	Location    *time.Location // of days and months; UTC if nil
	LeapSeconds int            // of Starlink's slots; LeapSeconds if 0

	// Disruptions are those of the same question, if they are known already; nil:
	// they are asked for.
	Disruptions []Disruption
}

// LinkReliability is how often and how long a link failed.
type LinkReliability struct {
	Link    LinkRecord
	Total   Reliability
	Periods []Reliability // days or months in which it was measured, in order
}

// Reliability is how a link did in one period. A disruption counts where it begins, in
// the first period of the range if it began before; its time counts where it lies.
type Reliability struct {
	From, To time.Time // a day or a month, cut to the range

	// Planned is how long the link was meant to be measured: gaps are no part of
	// it. Down is how much of that lay in outages charged to the link.
	Planned, Down time.Duration

	// Failures are the disruptions charged to the link (see Blame.Charged), and
	// the longest of them; Classes and Blamed divide them.
	Failures int
	Longest  time.Duration
	Classes  map[DisruptionClass]Share
	Blamed   map[Blame]Share

	// ShortLosses are the loss periods too short to be outages, single lost probes
	// among them, at the target that was measured most, of equals that with the
	// fewest.
	ShortLosses int64

	// Excused are the others: a target was down, or the monitor failed. Their
	// Down is that of the paths they hit; the link was up.
	Excused map[Blame]Share
}

// Share is a part of disruptions.
type Share struct {
	Count int
	Down  time.Duration
}

// Up returns how long the link was seen to be up.
func (r Reliability) Up() time.Duration { return max(r.Planned-r.Down, 0) }

// Availability returns 1 - Down/Planned. It reports false if nothing was planned.
func (r Reliability) Availability() (float64, bool) { return availability(r.Down, r.Planned) }

// MTBF returns the mean time between failures: Up over Failures. Without any it reports
// false and returns Up: it is more than that.
func (r Reliability) MTBF() (time.Duration, bool) {
	if r.Failures == 0 {
		return r.Up(), false
	}
	return r.Up() / time.Duration(r.Failures), true
}

// MTTR returns the mean time to repair: Down over Failures. It reports false if there
// were none.
func (r Reliability) MTTR() (time.Duration, bool) {
	if r.Failures == 0 {
		return 0, false
	}
	return r.Down / time.Duration(r.Failures), true
}

// ReliabilityOf tells how often and how long links failed over a range, by day or month,
// ordered by site and link. Links that were never measured in the range have no periods.
//
// It reads outages, and rollups of what was planned: by day if days are UTC's, else by
// hour. It fails with CodeNotFound for an unknown link and with CodeInvalid for a unit
// that is none.
func ReliabilityOf(ctx context.Context, store Store, q ReliabilityQuery) ([]LinkReliability, error) {
	if q.By == "" {
		q.By = ByDay
	}
	if q.By != ByDay && q.By != ByMonth {
		return nil, &Error{Code: CodeInvalid, Message: fmt.Sprintf("by %q: use one of %s, %s", q.By, ByDay, ByMonth)}
	}
	if q.Location == nil {
		q.Location = time.UTC
	}
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	if q.From, q.To, err = resolveRange(q.From, q.To, known); err != nil {
		return nil, err
	}
	list := make([]*reliabilityOf, 0, len(known))
	byLink := map[siteLink]*reliabilityOf{}
	for _, r := range known {
		one := &reliabilityOf{q: q, LinkReliability: LinkReliability{Link: r}, periods: map[time.Time]*Reliability{}}
		one.Total = Reliability{From: q.From, To: q.To}
		list = append(list, one)
		byLink[siteLink{r.Site.Name, r.Link.ID}] = one
	}
	if err := readPlanned(ctx, store, q, byLink); err != nil {
		return nil, err
	}
	disruptions := q.Disruptions
	if disruptions == nil {
		disruptions, err = Disruptions(ctx, store, DisruptionQuery{
			Site: q.Site, Links: q.Links, From: q.From, To: q.To, Location: q.Location, LeapSeconds: q.LeapSeconds,
		})
		if err != nil {
			return nil, err
		}
	}
	gaps, err := store.Gaps(ctx, Query{Site: q.Site, Links: q.Links, From: q.From, To: q.To})
	if err != nil {
		return nil, err
	}
	for _, d := range disruptions {
		for _, link := range d.Links {
			if one := byLink[siteLink{d.Site, link}]; one != nil {
				one.add(d, gaps)
			}
		}
	}
	answers := make([]LinkReliability, 0, len(list))
	for _, one := range list {
		answers = append(answers, one.answer())
	}
	return answers, nil
}

type siteLink struct {
	site string
	link LinkID
}

// reliabilityOf is a LinkReliability that grows.
type reliabilityOf struct {
	LinkReliability
	q       ReliabilityQuery
	periods map[time.Time]*Reliability // by their start
	down    []span                     // of all that is charged
}

// period returns the period that t lies in.
func (l *reliabilityOf) period(t time.Time) *Reliability {
	from, to := calendarUnit(t, l.q.By, l.q.Location)
	r := l.periods[from]
	if r == nil {
		r = &Reliability{From: later(from, l.q.From), To: earlier(to, l.q.To)}
		l.periods[from] = r
	}
	return r
}

// plan adds planned time that lies in s, divided evenly over the periods that s touches,
// and the short losses in it, which count where s begins.
func (l *reliabilityOf) plan(s span, planned time.Duration, losses int64) {
	l.Total.Planned += planned
	l.Total.ShortLosses += losses
	s = span{later(s.from, l.q.From), earlier(s.to, l.q.To)}
	length := s.to.Sub(s.from)
	l.period(s.from).ShortLosses += losses
	l.divide(s, func(r *Reliability, part time.Duration) {
		r.Planned += time.Duration(float64(planned) * float64(part) / float64(length))
	})
}

// divide calls f for each period that s touches, with how much of s lies in it.
func (l *reliabilityOf) divide(s span, f func(*Reliability, time.Duration)) {
	for s.from.Before(s.to) {
		_, end := calendarUnit(s.from, l.q.By, l.q.Location)
		if !end.After(s.from) { // a midnight that the zone skips
			end = s.from.Add(time.Hour)
		}
		f(l.period(s.from), earlier(end, s.to).Sub(s.from))
		s.from = end
	}
}

// add counts a disruption that hit the link.
func (l *reliabilityOf) add(d Disruption, gaps []Gap) {
	var spans, holes []span
	for _, o := range d.Outages {
		if s := (span{later(o.Start, l.q.From), earlier(o.End, l.q.To)}); o.Stream.Link == l.Link.Link.ID && o.Stream.Target != FirstHop && !s.to.Before(s.from) {
			spans = append(spans, s)
		}
	}
	if len(spans) == 0 {
		return // its first hop alone
	}
	for _, g := range gaps {
		if g.Site == d.Site && (g.Link == "" || g.Link == l.Link.Link.ID) && g.Start.Before(g.End) {
			holes = append(holes, span{g.Start, g.End})
		}
	}
	spans = subtract(union(spans), holes)

	var down time.Duration
	for _, s := range spans {
		down += s.to.Sub(s.from)
		l.divide(s, func(r *Reliability, part time.Duration) { r.count(d, 0, part) })
	}
	l.Total.count(d, 0, down)
	for _, r := range []*Reliability{&l.Total, l.period(later(d.Start, l.q.From))} {
		r.count(d, 1, 0)
		if d.Blame.Charged() {
			r.Longest = max(r.Longest, down)
		}
	}
	if d.Blame.Charged() {
		l.down = append(l.down, spans...)
	}
}

// count adds to what stands of d's class and blame.
func (r *Reliability) count(d Disruption, count int, down time.Duration) {
	if !d.Blame.Charged() {
		put(&r.Excused, d.Blame, count, down)
		return
	}
	r.Failures += count
	put(&r.Classes, d.Class, count, down)
	put(&r.Blamed, d.Blame, count, down)
}

func put[K comparable](shares *map[K]Share, key K, count int, down time.Duration) {
	if *shares == nil {
		*shares = map[K]Share{}
	}
	s := (*shares)[key]
	s.Count += count
	s.Down += down
	(*shares)[key] = s
}

// answer completes what was added. Time in which two causes kept the link down counts
// once.
func (l *reliabilityOf) answer() LinkReliability {
	for _, s := range union(l.down) {
		l.Total.Down += s.to.Sub(s.from)
		l.divide(s, func(r *Reliability, part time.Duration) { r.Down += part })
	}
	for _, r := range l.periods {
		l.Periods = append(l.Periods, *r)
	}
	slices.SortFunc(l.Periods, func(a, b Reliability) int { return a.From.Compare(b.From) })
	return l.LinkReliability
}

// calendarUnit returns the day or month that t lies in.
func calendarUnit(t time.Time, by CalendarUnit, location *time.Location) (from, to time.Time) {
	year, month, day := t.In(location).Date()
	if by == ByMonth {
		return time.Date(year, month, 1, 0, 0, 0, 0, location), time.Date(year, month+1, 1, 0, 0, 0, 0, location)
	}
	return time.Date(year, month, day, 0, 0, 0, 0, location), time.Date(year, month, day+1, 0, 0, 0, 0, location)
}
