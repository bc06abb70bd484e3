package traces

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"perigee"
	"perigee/stats"
)

// readLP reads line protocol: measurement ping of Telegraf, and rtt and throughput as
// perigee export writes them, with the events before them that say what made them. Other measurements are passed over.
func readLP(r io.Reader, c *collector) error {
	t := telegraf{c: c, streams: map[*assembler]*telegrafStream{}}
	return readLines(r, c, func(_ int64, line []byte) error {
		if line[0] == '#' {
			return errNothing
		}
		p, err := parsePoint(line)
		if err != nil {
			return err
		}
		switch p.measurement {
		case "ping":
			return t.point(p)
		case "rtt":
			return c.ownSample(p)
		case "throughput":
			return c.ownThroughput(p)
		case "event":
			return c.ownEvent(p)
		}
		return errNothing
	})
}

// ownStream returns the stream of one of our own points, under the names that were asked
// for.
func (c *collector) ownStream(site, link, target, method, family, load string) (perigee.Stream, error) {
	s := perigee.Stream{Site: site, Link: perigee.LinkID(link), Method: perigee.Method(method), Family: perigee.Family(family), Load: perigee.Load(load)}
	if c.options.Site != "" {
		s.Site = c.options.Site
	}
	if c.options.Link != "" {
		if !c.linked {
			c.relinked, c.linked = s.Link, true
		}
		if s.Link != c.relinked {
			return s, fmt.Errorf("it is of link %q, the file began with %q: leave --link away to import both", s.Link, c.relinked)
		}
		s.Link = c.options.Link
	}
	if s.Site == "" || s.Link == "" || s.Method == "" {
		return s, errors.New("it does not name its site, link and method")
	}
	name, err := c.name(perigee.TargetID(target))
	s.Target = name
	return s, err
}

func (c *collector) pointStream(p point) (perigee.Stream, error) {
	tag := func(key string) string { return held(p.tags[key]) }
	return c.ownStream(tag("site"), tag("link"), tag("target"), tag("method"), tag("family"), tag("load"))
}

// exact takes a window of our own as it was exported.
func (c *collector) exact(s perigee.Sample) error {
	if err := c.plausible(s.Start.UnixNano()); err != nil {
		return err
	}
	if s.Length > 10*time.Minute {
		return fmt.Errorf("it covers %v: export windows, not hours or days", s.Length)
	}
	c.sample(s)
	return nil
}

func (c *collector) ownSample(p point) error {
	s := perigee.Sample{}
	var err error
	if s.Stream, err = c.pointStream(p); err != nil {
		return err
	}
	if err := decodeSample([]byte(p.fields["sketch"]), []byte(p.fields["state"]), &s); err != nil {
		return err
	}
	if s.Start.UnixNano() != p.timestamp {
		return errors.New("its timestamp is not that of its state")
	}
	return c.exact(s)
}

func (c *collector) ownThroughput(p point) error {
	stream, err := c.pointStream(p)
	if err != nil {
		return err
	}
	return c.exactThroughput(stream, p.timestamp, p.fields["state"])
}

// exactThroughput takes a transfer of our own from its packed form.
func (c *collector) exactThroughput(stream perigee.Stream, start int64, state string) error {
	if err := c.plausible(start); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(state)
	if err != nil {
		return fmt.Errorf("its state is no base64: %w", err)
	}
	t := perigee.Throughput{Stream: stream, Start: time.Unix(0, start).UTC()}
	if err := t.Unpack(raw); err != nil {
		return fmt.Errorf("its state: %w", err)
	}
	if err := t.Check(); err != nil {
		return err
	}
	c.throughput(t)
	return nil
}

// telegraf reads points of Telegraf's ping input, each of which sums up a few probes.
type telegraf struct {
	c       *collector
	streams map[*assembler]*telegrafStream
}

type telegrafStream struct{ pace }

// telegrafCauses are the words for result_code.
var telegrafCauses = map[string]string{"1": "no such host", "2": "ping failed"}

func (t *telegraf) point(p point) error {
	if err := t.c.plausible(p.timestamp); err != nil {
		return err
	}
	family := perigee.IPv4
	if a, err := netip.ParseAddr(p.tags["url"]); err == nil {
		family = familyOf(a)
	}
	sum, err := summed(p.fields)
	if err != nil {
		return err
	}
	a, err := t.c.stream(p.tags["url"], perigee.MethodICMP, family)
	if err != nil {
		return err
	}
	s, known := t.streams[a]
	if !known {
		s = &telegrafStream{pace{w: a.bypass(time.Second)}}
		t.streams[a] = s
	}
	closer, err := s.follow(p.timestamp, "point")
	if err != nil {
		return err
	}
	if closer && t.c.options.Interval == 0 && sum.sent <= 1 {
		s.w.interval = time.Duration(s.every)
	}
	if sum.sent > 1 {
		t.c.note("a point of several probes tells their minimum, mean, maximum and deviation, which are kept; quantiles of them are estimates, and IPDV and loss runs are not known")
	}
	s.w.addSummary(p.timestamp, sum)
	return nil
}

