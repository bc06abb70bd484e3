package grafana

import (
	"context"
	"slices"
	"testing"
	"time"

	"perigee"
	"perigee/internal/fleet"
	"perigee/stats"
	"perigee/storage/influx"
)

// dataset is what the database holds in the tests: simulated homes (internal/fleet, whose
// links behave as the lab's emulated ones) for a day and two hours, every window as the
// daemon would store it; a month of hours before it; and transfers, outages, gaps, events
// and states of the monitor. It goes through the forwarder's own encoder and client.
type dataset struct {
	t       testing.TB
	client  *influx.Client
	now     time.Time // of the end
	hours   map[perigee.Stream]map[int64]*perigee.Sample
	pending []perigee.Entry
	windows map[perigee.Stream][]counted
}

// counted is what a window counted.
type counted struct {
	start  time.Time
	counts perigee.Counts
}

// idleSince adds up what the windows of a link counted while it was idle.
func (d *dataset) idleSince(site string, link perigee.LinkID, from time.Time) perigee.Counts {
	var sum perigee.Counts
	for stream, windows := range d.windows {
		if stream.Site != site || stream.Link != link || stream.Load != perigee.LoadIdle {
			continue
		}
		for _, w := range windows {
			if !w.start.Before(from) {
				sum.Merge(w.counts)
			}
		}
	}
	return sum
}

const (
	measuredFor = 26 * time.Hour
	firstHome   = "home-0001"
	secondHome  = "home-0002"
)

// relabelled are links that the fleet does not have, made of ones it has, so that every
// orbit occurs.
var relabelled = map[perigee.LinkID]perigee.LinkID{"leo": "o3b", "starlink": "lte"}

var orbitOf = map[perigee.LinkID]perigee.Orbit{
	"fibre": perigee.OrbitTerrestrial, "starlink": perigee.OrbitStarlink, "leo": perigee.OrbitLEO,
	"geo": perigee.OrbitGEO, "o3b": perigee.OrbitMEO, "lte": perigee.OrbitCellular,
}

// lossy are the links of an orbit that lost more than its limit in the last 15 minutes,
// counted again.
func (d *dataset) lossy(orbit perigee.Orbit) []string {
	var found []string
	for _, site := range []string{firstHome, secondHome} {
		for link, of := range orbitOf {
			ratio, sent := d.idleSince(site, link, d.now.Add(-15*time.Minute)).LossRatio()
			if of == orbit && sent && ratio > lossLimits[orbit].bad {
				found = append(found, site+"/"+string(link))
			}
		}
	}
	slices.Sort(found)
	return found
}

// fill writes the dataset into the client's bucket.
func fill(t testing.TB, client *influx.Client, now time.Time) *dataset {
	t.Helper()
	d := &dataset{t: t, client: client, now: now, hours: map[perigee.Stream]map[int64]*perigee.Sample{}, windows: map[perigee.Stream][]counted{}}
	from := now.Add(-measuredFor)
	f, err := fleet.New(fleet.Options{Homes: 2, Seed: 3, Append: d.append})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Backfill(t.Context(), from, now); err != nil {
		t.Fatal(err)
	}
	d.writeHours()
	d.writeTransfers(from)
	d.writeOthers(from)
	d.flush()
	return d
}

// Times of what befalls the links, before the end.
const (
	gapBegan, gapEnded       = 6 * time.Hour, 5*time.Hour + 30*time.Minute // of the first home
	outageBegan, outageEnded = 3 * time.Hour, 3*time.Hour - 7*time.Minute  // of geo there
	lag                      = 40 * time.Second                            // of what is told of links
	downSince                = 6 * time.Minute                             // of lte at the second home, and it lasts
)

// append takes a batch of the fleet.
func (d *dataset) append(_ context.Context, b perigee.Batch) error {
	for _, s := range b.Samples {
		d.sample(s)
		if as, ok := relabelled[s.Stream.Link]; ok {
			s.Stream.Link = as
			s.RTT.Sketch, s.Variation.IPDV.Sketch = s.RTT.Sketch.Clone(), s.Variation.IPDV.Sketch.Clone()
			d.sample(s)
		}
	}
	for i := range b.Outages {
		o := &b.Outages[i]
		if o.Stream.Site == firstHome && o.Start.After(d.now.Add(-gapBegan)) && o.Start.Before(d.now.Add(-gapEnded)) {
			continue
		}
		d.add(perigee.Entry{Kind: perigee.EntryOutage, Orbit: orbitOf[o.Stream.Link], Outage: o})
	}
	return nil
}

