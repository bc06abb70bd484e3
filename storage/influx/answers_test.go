package influx_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/storage"
	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
	"perigee/storage/traces"
)

// The links of the site: a stationary one that was located, one with each kind of
// binding, and names that need no escaping, which other tests are about.
var (
	answersSite  = perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true}
	answersLinks = []perigee.Link{
		{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 16},
		{ID: "geo", Orbit: perigee.OrbitGEO, Source: netip.MustParseAddr("192.0.2.10"), SatelliteLongitude: 140.1, SatelliteKnown: true},
		{ID: "leo", Orbit: perigee.OrbitLEO, Namespace: "leo"},
		{ID: "starlink", Orbit: perigee.OrbitStarlink, Interface: "wan0", Plan: perigee.Plan{Down: 100e6, Up: 15e6, Availability: 0.995}},
	}
	answersMetrics = []perigee.MetricName{perigee.MetricRTT, perigee.MetricPDV, perigee.MetricJitter, perigee.MetricLossRatio, perigee.MetricAvailability}
)

// Whatever is asked of the API, the answer is the same byte for byte whether it comes
// from the file where results were stored or from the database that they were
// forwarded to. No field is exempt: the database holds windows and hours exactly, and
// both merge in the same order.
func TestBothStoresAnswerAlike(t *testing.T) {
	t.Run("a day of windows", func(t *testing.T) {
		day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		h := newAnswersHome(t, day.Add(23*time.Hour+25*time.Minute+30*time.Second))
		h.measureDay(day)
		h.compare(answersOfDay(day))
	})
	// Beyond 48 hours, comparisons are made from hours.
	t.Run("four days of hours", func(t *testing.T) {
		first := time.Date(2026, 2, 26, 0, 0, 0, 0, time.UTC)
		h := newAnswersHome(t, first.Add(95*time.Hour+25*time.Minute+30*time.Second))
		h.measureDays(first)
		h.compare(answersOfDays(first))
	})
}

// answersHome is a site whose results are stored in a file and forwarded to a database.
type answersHome struct {
	t      *testing.T
	now    time.Time // when it is asked
	file   *sqlite.Store
	client *influx.Client
	sent   int64 // entries that the outbox had acknowledged
}

func newAnswersHome(t *testing.T, now time.Time) *answersHome {
	t.Helper()
	server := influxtest.Shared(t)
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "perigee.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	instance, err := file.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := influx.Open(influx.Options{URL: server.URL, Bucket: server.Bucket(t), Token: server.Token, Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &answersHome{t: t, now: now, file: file, client: client}
}

// answersWindows are the lengths of the windows of the day and of the four days. With
// PERIGEE_LONG=1 the day's are 10 s, as is the default. Else there are a third of them, and
// under the race detector fewer of both: each is forwarded and read many times over.
func answersWindows() (day, days time.Duration) {
	switch {
	case raced:
		return time.Minute, 5 * time.Minute
	case os.Getenv("PERIGEE_LONG") != "":
		return 10 * time.Second, time.Minute
	}
	return 30 * time.Second, time.Minute
}

