package main

import (
	"cmp"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/probes"
	"perigee/storage"
)

// icmpHeader is the size in bytes of the ICMP header of an echo (RFC 792).
const icmpHeader = 8

// A plan is what the daemon does, wherever it was read from.
type plan struct {
	site    perigee.Site
	links   []perigee.Link
	targets []perigee.Target

	// firstHops are the addresses of what stands at the end of links' own cables,
	// or config.FirstHopAuto; of links where it is probed.
	firstHops map[perigee.LinkID]string

	interval    time.Duration
	window      time.Duration
	outageAfter time.Duration
	lossTimeout time.Duration // 0: by orbit
	size        int           // bytes after the ICMP header

	storePath string
	retention storage.Retention
	influxdb  *config.InfluxDB // where results are forwarded to; nil: nowhere
	metered   []perigee.LinkID
	budgets   map[perigee.LinkID]probes.Budget
	farEnds   []farEnd
	transfer  *config.Transfer // nil: none by schedule
	begun     time.Time        // when the schedule begins, for links that no transfer was made over; zero: at once
	api       config.API       // where the API is served, and to whom
	door      door
	warnings  []string
	origin    string // where the plan came from, in words
	hash      string // of the configuration; empty if there is none
}

// The places where a configuration is looked for when none is named.
var configPlaces = []string{"perigee.yaml", "/etc/perigee/perigee.yaml"}

// publicAnchors are probed, with the first hop, by a daemon that has no
// configuration: two anycast resolvers of different operators, reachable almost
// everywhere, that answer ICMP echo.
var publicAnchors = []perigee.Target{
	{ID: "cloudflare", Address: "1.1.1.1"},
	{ID: "quad9", Address: "9.9.9.9"},
}

// configFlag names the configuration file.
type configFlag struct {
	Config string `placeholder:"FILE" short:"c" env:"PERIGEE_CONFIG" help:"Configuration file. Default: perigee.yaml, then /etc/perigee/perigee.yaml."`
}

// find returns the configuration file to read, or "" if none is named and none
// stands in the usual places.
func (f configFlag) find() (string, error) {
	if f.Config != "" {
		return f.Config, nil
	}
	for _, place := range configPlaces {
		if _, err := os.Stat(place); err == nil {
			return place, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", &perigee.Error{Code: perigee.CodeInvalid, Message: "look for " + place, Err: err}
		}
	}
	return "", nil
}