// sample writes a window as what befalls its link makes it.
func (d *dataset) sample(s perigee.Sample) {
	within := func(began, ended time.Duration) bool {
		return !s.Start.Before(d.now.Add(-began)) && s.Start.Before(d.now.Add(-ended))
	}
	switch {
	case s.Stream.Site == firstHome && within(gapBegan, gapEnded):
		return
	case s.Stream.Site == firstHome && s.Stream.Link == "geo" && within(outageBegan, outageEnded),
		s.Stream.Site == secondHome && s.Stream.Link == "lte" && within(downSince, 0):
		silent(&s)
	}
	if s.Start.Minute() == 20 { // the transfers' minute
		s.Stream.Load = perigee.LoadDown
	}
	d.add(perigee.Entry{Kind: perigee.EntryWindow, Orbit: orbitOf[s.Stream.Link], Sample: &s})
	d.windows[s.Stream] = append(d.windows[s.Stream], counted{s.Start, s.Counts})
	hour := s.Start.Truncate(time.Hour).UnixNano()
	if d.hours[s.Stream] == nil {
		d.hours[s.Stream] = map[int64]*perigee.Sample{}
	}
	if d.hours[s.Stream][hour] == nil {
		d.hours[s.Stream][hour] = &perigee.Sample{}
	}
	d.hours[s.Stream][hour].Merge(s)
}

// silent makes s a window in which nothing was answered.
func silent(s *perigee.Sample) {
	planned := s.Counts.Planned
	s.Counts = perigee.Counts{Planned: planned, Sent: planned, Lost: planned}
	s.RTT, s.Variation, s.LossRuns = stats.Distribution{}, stats.VariationSummary{}, stats.LossRuns{}
	for range planned {
		s.LossRuns.Add(true, s.Interval.Seconds())
	}
}

// writeHours writes the hours that are complete, and a month of them before, alike by the
// hour of the day.
func (d *dataset) writeHours() {
	const days = 30
	for stream, hours := range d.hours {
		for at, s := range hours {
			if time.Unix(0, at).Add(time.Hour).After(d.now) {
				continue
			}
			for day := range days {
				earlier := *s
				earlier.Stream, earlier.Start = stream, s.Start.Add(-time.Duration(day)*24*time.Hour)
				if day > 0 && earlier.Start.Add(time.Hour).After(d.now.Add(-measuredFor)) {
					continue // measured itself
				}
				d.add(perigee.Entry{Kind: perigee.EntryHour, Orbit: orbitOf[stream.Link], Sample: &earlier})
			}
		}
	}
}

// rates are those of transfers down and up, bits per second, and round trips idle and
// loaded, seconds, as docs of the field give them.
var rates = map[perigee.LinkID][4]float64{
	"fibre": {400e6, 100e6, 0.014, 0.016}, "starlink": {200e6, 17e6, 0.04, 0.095}, "leo": {100e6, 20e6, 0.08, 0.2},
	"geo": {60e6, 5e6, 0.64, 1.4}, "o3b": {80e6, 20e6, 0.15, 0.3}, "lte": {40e6, 10e6, 0.05, 0.25},
}

func (d *dataset) writeTransfers(from time.Time) {
	n := 0
	for _, site := range []string{firstHome, secondHome} {
		for link, r := range rates {
			for at := from.Add(20 * time.Minute); at.Before(d.now); at = at.Add(time.Hour) {
				for i, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
					n++
					rate := r[i] * (1 + 0.1*float64(n%7-3)/3)
					latency := func(rtt float64) perigee.Latency {
						return perigee.Latency{Sent: 50, Received: 50, Min: rtt * 0.9, P50: rtt, P95: rtt * 1.5, P99: rtt * 2, Mean: rtt * 1.1}
					}
					d.add(perigee.Entry{Kind: perigee.EntryThroughput, Orbit: orbitOf[link], Throughput: &perigee.Throughput{
						Stream: perigee.Stream{Site: site, Link: link, Target: fleet.Target, Method: perigee.MethodTransfer, Family: perigee.IPv4, Load: load},
						Start:  at.Add(time.Duration(i) * 30 * time.Second), Length: 20 * time.Second, Server: "far.example.net:4862", Streams: 4, Congestion: "bbr",
						Stop: perigee.StoppedAtTime, ReceiverCounted: true, Rate: rate, Steady: true, Error: 0.04, Confidence: 0.95,
						Rate5: rate * 0.8, Rate50: rate, Rate95: rate * 1.1, RateSeconds: 15, WholeRate: rate * 0.8, Ramp: 5 * time.Second,
						Bytes: int64(rate * 0.8 * 20 / 8), WireBytes: int64(rate * 0.85 * 20 / 8), Retransmitted: 1000,
						Connect: perigee.Connect{TCP: time.Duration(r[2] * 1e9)}, Idle: latency(r[2]), Loaded: latency(r[3]),
					}})
				}
			}
		}
	}
}

