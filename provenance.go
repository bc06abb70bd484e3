package perigee

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Maker is what made results: which program, and how it was told to.
type Maker struct {
	Version       string // of perigee
	Configuration string // hash of it, as `perigee config check` tells it; empty if there was none
	Instance      string // of the store that it wrote to first; empty if not known

	// Methods are those that it measures by, separated by spaces; empty if not known.
	Methods string

	// Probing says in words what of the configuration makes numbers differ: rate,
	// payload, timeouts, and after ProbingTransfers what does so of transfers. It
	// stands last in Detail, and may hold commas.
	Probing string
}

// ProbingTransfers begins the part of Maker.Probing that is of transfers.
const ProbingTransfers = "; transfers "

// The words of a maker's detail, in their order.
const (
	makerVersion       = "perigee "
	makerConfiguration = ", configuration "
	makerInstance      = ", instance "
	makerMethods       = ", methods "
	makerProbing       = ", probing "
)

// Detail is how events tell of a maker: "perigee v1.2.0, configuration 0123456789abcdef,
// instance 01234567, methods icmp perigee, probing icmp every 200ms …". What is empty is
// left out.
func (m Maker) Detail() string {
	text := makerVersion + m.Version
	for _, one := range []struct{ word, value string }{
		{makerConfiguration, m.Configuration}, {makerInstance, m.Instance}, {makerMethods, m.Methods}, {makerProbing, m.Probing},
	} {
		if one.value != "" {
			text += one.word + one.value
		}
	}
	return text
}

// ParseMaker is the inverse of Detail, of every version of perigee. It reports false for
// what tells of no maker.
func ParseMaker(detail string) (m Maker, ok bool) {
	rest, ok := strings.CutPrefix(detail, makerVersion)
	if !ok {
		return Maker{}, false
	}
	rest, m.Probing, _ = strings.Cut(rest, makerProbing)
	rest, m.Methods, _ = strings.Cut(rest, makerMethods)
	rest, m.Instance, _ = strings.Cut(rest, makerInstance)
	m.Version, m.Configuration, _ = strings.Cut(rest, makerConfiguration)
	return m, m.Version != ""
}

// Provenance says what made the results of a span of time.
type Provenance struct {
	Site string
	Link LinkID // empty: all links that were measured then

	// From <= start of a result < To. To is zero while it lasts.
	From, To time.Time

	Maker  Maker  // zero if not known: of what other programs measured
	Source string // of imports: which file, as event imported tells it; else empty
}

// ProvenanceKinds are the kinds of the events that tell of provenance.
var ProvenanceKinds = []EventKind{EventStarted, EventReloaded, EventStopped, EventImported, EventMeasured}

// ProvenanceOf returns the spans that lie in part in the range of q, cut to it, of its
// site and links, in the order they begin. Spans of one maker that follow each other are
// one, so that their number grows with versions and configurations, not with restarts.
// A span of a link alone tells more of that link than one of all links. The time in which
// nothing was measured is told by gaps; a span says nothing of it.
func ProvenanceOf(ctx context.Context, store Store, q Query) ([]Provenance, error) {
	// Whoever measured may have started long before, and files are read long after.
	events, err := store.Events(ctx, Query{Site: q.Site, Links: q.Links, Kinds: ProvenanceKinds})
	if err != nil {
		return nil, err
	}
	var spans []Provenance
	for _, p := range provenances(events) {
		if !q.From.IsZero() && p.From.Before(q.From) {
			p.From = q.From
		}
		if !q.To.IsZero() && (p.To.IsZero() || p.To.After(q.To)) {
			p.To = q.To
		}
		if p.To.IsZero() || p.From.Before(p.To) {
			spans = append(spans, p)
		}
	}
	return spans, nil
}

// madeAt names whose spans follow each other: each store's, and each link's of imports.
type madeAt struct {
	site, instance string
	link           LinkID
}