// measureDay stores and forwards a day in two parts: the service was stopped from 12:20
// to 17:45, in the middle of an outage, and the orbit of a link was corrected.
//
// The geostationary link was not measured from 6:00 to 9:41:03, the second target only
// on two links and for some hours.
func (h *answersHome) measureDay(day time.Time) {
	h.t.Helper()
	at := func(hours, minutes, seconds int) time.Time {
		return day.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second)
	}
	first, second := answersTarget("one"), answersTarget("two")
	window, _ := answersWindows()
	g := newAnswersGenerator(window, window/10)
	resumed := at(9, 41, 0).Add(window) // on the grid
	measure := func(from, to time.Time) {
		h.t.Helper()
		g.until(h, from, to, func(start time.Time) (streams []perigee.Stream) {
			for _, l := range answersLinks {
				hole := l.ID == "geo" && !start.Before(at(6, 0, 0)) && start.Before(resumed)
				if !hole {
					streams = append(streams, first(l.ID))
				}
			}
			if !start.Before(at(8, 30, 0)) && start.Before(at(19, 10, 0)) {
				streams = append(streams, second("fibre"), second("starlink"))
			}
			return streams
		})
	}
	long := perigee.Outage{Stream: first("leo"), Start: at(12, 18, 31).Add(217 * time.Millisecond), End: at(12, 19, 59).Add(217 * time.Millisecond), Open: true, Probes: 89, Reason: "no replies"}
	mistaken := slices.Clone(answersLinks)
	mistaken[2].Orbit = perigee.OrbitMEO
	h.describe(mistaken)
	measure(at(0, 0, 0), at(12, 20, 0))
	// Started between two points of the grid.
	h.append(perigee.Batch{
		Samples: []perigee.Sample{g.short(first("geo"), at(9, 41, 3).Add(250*time.Millisecond), resumed)},
		Outages: []perigee.Outage{
			{Stream: first("starlink"), Start: at(2, 0, 3), End: at(2, 0, 8), Probes: 5, Reason: "no replies"},
			{Stream: first("starlink"), Start: at(2, 59, 50).Add(1), End: at(3, 0, 20).Add(7), Probes: 30, Reason: `interface "wan0" down, or \so it says`},
			{Stream: second("starlink"), Start: at(10, 0, 0), End: at(10, 0, 2), Probes: 2, Reason: "no route"},
			long,
		},
		Throughputs: answersThroughputs(day, 12, at(0, 31, 17)),
		Gaps: []perigee.Gap{
			{Site: "home", Link: "geo", Start: at(6, 0, 0), End: at(9, 41, 3).Add(250 * time.Millisecond), Reason: perigee.GapStopped, Detail: "the link was taken out of the configuration"},
			{Site: "home", Start: at(4, 0, 0), End: at(4, 0, 0), Reason: perigee.GapClockStep, Detail: "set back by 1.2 s"},
			{Site: "home", Start: at(4, 0, 0), End: at(4, 0, 3), Reason: perigee.GapStalled, Detail: ""},
		},
		Events: []perigee.Event{
			{Site: "home", Time: at(0, 0, 0), Kind: perigee.EventStarted, Detail: "version test"},
			{Site: "home", Time: at(4, 0, 0), Kind: perigee.EventClockBack, Detail: "1.2 s"},
			{Site: "home", Link: "starlink", Time: at(2, 59, 51), Kind: perigee.EventRebound, Detail: "100.64.0.1 → 100.64.0.2"},
		},
	})
	h.forward(at(12, 20, 10))

	h.describe(answersLinks)
	measure(at(17, 45, 0), at(23, 25, 0))
	long.End, long.Open, long.Probes = at(17, 45, 4).Add(500*time.Millisecond), false, 94
	h.append(perigee.Batch{
		Outages: []perigee.Outage{
			long,
			{Stream: first("geo"), Start: at(23, 24, 31), End: at(23, 24, 59), Open: true, Probes: 29, Reason: "no replies"},
		},
		Throughputs: answersThroughputs(day, 6, at(17, 46, 2)),
		Gaps: []perigee.Gap{
			{Site: "home", Start: at(12, 20, 0), End: at(17, 45, 0), Reason: perigee.GapStopped, Detail: "ended properly and started again"},
			{Site: "home", Start: at(22, 30, 0).Add(1), End: at(22, 30, 2).Add(3), Reason: perigee.GapSuspended, Detail: "suspended"},
		},
		Events: []perigee.Event{
			{Site: "home", Time: at(12, 20, 0), Kind: perigee.EventStopped, Detail: ""},
			{Site: "home", Time: at(17, 45, 0), Kind: perigee.EventStarted, Detail: "version test"},
			{Site: "home", Link: "fibre", Time: at(17, 45, 0), Kind: perigee.EventTargetResolved, Detail: "one"},
		},
	})
	h.forward(h.now)
}