func (d *dataset) writeOthers(from time.Time) {
	stream := func(site string, link perigee.LinkID) perigee.Stream {
		return perigee.Stream{Site: site, Link: link, Target: fleet.Target, Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	}
	before := func(d2 time.Duration) time.Time { return d.now.Add(-d2) }
	d.add(
		perigee.Entry{Kind: perigee.EntryOutage, Orbit: perigee.OrbitGEO, Outage: &perigee.Outage{
			Stream: stream(firstHome, "geo"), Start: before(outageBegan), End: before(outageEnded), Probes: 420, Reason: perigee.NoReplies}},
		perigee.Entry{Kind: perigee.EntryOutage, Orbit: perigee.OrbitCellular, Outage: &perigee.Outage{
			Stream: stream(secondHome, "lte"), Start: before(downSince), End: d.now, Open: true, Probes: 360, Reason: "no carrier"}},
		perigee.Entry{Kind: perigee.EntryGap, Gap: &perigee.Gap{Site: firstHome, Start: before(gapBegan), End: before(gapEnded), Reason: perigee.GapStopped, Detail: "restarted"}},
		perigee.Entry{Kind: perigee.EntryEvent, Event: &perigee.Event{Site: firstHome, Time: before(gapEnded), Kind: perigee.EventStarted, Detail: "perigee test"}},
	)
	for _, site := range []string{firstHome, secondHome} {
		links := slices.Sorted(func(yield func(perigee.LinkID) bool) {
			for link := range orbitOf {
				if !yield(link) {
					return
				}
			}
		})
		for at := from.Truncate(time.Hour); at.Before(d.now); at = at.Add(time.Hour) {
			for _, link := range links {
				last := at.Add(time.Hour)
				if last.After(d.now) {
					last = d.now.Add(-lag)
				}
				state := perigee.LinkState{LinkRecord: perigee.LinkRecord{Site: perigee.Site{Name: site}, First: from, Last: last,
					Link: perigee.Link{ID: link, Orbit: orbitOf[link], Interface: string(link) + "0",
						Plan: perigee.Plan{Down: rates[link][0], Up: rates[link][1], Availability: 0.99}}}, At: at}
				d.add(perigee.Entry{Kind: perigee.EntryLink, Orbit: orbitOf[link], Link: &state})
			}
		}
		start, end := before(10*24*time.Hour), before(-20*24*time.Hour)
		for at := from; !at.After(d.now); at = at.Add(time.Minute) {
			state := &perigee.MonitorState{Site: site, At: at, Pending: int64(at.Minute() % 12), Oldest: at.Add(-15 * time.Second)}
			for i, link := range links {
				use := perigee.BudgetUse{Link: link, Orbit: orbitOf[link], Start: start, End: end, Device: 90e9,
					Used: int64(5e9) + int64(at.Sub(from)/time.Minute)*int64(1e6)*int64(i+1)}
				if link != "fibre" {
					use.Allowance = 30e9
				}
				state.Budgets = append(state.Budgets, use)
			}
			d.add(perigee.Entry{Kind: perigee.EntryMonitor, Monitor: state})
		}
	}
}

// add hands entries to the database, many at a time.
func (d *dataset) add(entries ...perigee.Entry) {
	d.pending = append(d.pending, entries...)
	if len(d.pending) >= 5000 {
		d.flush()
	}
}

func (d *dataset) flush() {
	if err := d.client.Write(context.WithoutCancel(d.t.Context()), d.pending); err != nil {
		d.t.Fatal(err)
	}
	d.pending = nil
}
