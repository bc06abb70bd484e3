package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// The defaults: what a key has that is not in the file. docs/configuration.md lists
// the same values.
const (
	DefaultSiteName = "home"

	DefaultInterval    = 200 * time.Millisecond
	DefaultWindow      = 10 * time.Second
	DefaultOutageAfter = time.Second // or two intervals, if that is longer
	DefaultSize        = 56          // bytes after the ICMP header, as ping has it

	DefaultStoragePath    = "/var/lib/perigee" // root's; see StoragePath
	DefaultKeepSingletons = 14 * day
	DefaultKeepWindows    = 400 * day

	DefaultListen = "127.0.0.1:8480"
)

const day = 24 * time.Hour

// Forever, as a retention, keeps what it applies to for ever.
const Forever time.Duration = 0

// Config is a valid configuration with its defaults filled in.
type Config struct {
	Site perigee.Site

	// Links are in the file's order, at least one of them Bound.
	Links []perigee.Link

	// FirstHops are the addresses of what stands at the end of links' own cables,
	// FirstHopAuto being that of the route's gateway; of links that have the key.
	FirstHops map[perigee.LinkID]string

	// Budgets is what may be moved over links that have a budget; Metered are
	// those links, in the file's order.
	Budgets map[perigee.LinkID]Budget
	Metered []perigee.LinkID

	// Targets are in the file's order. Reflectors are the far ends that some of
	// them have.
	Targets    []perigee.Target
	Reflectors []Reflector

	Probes   Probes
	Transfer *Transfer // nil: no transfers are scheduled
	Storage  Storage
	API      API

	// Warnings tell of what the file says and this version does nothing with,
	// each in the form of an error: file, line, column, field, sentence.
	Warnings []string
}

// Probes says how links are measured.
type Probes struct {
	ICMP ICMP
}

// ICMP says how links are measured with ICMP echo.
type ICMP struct {
	Interval    time.Duration // between probes of one stream, mean
	Window      time.Duration // length of a sample; divides an hour
	OutageAfter time.Duration // a loss period at least this long is an outage
	Size        int           // bytes after the ICMP header

	// LossTimeout is how long a reply is waited for before its probe counts as
	// lost. 0 is automatic: by the link's orbit.
	LossTimeout time.Duration

	// Targets are probed, each over every bound link. At least one.
	Targets []perigee.TargetID
}

// LossTimeoutFor returns the loss timeout for probes over a link of orbit o.
func (i ICMP) LossTimeoutFor(o perigee.Orbit) time.Duration {
	return cmp.Or(i.LossTimeout, perigee.LossTimeoutFor(o))
}

// Storage says where results are kept and how long.
type Storage struct {
	Path     string // a directory
	Keep     Keep
	InfluxDB *InfluxDB // where results are forwarded to; nil: nowhere
}

// Keep is how long each kind of result is kept, or Forever. Rollups always are.
type Keep struct {
	Singletons, Windows time.Duration
}

// given stands for the value of a setting that may be a secret, written at the wrong
// place.
const given = "given"

// A Setting is one value in effect.
type Setting struct {
	Key   string // as in the file, list items by name: links["fibre"].orbit
	Value string
}