// provenances makes spans of events that are in order of time.
func provenances(events []Event) []Provenance {
	var spans []Provenance
	running := map[madeAt]int{} // the span that lasts, of those that measure
	latest := map[madeAt]int{}  // the newest span
	add := func(key madeAt, p Provenance) int {
		if i, ok := latest[key]; ok && spans[i].Maker == p.Maker && spans[i].Source == p.Source {
			if p.To.IsZero() || !spans[i].To.IsZero() && p.To.After(spans[i].To) {
				spans[i].To = p.To
			}
			return i
		}
		spans = append(spans, p)
		latest[key] = len(spans) - 1
		return len(spans) - 1
	}
	for _, e := range events {
		switch e.Kind {
		case EventStarted, EventReloaded, EventStopped:
			m, known := ParseMaker(e.Detail)
			key := madeAt{site: e.Site, instance: m.Instance}
			// Versions that did not tell their instance were alone.
			for other, i := range running {
				if other.site == e.Site && (other == key || other.instance == "" || m.Instance == "") {
					spans[i].To = later(spans[i].From, e.Time) // clocks are set back
					delete(running, other)
				}
			}
			if known && e.Kind != EventStopped {
				running[key] = add(key, Provenance{Site: e.Site, From: e.Time, Maker: m})
			}
		case EventImported:
			if source, from, to, ok := ParseImportedDetail(e.Detail); ok {
				add(madeAt{site: e.Site, link: e.Link, instance: source}, Provenance{Site: e.Site, Link: e.Link, From: from, To: to, Source: source})
			}
		case EventMeasured:
			if to, m, ok := ParseMeasuredDetail(e.Detail); ok {
				add(madeAt{site: e.Site, link: e.Link, instance: m.Detail()}, Provenance{Site: e.Site, Link: e.Link, From: e.Time, To: to, Maker: m})
			}
		}
	}
	slices.SortStableFunc(spans, func(a, b Provenance) int {
		return cmp.Or(a.From.Compare(b.From), strings.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link))
	})
	return spans
}

// MadeBy returns what of spans tells most closely what made the result of a link that
// began at t: who measured it, though it was imported later; which file it is from; or
// who measured all links then. It reports false if that is not known.
func MadeBy(spans []Provenance, site string, link LinkID, t time.Time) (Provenance, bool) {
	var best Provenance
	rank := 0
	for _, p := range spans {
		if p.Site != site || p.Link != "" && p.Link != link || t.Before(p.From) || !p.To.IsZero() && !t.Before(p.To) {
			continue
		}
		r := 1
		switch {
		case p.Link != "" && p.Source == "":
			r = 3
		case p.Link != "":
			r = 2
		}
		if r >= rank { // of equals the one that began last
			best, rank = p, r
		}
	}
	return best, rank > 0
}

// Event returns the event by which another store learns what made the results of link in
// p, which are those before now if p lasts.
func (p Provenance) Event(link LinkID, now time.Time) Event {
	to := p.To
	if to.IsZero() {
		to = now
	}
	if p.Source != "" {
		return Event{Site: p.Site, Link: link, Time: to, Kind: EventImported, Detail: ImportedDetail(p.Source, "by way of perigee", p.From, to)}
	}
	return Event{Site: p.Site, Link: link, Time: p.From, Kind: EventMeasured, Detail: MeasuredDetail(to, p.Maker)}
}

// MeasuredDetail returns the detail of an event about results that were measured
// elsewhere and came with their provenance: when the last of them ended, and what made
// them. The first began at the time of the event.
func MeasuredDetail(to time.Time, m Maker) string {
	return "to " + to.UTC().Format(time.RFC3339Nano) + ": " + m.Detail()
}

// ParseMeasuredDetail is the inverse of MeasuredDetail.
func ParseMeasuredDetail(detail string) (to time.Time, m Maker, ok bool) {
	rest, ok := strings.CutPrefix(detail, "to ")
	if !ok {
		return time.Time{}, Maker{}, false
	}
	text, rest, _ := strings.Cut(rest, ": ")
	to, err := time.Parse(time.RFC3339Nano, text)
	m, ok = ParseMaker(rest)
	return to, m, ok && err == nil
}

// ImportedDetail returns the detail of an event about results of a file: its source, what
// is to know of it, and the time of the results, [from, to).
func ImportedDetail(source, about string, from, to time.Time) string {
	return source + ", " + about + ", from " + from.UTC().Format(time.RFC3339Nano) + " to " + to.UTC().Format(time.RFC3339Nano)
}

// ParseImportedDetail returns of the detail of an event about results of a file the source,
// such as "ping file office.txt, sha256 …", and the time of the results. Notes may follow,
// separated by semicolons.
func ParseImportedDetail(detail string) (source string, from, to time.Time, ok bool) {
	// The name of a file may hold any of this; a hash is not followed by a second.
	i := strings.LastIndex(detail, ", sha256 ")
	if i < 0 {
		return "", from, to, false
	}
	hash, rest, _ := strings.Cut(detail[i+len(", sha256 "):], ",")
	_, rest, _ = strings.Cut(rest, " from ")
	rest, _, _ = strings.Cut(rest, ";")
	begin, end, _ := strings.Cut(rest, " to ")
	from, err := time.Parse(time.RFC3339Nano, begin)
	if err != nil {
		return "", from, to, false
	}
	to, err = time.Parse(time.RFC3339Nano, end)
	return detail[:i] + ", sha256 " + hash, from, to, err == nil
}