// measureDays stores and forwards 95 hours and 25 minutes of windows of minutes, the
// third day without one of the links, and none at all of another.
func (h *answersHome) measureDays(first time.Time) {
	h.t.Helper()
	h.describe(answersLinks)
	stream := answersTarget("one")
	_, window := answersWindows()
	g := newAnswersGenerator(window, window/10)
	hole := []time.Time{first.Add(47*time.Hour + 10*time.Minute), first.Add(71*time.Hour + 50*time.Minute)}
	g.until(h, first, first.Add(95*time.Hour+25*time.Minute), func(start time.Time) (streams []perigee.Stream) {
		for _, l := range answersLinks[1:] {
			if l.ID != "leo" || start.Before(hole[0]) || !start.Before(hole[1]) {
				streams = append(streams, stream(l.ID))
			}
		}
		return streams
	})
	h.append(perigee.Batch{
		Outages: []perigee.Outage{
			{Stream: stream("geo"), Start: first.Add(23*time.Hour + 50*time.Minute), End: first.Add(24*time.Hour + 20*time.Minute), Probes: 300, Reason: "no replies"},
			{Stream: stream("starlink"), Start: first.Add(95*time.Hour + 24*time.Minute), End: first.Add(95*time.Hour + 24*time.Minute + 54*time.Second), Open: true, Probes: 10, Reason: "no replies"},
		},
		Throughputs: answersThroughputs(first, 95, first.Add(7*time.Minute)),
		Gaps:        []perigee.Gap{{Site: "home", Link: "leo", Start: hole[0], End: hole[1], Reason: perigee.GapStopped, Detail: "ended properly and started again"}},
	})
	h.forward(h.now)
}

// answersThroughputs makes n rounds of transfers, one an hour from first on: over each
// link down, and up at the same instant; now and then one breaks.
func answersThroughputs(seed time.Time, n int, first time.Time) (list []perigee.Throughput) {
	g := storagetest.NewGenerator(uint64(seed.Unix()))
	for i := range n {
		for j, l := range answersLinks[1:] {
			for k, direction := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
				start := first.Add(time.Duration(i)*time.Hour + time.Duration(j*(i%3))*time.Millisecond + time.Duration(i))
				one := g.Throughput(storagetest.Transfer(l.ID, direction), start)
				if (i+j+k)%7 == 0 {
					one = perigee.Throughput{Stream: one.Stream, Start: start, Server: one.Server, Stop: perigee.StoppedByFailure, Error: -1, Retransmitted: -1}
					one.Stream.Method = perigee.MethodOokla
				}
				list = append(list, one)
			}
		}
	}
	return list
}

// describe tells the store of the site's links.
func (h *answersHome) describe(links []perigee.Link) {
	h.t.Helper()
	if err := h.file.Describe(h.t.Context(), answersSite, links); err != nil {
		h.t.Fatal(err)
	}
}

