package config

import (
	"fmt"
	"strings"
	"time"

	"perigee"
)

// Bounds of probing. Ten milliseconds keep one stream at 100 probes/s, past which a
// metered link is burdened by its own monitor.
const (
	minInterval    = 10 * time.Millisecond
	maxInterval    = time.Minute
	minWindow      = time.Second
	maxWindow      = 10 * time.Minute
	minLossTimeout = 100 * time.Millisecond
	maxLossTimeout = time.Minute
	minOutageAfter = 100 * time.Millisecond
	maxOutageAfter = time.Hour
	minSize        = 24   // room for what a probe must carry to be known again
	maxSizeICMP    = 1444 // fills a packet of 1492 bytes, PPPoE's MTU, with the IPv6 header

	// geoFloor is the least round trip over a geostationary satellite: four
	// legs of 35,786 km at the speed of light.
	geoFloor = 478 * time.Millisecond
)

// icmp reads how links are measured with ICMP echo.
func (r *reader) icmp(raw rawICMP, links []perigee.Link, targets []perigee.Target, all []rawTarget) ICMP {
	i := ICMP{Interval: DefaultInterval, Window: DefaultWindow, Size: DefaultSize}
	clear := true
	set := func(into *time.Duration, v value, low, high time.Duration) bool {
		d, ok := r.duration(v, low, high, "")
		if ok {
			*into = d
		}
		clear = clear && ok == v.given()
		return ok
	}
	set(&i.Interval, raw.Interval, minInterval, maxInterval)
	if set(&i.Window, raw.Window, minWindow, maxWindow) && time.Hour%i.Window != 0 {
		r.wrong(raw.Window, "does not divide an hour, which hourly figures are made of; use one that does, such as 10s, 15s, 30s or 1m")
	}
	if clear && i.Window <= i.Interval {
		v := raw.Window
		if !v.given() {
			v = raw.Interval
		}
		r.problem(v.at, v.path, fmt.Sprintf("the window (%s) must be longer than the interval between probes (%s); raise window or lower interval", span(i.Window), span(i.Interval)))
	}
	i.OutageAfter = max(DefaultOutageAfter, 2*i.Interval)
	if set(&i.OutageAfter, raw.OutageAfter, minOutageAfter, maxOutageAfter) && i.OutageAfter < i.Interval {
		r.wrong(raw.OutageAfter, "is shorter than the interval between probes (%s), so it cannot be seen; raise it or lower interval", span(i.Interval))
	}
	if raw.LossTimeout.kind != textual || raw.LossTimeout.text != "auto" {
		i.LossTimeout, _ = r.duration(raw.LossTimeout, minLossTimeout, maxLossTimeout, "auto")
	}
	if i.LossTimeout != 0 && i.LossTimeout <= geoFloor {
		for _, l := range links {
			if l.Orbit == perigee.OrbitGEO && l.Bound() {
				r.wrong(raw.LossTimeout, "is less than light takes to a geostationary satellite and back (%s), so every probe of %s would be late; use auto, or 1s and more", span(geoFloor), quote(string(l.ID)))
				break
			}
		}
	}
	if n, ok := r.integer(raw.Size, minSize, maxSizeICMP, "the bytes after the ICMP header"); ok {
		i.Size = int(n)
	}
	i.Targets = r.probed(raw, targets, all)
	return i
}

// probed reads which targets are probed: all unless some are listed.
func (r *reader) probed(raw rawICMP, targets []perigee.Target, all []rawTarget) []perigee.TargetID {
	known := make(map[string]bool, len(targets))
	var ids []perigee.TargetID
	for _, t := range targets {
		known[string(t.ID)] = true
		ids = append(ids, t.ID)
	}
	if len(raw.Targets) == 0 {
		return ids
	}
	ids = nil
	lines := make(map[string]int, len(raw.Targets))
	for _, v := range raw.Targets {
		name, ok := r.text(v)
		if !ok {
			continue
		}
		if line, twice := lines[name]; twice {
			r.wrong(v, "stands twice, first at line %d; keep one", line)
			continue
		}
		lines[name] = v.at.line
		if known[name] {
			ids = append(ids, perigee.TargetID(name))
			continue
		}
		var names []string
		listed := false
		for _, t := range all {
			listed = listed || t.Name.text == name
			names = append(names, t.Name.text)
		}
		switch better := nearest(name, names); {
		case listed: // what is wrong with it was reported there
		case better != "":
			r.wrong(v, "is not a target; did you mean %s?", better)
		default:
			r.wrong(v, "is not a target; use one of %s", strings.Join(names, ", "))
		}
	}
	return ids
}
