package perigee

import (
	"context"
	"fmt"
	"time"

	"perigee/stats"
)

// farTooFar is a smallest RTT that no path over satellites in low orbit has.
const farTooFar = 0.4

// implausible says why a link cannot be what it is called, or carries TCP otherwise than
// the rest, with the figures.
//
// It takes the least that any satellite of the orbit needs, whatever the site: a gateway
// may see the satellite higher in the sky than the site does.
func (m *measured) implausible(stream Stream, r LinkRecord) []string {
	var list []string
	if text := m.implausibleOrbit(stream, r.Link); text != "" {
		list = append(list, text)
	}
	if p := m.proxies[r.Link.ID]; p.suspected > 0 {
		list = append(list, fmt.Sprintf("%s: %s, in %d of %s of the last day: a proxy (PEP) seems to split connections; ICMP, UDP and QUIC see the path, TCP's throughput is the proxy's doing",
			r.Link.ID, p.figures, p.suspected, plural(p.known, "transfer")))
	}
	return list
}

func (m *measured) implausibleOrbit(stream Stream, link Link) string {
	record := m.record(stream)
	rtt := record.total.sample.RTT
	if text := impossible(link, rtt, func(floor float64) string {
		return m.when(record, func(w window) bool { least, ok := w.rtt.Min(); return ok && least < floor })
	}); text != "" {
		return text
	}
	if link.Orbit == OrbitStarlink || link.Orbit == OrbitLEO {
		far := func(w window) bool { least, ok := w.rtt.Min(); return ok && least > farTooFar }
		if long := m.longest(record, far); long >= failedOver {
			return fmt.Sprintf("%s is called %s, but for %s no RTT was below %.0f ms%s: failed over to a link over a higher orbit, or choked by a queue",
				link.ID, link.Orbit, shortDuration(long), farTooFar*1000, m.when(record, far))
		}
	}
	return ""
}

// Implausible says why link cannot be what its orbit says, judged by the smallest RTT of
// all that was measured.
func Implausible(link Link, s Sample) []string {
	if text := impossible(link, s.RTT, func(float64) string { return "" }); text != "" {
		return []string{text}
	}
	return nil
}

// impossible says why no link of the orbit has such a smallest RTT; when tells in what
// part of the time it was below the floor.
func impossible(link Link, rtt stats.Distribution, when func(floor float64) string) string {
	if rtt.Count == 0 {
		return ""
	}
	orbit := link.Orbit
	if orbit == OrbitLEO {
		orbit = OrbitStarlink // not every constellation flies as high as OneWeb
	}
	floor, ok := Floor(Link{Orbit: orbit}, Site{})
	switch {
	case ok && rtt.Min < floor:
		return fmt.Sprintf("%s is called %s, but its smallest RTT of %.1f ms is below the %.1f ms that light needs%s: mislabelled, answered by a proxy, or failed over to another link",
			link.ID, link.Orbit, rtt.Min*1000, floor*1000, when(floor))
	case (link.Orbit == OrbitStarlink || link.Orbit == OrbitLEO) && rtt.Min > farTooFar:
		return fmt.Sprintf("%s is called %s, but its smallest RTT of %.0f ms is that of a higher orbit: mislabelled, or failed over to another link", link.ID, link.Orbit, rtt.Min*1000)
	}
	return ""
}

// failedOver is how long a link must have behaved like another to be said to have been
// one: no queue of a working link stands for so long without a single quick reply.
const failedOver = 5 * time.Minute

// when says in which part of the windows something was the case, if not in all.
func (m *measured) when(r *record, is func(window) bool) string {
	n, of := 0, 0
	var first, last int64
	for _, w := range r.windows {
		if w.rtt.Count() == 0 {
			continue
		}
		of++
		if is(w) {
			if n == 0 {
				first = w.place
			}
			n, last = n+1, w.place
		}
	}
	if n == 0 || n == of {
		return ""
	}
	at := func(place int64) string { return time.Unix(0, place*int64(m.grid)).UTC().Format(time.RFC3339) }
	return fmt.Sprintf(" (in %d of %d windows, from %s to %s)", n, of, at(first), at(last+1))
}

// longest returns the longest time in which something was the case in every window.
func (m *measured) longest(r *record, is func(window) bool) time.Duration {
	var longest, run time.Duration
	var last int64
	for _, w := range r.windows {
		if !is(w) {
			run = 0
			continue
		}
		if w.place != last+1 {
			run = 0
		}
		run, last = run+m.grid, w.place
		longest = max(longest, run)
	}
	return longest
}

// proxies is what the transfers over a link say of proxies on the way.
type proxies struct {
	known, suspected int
	figures          string // of the last suspected
}

// proxiesWithin is how far before the end of a range transfers are asked about proxies: a
// terminal has one or not.
const proxiesWithin = 24 * time.Hour

// findProxies judges the last transfers of the range that q selects, by link.
func findProxies(ctx context.Context, store Store, q Query) (map[LinkID]proxies, error) {
	found := map[LinkID]proxies{}
	last := Query{Site: q.Site, Links: q.Links, From: later(q.From, q.To.Add(-proxiesWithin)), To: q.To}
	for t, err := range store.Throughputs(ctx, last) {
		if err != nil {
			return nil, err
		}
		suspected, known := t.SuspectPEP()
		if !known {
			continue
		}
		p := found[t.Stream.Link]
		p.known++
		if suspected {
			p.suspected++
			p.figures = pepFigures(t)
		}
		found[t.Stream.Link] = p
	}
	return found, nil
}