// append stores b.
func (h *answersHome) append(b perigee.Batch) {
	h.t.Helper()
	if err := h.file.Append(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
}

// forward rolls up what has ended by now and has an outbox forward all. Of what links
// do it tells at first and then not for a minute: another one, as after a restart,
// tells it as it is at the end.
func (h *answersHome) forward(now time.Time) {
	h.t.Helper()
	if err := h.file.Roll(h.t.Context(), now); err != nil {
		h.t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
		sink := &answersSink{Client: h.client}
		outbox := storage.NewOutbox(storage.OutboxOptions{
			Backlog: answersBacklog{h.file, cancel}, Sink: sink,
			Now: func() time.Time { return now }, MaxEntries: 2000,
		})
		err := outbox.Run(ctx) // until answersBacklog cancels ctx
		cancel()
		status := outbox.Status()
		if err != nil || status.Failures > 0 || status.DeadLetters > 0 {
			h.t.Fatalf("forwarding: %v, %+v", err, status)
		}
		if pending, _, _, err := h.file.Pending(h.t.Context()); err != nil || pending > 0 {
			h.t.Fatalf("%d entries are still pending, %v, %+v", pending, err, status)
		}
		if sink.links < len(answersLinks) {
			h.t.Fatalf("the states of %d links were sent, want %d", sink.links, len(answersLinks))
		}
		h.sent += status.Sent
	}
}

// answersBacklog is a backlog that tells when there is nothing pending.
type answersBacklog struct {
	*sqlite.Store
	tell func()
}

func (d answersBacklog) Pending(ctx context.Context) (int64, time.Time, int64, error) {
	entries, oldest, dead, err := d.Store.Pending(ctx)
	if err == nil && entries == 0 {
		d.tell()
	}
	return entries, oldest, dead, err
}

// answersSink counts the states of links that were taken.
type answersSink struct {
	*influx.Client
	links int
}

func (s *answersSink) Write(ctx context.Context, entries []perigee.Entry) error {
	err := s.Client.Write(ctx, entries)
	for _, e := range entries {
		if err == nil && e.Kind == perigee.EntryLink {
			s.links++
		}
	}
	return err
}

// answersGenerator makes each link's windows as far from the others' as the links are.
type answersGenerator map[perigee.LinkID]*storagetest.Generator

func newAnswersGenerator(window, interval time.Duration) answersGenerator {
	g := answersGenerator{}
	for i, l := range answersLinks {
		one := storagetest.NewGenerator(uint64(i + 1))
		one.Window, one.Interval = window, interval
		one.RTT = map[perigee.LinkID]time.Duration{"fibre": 9 * time.Millisecond, "starlink": 31 * time.Millisecond, "leo": 36 * time.Millisecond, "geo": 590 * time.Millisecond}[l.ID]
		g[l.ID] = one
	}
	return g
}

func answersTarget(name perigee.TargetID) func(perigee.LinkID) perigee.Stream {
	return func(link perigee.LinkID) perigee.Stream { return storagetest.Stream(link, name) }
}

// until stores the windows of streams in [from, to).
func (g answersGenerator) until(h *answersHome, from, to time.Time, streams func(time.Time) []perigee.Stream) {
	h.t.Helper()
	var b perigee.Batch
	for start := from; start.Before(to); start = start.Add(g["geo"].Window) {
		for _, stream := range streams(start) {
			b.Samples = append(b.Samples, g.sample(stream, start))
		}
		if len(b.Samples) >= 4000 {
			h.append(b)
			b = perigee.Batch{}
		}
	}
	h.append(b)
}

func (g answersGenerator) sample(stream perigee.Stream, start time.Time) perigee.Sample {
	s := g[stream.Link].Sample(stream, start)
	s.Singletons = nil // they are not forwarded
	return s
}

// short makes a window that begins between two points of the grid.
func (g answersGenerator) short(stream perigee.Stream, start, end time.Time) perigee.Sample {
	one := g[stream.Link]
	whole := one.Window
	one.Window = end.Sub(start)
	defer func() { one.Window = whole }()
	return g.sample(stream, start)
}

// answersOfDay asks everything of a day that ended with an hour half measured.
func answersOfDay(day time.Time) []string {
	minutes := func(from, to int) string {
		return answersRange(day.Add(time.Duration(from)*time.Minute), day.Add(time.Duration(to)*time.Minute))
	}
	unaligned := answersRange(day.Add(2*time.Hour+7*time.Minute+3*time.Second+1), day.Add(18*time.Hour+59*time.Minute+59*time.Second+999_999_999))
	const end = 23*60 + 26 // a part of the minute that is asked in
	whole, tenMinutes, hour, sixHours := minutes(0, end), minutes(9*60+35, 9*60+45), minutes(18*60+30, 19*60+30), minutes(20*60, end)
	list := answersStanding()
	for _, l := range answersLinks {
		for _, r := range []string{whole, tenMinutes, hour, sixHours, unaligned, ""} {
			list = append(list, "/links/"+string(l.ID)+"/summary?"+r)
		}
	}
	list = append(list, "/links/fibre/summary?target=two&"+whole, "/links/fibre/summary?load=down&"+whole)
	for _, m := range answersMetrics {
		for _, step := range []string{"", "10s", "1m", "1h", "24h"} {
			series := func(link, r string) string {
				return asking("/series", "metric", string(m), "link", link, "step", step) + "&" + r
			}
			list = append(list, series("fibre", hour), series("geo", sixHours))
			if m == perigee.MetricRTT || step == "1h" || step == "24h" { // windows of a whole day take time to read
				list = append(list, series("starlink", whole), series("leo", unaligned))
			}
		}
		list = append(list, asking("/compare", "metric", string(m))+"&"+tenMinutes, asking("/compare", "metric", string(m))+"&"+hour,
			asking("/compare", "metric", string(m), "links", "leo,geo")+"&"+whole)
	}
	for i, m := range answersMetrics {
		list = append(list, asking("/heatmap", "metric", string(m), "link", string(answersLinks[i%4].ID), "timezone", "Australia/Adelaide")+"&"+whole)
	}
	list = append(list,
		"/heatmap?link=fibre&target=two&"+unaligned,
		"/series?link=fibre&target=two&step=1h&"+whole,
		"/compare?"+whole,
		"/compare?target=two&"+sixHours,
		"/distribution?"+whole, "/distribution?metric=pdv&links=leo,geo&"+unaligned, "/distribution?target=two&"+sixHours, "/distribution?load=down&"+tenMinutes,
		"/compare?by=target&baseline=fibre&"+sixHours,
		"/compare?metric=throughput_down&"+whole,
		"/compare?metric=throughput_up&by=hour&"+whole,
		"/compare?metric=rtt_loaded&"+sixHours,
		"/compare?links=fibre&baseline_from="+url.QueryEscape(day.Add(2*time.Hour).Format(time.RFC3339))+"&"+hour,
	)
	for _, r := range []string{whole, tenMinutes, hour, sixHours, unaligned, minutes(240, 241), minutes(239, 240), minutes(12*60+19, 12*60+20)} {
		list = append(list, "/outages?"+r, "/outages?link=starlink&"+r, "/gaps?"+r, "/gaps?link=geo&"+r,
			"/disruptions?"+r, "/availability?"+r, "/availability?link=geo&by=month&timezone=Australia/Adelaide&"+r)
		list = append(list, "/throughput?"+r, "/throughput?link=geo&direction=up&series=false&"+r, "/throughput?method=ookla&"+r, "/throughput?limit=3&"+r)
	}
	for _, format := range []string{"csv", "jsonl", "lp"} {
		list = append(list,
			asking("/export", "format", format)+"&"+hour,
			asking("/export", "format", format, "link", "geo")+"&"+sixHours,
			asking("/export", "format", format, "resolution", "hour")+"&"+whole,
			asking("/export", "format", format, "resolution", "hour")+"&"+unaligned,
			asking("/export", "format", format, "resolution", "day")+"&"+whole,
			asking("/export", "format", format, "resolution", "day")+"&"+answersRange(day.Add(-48*time.Hour), day.Add(48*time.Hour)),
			asking("/export", "format", format)+"&"+answersRange(day.Add(-time.Hour), day.Add(-time.Minute)),
		)
	}
	list = append(list, "/export?link=geo&"+whole)
	return append(list, answersRefused(whole)...)
}

// answersOfDays asks what is answered from hours and days.
func answersOfDays(first time.Time) []string {
	whole := answersRange(first, first.Add(96*time.Hour))
	unaligned := answersRange(first.Add(17*time.Minute+3*time.Second), first.Add(80*time.Hour+31*time.Minute))
	list := answersStanding()
	for _, l := range answersLinks {
		list = append(list, "/links/"+string(l.ID)+"/summary?"+whole, "/links/"+string(l.ID)+"/summary?"+unaligned)
	}
	for _, m := range answersMetrics {
		for _, step := range []string{"1h", "24h"} {
			list = append(list, asking("/series", "metric", string(m), "link", "leo", "step", step)+"&"+whole, asking("/series", "metric", string(m), "link", "geo", "step", step)+"&"+unaligned)
		}
		list = append(list, asking("/compare", "metric", string(m))+"&"+whole, asking("/compare", "metric", string(m))+"&"+unaligned)
	}
	for _, m := range answersMetrics {
		list = append(list, asking("/heatmap", "metric", string(m), "link", "leo", "timezone", "Australia/Adelaide")+"&"+unaligned, asking("/heatmap", "metric", string(m), "link", "geo")+"&"+whole)
	}
	list = append(list, "/series?link=leo&"+whole) // from windows, by 20 minutes
	for _, by := range []string{"hour", "weekday", "day", "load", "family"} {
		list = append(list, asking("/compare", "by", by, "timezone", "Australia/Adelaide", "links", "leo,geo")+"&"+whole)
	}
	list = append(list, "/compare?metric=loss_ratio&quantile=0.5&baseline=leo&"+unaligned)
	list = append(list, "/distribution?"+whole, "/distribution?metric=pdv&"+unaligned)
	for _, format := range []string{"csv", "jsonl", "lp"} {
		for _, resolution := range []string{"hour", "day"} {
			list = append(list, asking("/export", "format", format, "resolution", resolution)+"&"+whole, asking("/export", "format", format, "resolution", resolution)+"&"+unaligned)
		}
	}
	return append(list, "/throughput?"+whole, "/throughput?link=leo&"+unaligned, "/outages?"+whole, "/outages?"+unaligned, "/gaps?"+whole, "/gaps?"+unaligned,
		"/disruptions?"+whole, "/disruptions?timezone=Australia/Adelaide&"+unaligned, "/disruptions?limit=1&"+whole, "/availability?"+whole, "/availability?by=month&timezone=Australia/Adelaide&"+unaligned)
}

// answersStanding asks what has no range.
func answersStanding() []string {
	list := []string{"/links", "/links?site=home", "/links?site=away", "/outages", "/gaps", "/export"}
	for _, l := range answersLinks {
		list = append(list, "/links/"+string(l.ID), "/links/"+string(l.ID)+"/usual")
	}
	return list
}

// answersRefused asks what is not answered.
func answersRefused(whole string) []string {
	return []string{
		"/links/moon", "/links/moon/summary", "/links/moon/usual", "/series?link=moon", "/series?metric=rtt", "/heatmap?link=moon", "/heatmap?link=geo&timezone=Moon", "/compare?links=fibre,moon", "/compare?links=fibre&" + whole,
		"/outages?link=moon", "/distribution?links=moon", "/distribution?metric=jitter", "/throughput?link=moon", "/throughput?direction=idle", "/gaps?link=starlnk", "/export?link=moon", "/export?format=xml", "/export?resolution=week",
		"/series?link=fibre&metric=ipdv", "/series?link=fibre&step=1ns&" + whole, "/compare?from=1h&to=2h", "/compare?site=away", "/links/fibre/summary?site=away",
	}
}

// answersRange is the part of a question that says of what time.
func answersRange(from, to time.Time) string {
	return url.Values{"from": {from.Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)}}.Encode()
}