// summary is what a point tells of its probes.
type summary struct {
	sent, received int64
	refused        string // why the one probe that was due was not sent
	rtt            stats.Distribution
}

// pointLimit is how many probes a point may sum up.
const pointLimit = 1000

// summed reads the fields of a point.
func summed(fields map[string]string) (summary, error) {
	var s summary
	number := func(name string) (float64, bool, error) {
		text, there := fields[name]
		if !there {
			return 0, false, nil
		}
		v, err := strconv.ParseFloat(strings.TrimRight(text, "iu"), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, false, fmt.Errorf("its %s, %q, is no number", name, clipped([]byte(text)))
		}
		return v, true, nil
	}
	var values [6]float64
	var there [6]bool
	for i, name := range []string{"packets_transmitted", "packets_received", "minimum_response_ms", "average_response_ms", "maximum_response_ms", "standard_deviation_ms"} {
		var err error
		if values[i], there[i], err = number(name); err != nil {
			return s, err
		}
		if values[i] < 0 || values[i] > 3.6e6 {
			return s, fmt.Errorf("its %s cannot be", name)
		}
	}
	// What came back as an error of the network is no reply; only Windows' ping tells.
	if v, ok, err := number("reply_received"); err == nil && ok && v >= 0 && v < values[1] {
		values[1] = v
	}
	s.sent, s.received = int64(values[0]), int64(values[1])
	switch {
	case !there[0] || s.sent == 0:
		code := strings.TrimRight(fields["result_code"], "iu")
		cause, known := telegrafCauses[code]
		if !known {
			return s, errNothing
		}
		s.sent, s.refused = 0, cause
		return s, nil
	case s.sent > pointLimit:
		return s, fmt.Errorf("it sums up %d probes", s.sent)
	case s.received > s.sent:
		return s, fmt.Errorf("it has %d replies to %d probes", s.received, s.sent)
	case s.received == 0:
		return s, nil
	case !there[3]:
		return s, errors.New("it has replies but no average_response_ms")
	}
	least, mean, most := values[2]/1000, values[3]/1000, values[4]/1000
	if !there[2] || !there[4] {
		least, most = mean, mean
	}
	const rounding = 1e-6 // of what ping prints
	if least > mean+rounding || mean > most+rounding {
		return s, errors.New("its average_response_ms is not between minimum and maximum")
	}
	s.rtt = stand(s.received, least, min(max(mean, least), most), most, values[5]/1000, there[5])
	return s, nil
}

// stand returns a distribution of n values with the given minimum, mean, maximum and
// standard deviation, as far as these are told. Its quantiles are those of the simplest
// set that has them: the extremes, and all others alike.
func stand(n int64, least, mean, most, deviation float64, told bool) stats.Distribution {
	var d stats.Distribution
	if n == 1 {
		d.Add(mean)
		return d
	}
	others := mean
	if n > 2 {
		others = min(max((float64(n)*mean-least-most)/float64(n-2), least), most)
	}
	d.Add(least)
	for range n - 2 {
		d.Add(others)
	}
	d.Add(most)
	d.Mean = mean
	if told {
		d.M2 = deviation * deviation * float64(n) // ping's is of the population
	}
	return d
}

// addSummary takes several probes of which only a summary is known, as of one instant.
func (w *windower) addSummary(at int64, s summary) {
	switch {
	case s.refused != "":
		w.add(at, perigee.Singleton{Outcome: perigee.SendFailed, Cause: s.refused}, false)
		return
	case s.sent == 1 && s.received == 1:
		rtt := time.Duration(math.Round(s.rtt.Mean * 1e9))
		outcome, rtt := w.c.judged(rtt)
		w.add(at, perigee.Singleton{Outcome: outcome, RTT: rtt}, false)
		return
	case s.received == 0:
		for i := range s.sent {
			w.add(w.within(at+i*int64(w.interval)), perigee.Singleton{Outcome: perigee.Lost}, false)
		}
		w.summed = true
		return
	}
	w.reach(at)
	n := &w.sample
	n.Counts.Merge(perigee.Counts{Planned: s.sent, Sent: s.sent, Received: s.received, Lost: s.sent - s.received})
	n.RTT.Merge(s.rtt)
	w.variation.Missed()
	n.LossRuns.Separate(stats.LossRuns{})
	w.seq += perigee.Seq(s.sent)
	w.summed = true
	w.judge(at, perigee.Received, "")
}

// within holds an instant in the window that is open, or would be.
func (w *windower) within(at int64) int64 {
	if w.open {
		return min(at, max(w.border-1, w.last))
	}
	return at
}