// Settings returns every value in effect, defaults included, in the order of the
// file's sections, links and targets by name. It holds no secret.
func (c Config) Settings() []Setting {
	var all []Setting
	set := func(value, key string, args ...any) {
		all = append(all, Setting{Key: fmt.Sprintf(key, args...), Value: value})
	}
	degrees := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

	set(c.Site.Name, "site.name")
	if c.Site.Located {
		set(degrees(c.Site.Latitude), "site.latitude")
		set(degrees(c.Site.Longitude), "site.longitude")
	}
	links := slices.SortedFunc(slices.Values(c.Links), func(a, b perigee.Link) int { return cmp.Compare(a.ID, b.ID) })
	for _, l := range links {
		set(string(l.Orbit), "links[%q].orbit", l.ID)
		if l.Interface != "" {
			set(l.Interface, "links[%q].interface", l.ID)
		}
		if l.Source.IsValid() {
			set(l.Source.String(), "links[%q].source", l.ID)
		}
		if l.Mark != 0 {
			set(fmt.Sprintf("0x%x", l.Mark), "links[%q].fwmark", l.ID)
		}
		if l.Namespace != "" {
			set(l.Namespace, "links[%q].namespace", l.ID)
		}
		if hop, ok := c.FirstHops[l.ID]; ok {
			set(hop, "links[%q].first_hop", l.ID)
		}
		if l.SatelliteKnown {
			set(degrees(l.SatelliteLongitude), "links[%q].satellite_longitude", l.ID)
		}
		if l.Plan.Down > 0 {
			set(bitRate(int64(l.Plan.Down)), "links[%q].plan.down", l.ID)
		}
		if l.Plan.Up > 0 {
			set(bitRate(int64(l.Plan.Up)), "links[%q].plan.up", l.ID)
		}
		if l.Plan.Availability > 0 {
			set(percentage(l.Plan.Availability), "links[%q].plan.availability", l.ID)
		}
		if b, ok := c.Budgets[l.ID]; ok {
			set(size(b.Bytes), "links[%q].budget.bytes", l.ID)
			set(strconv.Itoa(b.ResetsOn), "links[%q].budget.resets_on", l.ID)
			set(b.Location.String(), "links[%q].budget.timezone", l.ID)
			set(percentage(b.Reserve), "links[%q].budget.reserve", l.ID)
			if !b.UsedOn.IsZero() {
				set(size(b.Used), "links[%q].budget.used", l.ID)
				set(b.UsedOn.Format(time.DateOnly), "links[%q].budget.used_on", l.ID)
			}
		}
	}
	targets := slices.SortedFunc(slices.Values(c.Targets), func(a, b perigee.Target) int { return cmp.Compare(a.ID, b.ID) })
	for _, t := range targets {
		set(t.Address, "targets[%q].address", t.ID)
		for _, far := range c.Reflectors {
			if far.Target == t.ID {
				far.settings(set)
			}
		}
	}
	icmp := c.Probes.ICMP
	set(span(icmp.Interval), "probes.icmp.interval")
	set(span(icmp.Window), "probes.icmp.window")
	if icmp.LossTimeout == 0 {
		set("auto", "probes.icmp.loss_timeout")
	} else {
		set(span(icmp.LossTimeout), "probes.icmp.loss_timeout")
	}
	set(span(icmp.OutageAfter), "probes.icmp.outage_after")
	set(strconv.Itoa(icmp.Size), "probes.icmp.size")
	names := make([]string, len(icmp.Targets))
	for i, t := range icmp.Targets {
		names[i] = strconv.Quote(string(t))
	}
	slices.Sort(names)
	set(list(names), "probes.icmp.targets")
	if c.Transfer != nil {
		c.Transfer.settings(set)
	}
	set(c.Storage.Path, "storage.path")
	set(retention(c.Storage.Keep.Singletons), "storage.keep.singletons")
	set(retention(c.Storage.Keep.Windows), "storage.keep.windows")
	if d := c.Storage.InfluxDB; d != nil {
		set(d.URL, "storage.influxdb.url")
		if d.Org != "" {
			set(d.Org, "storage.influxdb.org")
		}
		set(d.Bucket, "storage.influxdb.bucket")
		if d.TokenFile != "" {
			set(given, "storage.influxdb.token_file")
		}
		if d.Via != "" {
			set(string(d.Via), "storage.influxdb.via")
		}
		set(bitRate(d.Bandwidth), "storage.influxdb.bandwidth")
	}
	c.API.settings(set)
	return all
}

// Hash identifies the configuration in effect: 16 hexadecimal digits that are the
// same for files that differ only in comments, layout, the order of keys, links and
// targets, and in values written out that equal the defaults.
func (c Config) Hash() string {
	h := sha256.New()
	for _, s := range c.Settings() {
		fmt.Fprintf(h, "%q=%q\n", s.Key, s.Value)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// WriteTo writes the settings as aligned lines, for reading.
func (c Config) WriteTo(w io.Writer) (int64, error) {
	settings := c.Settings()
	width := 0
	for _, s := range settings {
		width = max(width, len([]rune(s.Key)))
	}
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%-*s  %s\n", width, s.Key, s.Value)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
