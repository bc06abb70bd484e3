package api

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"perigee"
)

func linkDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_link_"+name, help, append([]string{"site", "link"}, labels...), nil)
}

// The metrics of links as they are configured.
var (
	descLink     = linkDesc("info", "Always 1, of each configured link; what it is stands in the labels.", "orbit", "interface", "probed")
	descFloor    = linkDesc("floor_seconds", "The least round-trip time that the speed of light allows; absent of orbits without a stated altitude.")
	descPlanRate = linkDesc("plan_bits_per_second", "Payload in a second that was promised; absent if none was.", "direction")
	descPlanUp   = linkDesc("plan_availability_ratio", "Availability that was promised; absent if none was.")
)

// linkCollector tells Prometheus of links.
type linkCollector struct {
	site  perigee.Site
	links []perigee.Link
}

// NewLinkCollector returns what tells Prometheus of links as they are configured: from the
// start, measured or not, so that a link that is silent can be told from one that is not
// there.
func NewLinkCollector(site perigee.Site, links []perigee.Link) prometheus.Collector {
	return linkCollector{site, links}
}

func (c linkCollector) Describe(chan<- *prometheus.Desc) {}

func (c linkCollector) Collect(ch chan<- prometheus.Metric) {
	send := sender(ch)
	for _, l := range c.links {
		labels := []string{validLabel(c.site.Name), validLabel(string(l.ID))}
		with := func(extra ...string) []string { return append(labels[:2:2], extra...) }
		send.gauge(descLink, 1, with(string(l.Orbit), validLabel(l.Interface), strconv.FormatBool(l.Bound()))...)
		if floor, ok := perigee.Floor(l, c.site); ok {
			send.gauge(descFloor, floor, labels...)
		}
		send.maybe(descPlanRate, defined(l.Plan.Down, l.Plan.Down > 0), with(string(perigee.LoadDown))...)
		send.maybe(descPlanRate, defined(l.Plan.Up, l.Plan.Up > 0), with(string(perigee.LoadUp))...)
		send.maybe(descPlanUp, defined(l.Plan.Availability, l.Plan.Availability > 0), labels...)
	}
}