// asking writes a question; what is empty is not said.
func asking(path string, parameters ...string) string {
	values := url.Values{}
	for pair := range slices.Chunk(parameters, 2) {
		if pair[1] != "" {
			values.Set(pair[0], pair[1])
		}
	}
	return path + "?" + values.Encode()
}

// compare asks both stores and reports what differs. Under the race detector it asks every
// fifth question: to compute the answers takes it a minute and a half otherwise.
func (h *answersHome) compare(questions []string) {
	h.t.Helper()
	if raced {
		var few []string
		for i := 0; i < len(questions); i += 5 {
			few = append(few, questions[i])
		}
		questions = few
	}
	fromFile, fromDatabase := h.serve(h.file), h.serve(h.client.Store())
	var asked sync.WaitGroup
	var want, got []answersReply
	asked.Go(func() { want = h.answers(fromFile, questions) })
	asked.Go(func() { got = h.answers(fromDatabase, questions) })
	asked.Wait()
	size, statuses, differing := 0, map[int]int{}, 0
	for i, q := range questions {
		size += len(want[i].body)
		statuses[want[i].status]++
		if difference := got[i].differs(want[i]); difference != "" {
			if differing++; differing <= 10 {
				h.t.Errorf("%s\n%s", q, difference)
			}
		}
	}
	if differing > 10 {
		h.t.Errorf("%d of %d answers differ", differing, len(questions))
	}
	h.t.Logf("compared %d answers (by status %v), %d bytes, made from %d entries", len(questions), statuses, size, h.sent)
	h.compareEvents()
}

