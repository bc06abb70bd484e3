package perigee

import "time"

// joinWithin is how far apart outages of one cause may be and still be one disruption: a
// link that answers one probe in between has not recovered, and where the load of a link
// changes an outage is cut in two.
const joinWithin = time.Second

// disruptions merges the outages of a site and judges what comes of it.
func (e *evidence) disruptions(q DisruptionQuery) []Disruption {
	open := map[cause]*merging{}
	var list []*merging
	for _, o := range e.outages {
		v := e.judge(o)
		m := open[v.cause]
		if m == nil || o.Start.After(m.End.Add(joinWithin)) {
			m = &merging{links: map[LinkID]bool{}, targets: map[TargetID]bool{}}
			m.Site, m.Start = e.site, o.Start
			open[v.cause] = m
			list = append(list, m)
		}
		m.add(o, v)
	}
	days := e.appointments(q.Location)
	disruptions := make([]Disruption, 0, len(list))
	for _, m := range list {
		disruptions = append(disruptions, m.finish(e, days, q))
	}
	return disruptions
}

// merging is a disruption that grows.
type merging struct {
	Disruption
	links   map[LinkID]bool
	targets map[TargetID]bool
	longest Outage // whose judgment is told
	class   DisruptionClass
}

func (m *merging) add(o Outage, v judgment) {
	if len(m.Outages) == 0 || o.End.After(m.End) {
		m.End = o.End
	}
	if len(m.Outages) == 0 || o.length() > m.longest.length() {
		m.longest, m.Blame, m.Why, m.class = o, v.blame, v.why, v.class
	}
	m.Open = m.Open || o.Open
	m.Probes += o.Probes
	m.links[o.Stream.Link], m.targets[o.Stream.Target] = true, true
	m.Outages = append(m.Outages, o)
}

// finish classes what was merged.
func (m *merging) finish(e *evidence, days map[Stream][]appointment, q DisruptionQuery) Disruption {
	d := m.Disruption
	d.Links, d.Targets = sorted(m.links), sorted(m.targets)
	d.Class = m.class
	if d.Class == "" {
		d.Class = e.classOf(&d, m.longest, days, q)
	}
	return d
}