// plan reads the configuration, or plans to measure the default route if there is
// none.
func (f configFlag) plan() (plan, error) {
	file, err := f.find()
	if err != nil {
		return plan{}, err
	}
	if file == "" {
		return defaultPlan()
	}
	c, err := config.Load(file)
	if err != nil {
		return plan{}, err
	}
	p := configuredPlan(c, file)
	for i, r := range c.Reflectors {
		if p.farEnds[i], err = openFarEnd(r); err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// defaultPlan measures the link of the default route, named after its device,
// against its first hop and the public anchors.
func defaultPlan() (plan, error) {
	device, firstHop, err := defaultRoute()
	if err != nil {
		return plan{}, err
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "home"
	}
	p := plan{
		site:        perigee.Site{Name: host},
		links:       []perigee.Link{{ID: perigee.LinkID(device), Orbit: perigee.OrbitTerrestrial, Interface: device}},
		interval:    time.Second, // nobody was asked, so little is sent
		window:      config.DefaultWindow,
		outageAfter: 2 * time.Second, // two intervals: one loss is not an outage
		size:        config.DefaultSize,
		storePath:   config.StoragePath(),
		retention:   storage.Retention{Singletons: config.DefaultKeepSingletons, Windows: config.DefaultKeepWindows},
		api:         config.API{Listen: config.DefaultListen},
		origin:      "no configuration found: measuring the link of the default route, " + device,
	}
	if firstHop.IsValid() {
		p.firstHops = map[perigee.LinkID]string{perigee.LinkID(device): firstHop.String()}
	}
	p.targets = append(p.targets, publicAnchors...)
	return p, nil
}

// configuredPlan is what a configuration asks for. Its far ends lack their keys.
func configuredPlan(c config.Config, file string) plan {
	p := plan{
		site:        c.Site,
		links:       c.Links,
		firstHops:   c.FirstHops,
		interval:    c.Probes.ICMP.Interval,
		window:      c.Probes.ICMP.Window,
		outageAfter: c.Probes.ICMP.OutageAfter,
		lossTimeout: c.Probes.ICMP.LossTimeout,
		size:        c.Probes.ICMP.Size,
		storePath:   c.Storage.Path,
		retention:   storage.Retention{Singletons: c.Storage.Keep.Singletons, Windows: c.Storage.Keep.Windows},
		influxdb:    c.Storage.InfluxDB,
		metered:     c.Metered,
		budgets:     newBudgets(c.Budgets),
		transfer:    c.Transfer,
		begun:       time.Now(),
		api:         c.API,
		warnings:    c.Warnings,
		origin:      "configuration " + file,
		hash:        c.Hash(),
	}
	for _, t := range c.Targets {
		if slices.Contains(c.Probes.ICMP.Targets, t.ID) {
			p.targets = append(p.targets, t)
		}
	}
	for _, r := range c.Reflectors {
		p.farEnds = append(p.farEnds, farEnd{target: r.Target, address: r.Address})
	}
	return p
}

// transferSettings says how transfers are made, be it only those that somebody asks for.
func (p plan) transferSettings() config.Transfer {
	t := config.Transfer{
		Every: config.DefaultEvery, Schedule: config.DefaultSchedule, MaxBytes: config.DefaultMaxBytes, Precision: config.DefaultPrecision,
		BusyAbove: config.DefaultBusyAbove, LoadedInterval: config.DefaultLoadedInterval, Method: config.TransferOokla,
		Directions: []perigee.Load{perigee.LoadDown, perigee.LoadUp},
	}
	if p.transfer != nil {
		t = *p.transfer
	} else if len(p.farEnds) > 0 {
		t.Method = config.TransferPerigee
	}
	if len(t.Streams) == 0 {
		t.Streams = []int{0} // by orbit
	}
	if len(t.Congestion) == 0 {
		t.Congestion = []string{""}
	}
	return t
}

// loadInterval is the time between the probes of a link that a transfer loads.
func (p plan) loadInterval() time.Duration {
	return min(p.interval, p.transferSettings().LoadedInterval)
}

// otherEnd returns the target that transfers are made with if nobody names one; empty is
// a public server.
func (p plan) otherEnd() perigee.TargetID {
	if p.transferSettings().Method == config.TransferPerigee && len(p.farEnds) > 0 {
		return p.farEnds[0].target
	}
	return ""
}

// link finds a link by its name.
func (p plan) link(id perigee.LinkID) (perigee.Link, bool) {
	i := slices.IndexFunc(p.links, func(l perigee.Link) bool { return l.ID == id })
	if i < 0 {
		return perigee.Link{}, false
	}
	return p.links[i], true
}

// horizon is the longest time after which a probe's fate is known.
func (p plan) horizon() time.Duration {
	var longest time.Duration
	for _, l := range p.probed() {
		longest = max(longest, perigee.LateHorizon(p.lossTimeoutFor(l)))
	}
	return longest
}

// lossTimeoutFor returns the waiting time for a link's probes.
func (p plan) lossTimeoutFor(l perigee.Link) time.Duration {
	return cmp.Or(p.lossTimeout, perigee.LossTimeoutFor(l.Orbit))
}

// family is the IP version a target is probed over: that of its address, IPv4 for
// a host name.
func family(t perigee.Target) perigee.Family {
	if addr, err := netip.ParseAddr(t.Address); err == nil && addr.Is6() && !addr.Is4In6() {
		return perigee.IPv6
	}
	return perigee.IPv4
}

// targetsOf returns what is probed over a link: the targets, and its first hop.
func (p plan) targetsOf(l perigee.Link) []perigee.Target {
	if hop, ok := p.firstHops[l.ID]; ok {
		return append(slices.Clone(p.targets), perigee.Target{ID: perigee.FirstHop, Address: hop})
	}
	return p.targets
}

// somewhere is a destination whose IPv4 route over a link tells the link's gateway.
func (p plan) somewhere() netip.Addr {
	for _, t := range p.targets {
		if addr, err := netip.ParseAddr(t.Address); err == nil && addr.Unmap().Is4() {
			return addr.Unmap()
		}
	}
	return anywhere
}

// anywhere is a destination that has the route of most others (RFC 5737).
var anywhere = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// probed returns the links that are measured, in the plan's order.
func (p plan) probed() []perigee.Link {
	var bound []perigee.Link
	for _, l := range p.links {
		if l.Bound() {
			bound = append(bound, l)
		}
	}
	return bound
}

// bytesPerMonth estimates what probing moves over one link in 30 days, both
// directions, IP headers included.
func (p plan) bytesPerMonth() float64 {
	const month = 30 * 24 * time.Hour
	return p.bytesPerSecond() * month.Seconds()
}

// bytesPerSecond is what probing moves over one link if every probe is answered.
func (p plan) bytesPerSecond() float64 {
	var perRound int64
	for _, t := range p.targets {
		perRound += 2 * p.packet(family(t))
	}
	return float64(perRound) / p.interval.Seconds()
}

// packet returns the size of a probe's IP packet.
func (p plan) packet(f perigee.Family) int64 {
	header := 20
	if f == perigee.IPv6 {
		header = 40
	}
	return int64(header + icmpHeader + p.size)
}