// compareEvents compares what the API does not show.
func (h *answersHome) compareEvents() {
	h.t.Helper()
	for _, q := range []perigee.Query{{}, {Links: []perigee.LinkID{"starlink"}}, {From: h.now.Add(-12 * time.Hour), To: h.now}} {
		want, err := h.file.Events(h.t.Context(), q)
		if err != nil {
			h.t.Fatal(err)
		}
		got, err := h.client.Store().Events(h.t.Context(), q)
		if err != nil {
			h.t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			h.t.Errorf("events of %+v: got %v, want %v", q, got, want)
		}
	}
}

// serve answers the API from a store, as the command does.
func (h *answersHome) serve(store perigee.Store) *httptest.Server {
	server := httptest.NewServer(api.New(api.Options{
		Store: store, Version: "test", Now: func() time.Time { return h.now },
		Export: func(ctx context.Context, w io.Writer, format string, q perigee.Query) error {
			samples := store.Samples(ctx, q)
			switch format {
			case "csv":
				return traces.WriteCSV(w, samples)
			case "jsonl":
				return traces.WriteJSONL(w, samples)
			}
			links, err := store.Links(ctx)
			if err != nil {
				return err
			}
			return influx.WriteLineProtocol(w, samples, func(site string, link perigee.LinkID) perigee.Orbit {
				for _, l := range links {
					if l.Site.Name == site && l.Link.ID == link {
						return l.Link.Orbit
					}
				}
				return ""
			})
		},
	}))
	h.t.Cleanup(server.Close)
	return server
}

