package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"perigee"
	"perigee/internal/config"
)

// A proposal is a configuration that fits a machine, with what it rests on.
type proposal struct {
	site      perigee.Site
	links     []proposedLink
	interval  time.Duration
	storePath string
	influxdb  *proposedInflux
	notes     []string // what was seen and left out, or cannot be known
}

// A proposedLink is a way out, and why it is taken for what it is.
type proposedLink struct {
	name     string
	orbit    perigee.Orbit
	device   string
	source   netip.Addr // invalid: the device alone
	mark     uint32
	firstHop string // "": none
	budget   int64  // bytes a month; 0: none
	because  []string
	sure     bool // something tells what it is; if not, a person must say
}

// proposedInflux is the database that results are forwarded to.
type proposedInflux struct{ url, org, bucket, tokenFile string }

// Intervals between probes: the usual one, and that of a machine with a metered link,
// where a fifth of the bytes must do.
const (
	usualInterval   = config.DefaultInterval
	meteredInterval = time.Second
)

// usualBudget is what perigee may move over a link in a month unless somebody says: some
// percent of what plans of its kind hold, and several times what probes need.
var usualBudget = map[perigee.Orbit]int64{
	perigee.OrbitStarlink: 20e9, perigee.OrbitLEO: 10e9, perigee.OrbitMEO: 10e9, perigee.OrbitGEO: 5e9, perigee.OrbitCellular: 5e9,
}

// propose makes a configuration of what was seen of a machine. asked says what became of
// asking for a dish over each device; one that is not in it was not asked.
func propose(m machine, asked map[string]bool) proposal {
	p := proposal{site: perigee.Site{Name: strings.ToValidUTF8(m.host, "")}, interval: usualInterval}
	if p.site.Name == "" {
		p.site.Name = "home"
		p.note("the machine has no name: the site is called home")
	}
	for _, d := range m.devices {
		switch {
		case len(d.ways) == 0:
			if d.kind == kindCellular || d.kind == kindWifi || d.dishRoute {
				p.note("%s (%s) has no default route and is left out; connect it and run this again", d.name, d.kind)
			}
		case d.kind == kindTunnel:
			p.note("%s is a tunnel and is left out: what enters it leaves by another link", d.name)
		default:
			p.link(d, asked)
		}
	}
	p.settle()
	return p
}

func (p *proposal) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// link adds the way out over a device.
func (p *proposal) link(d device, asked map[string]bool) {
	w := slices.MinFunc(d.ways, func(a, b wayOut) int {
		if (a.table == mainTable) != (b.table == mainTable) {
			if a.table == mainTable {
				return -1
			}
			return 1
		}
		return a.metric - b.metric
	})
	if len(d.ways) > 1 {
		p.note("%s has %d default routes; the link takes the first, by %s. A second path over the same device needs a link of its own with its source or mark, and a reason", d.name, len(d.ways), viaGateway(w))
	}
	l := proposedLink{device: d.name}
	l.judge(d, w, asked)
	if w.table != mainTable {
		switch {
		case w.source.IsValid():
			l.source = w.source
			l.because = append(l.because, fmt.Sprintf("its default route stands in table %d, which packets from %s find", w.table, w.source))
		case w.mark != 0:
			l.mark = w.mark
			l.because = append(l.because, fmt.Sprintf("its default route stands in table %d, which packets with mark %#x find", w.table, w.mark))
		default:
			p.note("the default route of %s stands in table %d, and no rule tells how packets find it: perigee doctor will say whether probes do", d.name, w.table)
		}
	}
	if !d.up {
		p.note("%s is down now; its probes fail until it is up, which is an outage", d.name)
	}
	if address, ok := d.address(sharedSpace); ok {
		p.note("%s has %s, of the space that carriers share (RFC 6598): nobody reaches this end from outside, and perigee does not need it", d.name, address)
	}
	if w.gateway.IsValid() {
		l.firstHop = config.FirstHopAuto
	}
	if l.orbit == perigee.OrbitStarlink && (d.dishRoute || asked[d.name]) {
		l.firstHop = dishAddress.String()
	}
	p.links = append(p.links, l)
}

func viaGateway(w wayOut) string {
	if w.gateway.IsValid() {
		return w.gateway.String()
	}
	return "no gateway"
}

// judge says what kind of path a device leads to, and why.
func (l *proposedLink) judge(d device, w wayOut, asked map[string]bool) {
	starlink := func(why string) {
		l.orbit, l.sure = perigee.OrbitStarlink, true
		l.because = append(l.because, why)
	}
	if asked[d.name] {
		starlink(fmt.Sprintf("a dish answers at %s over it", dishAddress))
	}
	if d.dishNeighbour {
		starlink(fmt.Sprintf("the kernel knows the dish at %s over it", dishAddress))
	}
	if d.dishRoute {
		starlink(fmt.Sprintf("there is a route to the dish, %s, over it", dishAddress))
	}
	if w.gateway == starlinkGateway {
		starlink(fmt.Sprintf("its gateway is %s, which a Starlink dish names", starlinkGateway))
	}
	if address, ok := d.address(dishNetwork); ok {
		starlink(fmt.Sprintf("its address %s is one that a dish gives", address))
	}
	switch {
	case l.sure:
	case d.kind == kindCellular:
		l.orbit, l.sure = perigee.OrbitCellular, true
		l.because = append(l.because, "it is a mobile modem")
	case d.kind == kindDialUp:
		l.orbit = perigee.OrbitTerrestrial
		l.because = append(l.because, "PPP is what most DSL and fibre lines speak, and some modems of satellites")
	default:
		l.orbit = perigee.OrbitTerrestrial
		l.because = append(l.because, fmt.Sprintf("it is %s, and nothing tells what lies behind its gateway", d.kind))
	}
}

// metered reports whether plans of links to an orbit are commonly metered.
func metered(o perigee.Orbit) bool { return usualBudget[o] > 0 }

// settle gives what follows from the orbits of the links: names, budgets and the interval.
func (p *proposal) settle() {
	taken := map[string]bool{}
	p.interval = usualInterval
	for i := range p.links {
		l := &p.links[i]
		name := l.device
		if l.orbit != perigee.OrbitTerrestrial {
			name = string(l.orbit)
		}
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", l.orbit, n)
		}
		taken[name], l.name = true, name
		l.budget = usualBudget[l.orbit]
		if metered(l.orbit) {
			p.interval = meteredInterval
		}
	}
}

// assumptions says in sentences what the proposal rests on.
func (p *proposal) assumptions() []string {
	var all []string
	for _, l := range p.links {
		all = append(all, fmt.Sprintf("%s is taken for %s: %s", l.device, l.orbit, strings.Join(l.because, "; ")))
		if l.budget > 0 {
			all = append(all, fmt.Sprintf("link %s is taken for metered: perigee may move %s over it in a month that begins on the 1st", l.name, byteSize(float64(l.budget))))
		}
	}
	if p.interval == meteredInterval {
		all = append(all, fmt.Sprintf("because of metered links a probe leaves every %s, not every %s", meteredInterval, usualInterval))
	}
	if !p.site.Located {
		all = append(all, "where the site is is not known, so the least round trip to a geostationary satellite is that of the best place")
	}
	all = append(all, "no throughput is measured: probes.transfer in the file begins that, and spends budgets")
	return append(all, p.notes...)
}