// answersReply is what a client sees of one.
type answersReply struct {
	err               error // the answer did not come, or not whole
	status            int
	kind, disposition string
	body              []byte
}

// answers asks one question after the other.
func (h *answersHome) answers(server *httptest.Server, questions []string) []answersReply {
	list := make([]answersReply, len(questions))
	for i, q := range questions {
		list[i] = h.answer(server, q)
	}
	return list
}

func (h *answersHome) answer(server *httptest.Server, question string) answersReply {
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, server.URL+"/api/v1"+question, nil)
	if err != nil {
		return answersReply{err: err}
	}
	response, err := server.Client().Do(request)
	if err != nil {
		return answersReply{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answersReply{err, response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("Content-Disposition"), body}
}

// differs says where the answer departs from what is wanted, or nothing.
func (a answersReply) differs(want answersReply) string {
	if a.err != nil || want.err != nil {
		return fmt.Sprintf("got error %v, want error %v", a.err, want.err)
	}
	if a.status != want.status || a.kind != want.kind || a.disposition != want.disposition {
		return fmt.Sprintf("got %d %s %q: %.300s\nwant %d %s %q: %.300s", a.status, a.kind, a.disposition, a.body, want.status, want.kind, want.disposition, want.body)
	}
	if bytes.Equal(a.body, want.body) {
		return ""
	}
	at := 0
	for at < min(len(a.body), len(want.body)) && a.body[at] == want.body[at] {
		at++
	}
	around := func(b []byte) string {
		return strings.ToValidUTF8(string(b[max(0, at-200):min(len(b), at+120)]), "?")
	}
	return fmt.Sprintf("differs at byte %d of %d\ngot  %s\nwant %s", at, len(want.body), around(a.body), around(want.body))
}
