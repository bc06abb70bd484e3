package api

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"perigee"
)

// figure is the value of a counter or gauge that must be there once with these labels.
func figure(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	m := find(t, families, name, labels)
	if m.GetCounter() != nil {
		return m.GetCounter().GetValue()
	}
	return m.GetGauge().GetValue()
}

// An outage counts once, however often it is told, and its time as far as it is known.
func TestOutagesAreCounted(t *testing.T) {
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	for name, c := range map[string]struct {
		told    []perigee.Outage
		outages float64
		seconds float64
		open    float64
	}{
		"none":           {},
		"begins":         {[]perigee.Outage{{Start: at(0), End: at(1), Open: true}}, 1, 1, 1},
		"goes_on":        {[]perigee.Outage{{Start: at(0), End: at(1), Open: true}, {Start: at(0), End: at(11), Open: true}}, 1, 11, 1},
		"ends":           {[]perigee.Outage{{Start: at(0), End: at(1), Open: true}, {Start: at(0), End: at(11), Open: true}, {Start: at(0), End: at(12)}}, 1, 12, 0},
		"told_again":     {[]perigee.Outage{{Start: at(0), End: at(5)}, {Start: at(0), End: at(5)}}, 1, 5, 0},
		"two":            {[]perigee.Outage{{Start: at(0), End: at(5)}, {Start: at(10), End: at(11), Open: true}, {Start: at(10), End: at(13)}}, 2, 8, 0},
		"clock_set_back": {[]perigee.Outage{{Start: at(100), End: at(105)}, {Start: at(40), End: at(42), Open: true}}, 2, 7, 1},
	} {
		o := measuring(t, "geo")
		for _, outage := range c.told {
			outage.Stream = stream("geo")
			o.Feed.Publish(perigee.Batch{Outages: []perigee.Outage{outage}})
		}
		families := scrape(t, o, acceptText)
		far := map[string]string{"target": "far"}
		outages, seconds, open := figure(t, families, "perigee_outages_total", far), figure(t, families, "perigee_outage_seconds_total", far), figure(t, families, "perigee_outage_open", far)
		if outages != c.outages || seconds != c.seconds || open != c.open {
			t.Errorf("%s: %v outages of %v s, open %v; want %v, %v, %v", name, outages, seconds, open, c.outages, c.seconds, c.open)
		}
	}
}

// A loss period that crosses from one window to the next counts once, one on each side of
// a gap twice, and jitter is that of the newest window.
func TestWindowsAreJoined(t *testing.T) {
	pattern := ""
	n := 0
	rtt := func() float64 {
		n++
		if pattern[n-1] == 'x' {
			return -1
		}
		return 0.05 + 0.01*float64(n%2)
	}
	for name, c := range map[string]struct {
		windows string // of ten probes each, received . or lost x
		gaps    []time.Duration
		periods float64
	}{
		"none":     {"....................", []time.Duration{0, 0}, 0},
		"within":   {"..xx..x...x.........", []time.Duration{0, 0}, 3},
		"across":   {"........xxxx........", []time.Duration{0, 0}, 1},
		"gap":      {"........xxxx........", []time.Duration{0, time.Minute}, 2},
		"all_lost": {"xxxxxxxxxxxxxxxxxxxx", []time.Duration{0, 0}, 1},
	} {
		o := measuring(t, "geo")
		pattern, n = c.windows, 0
		at := epoch
		var last perigee.Sample
		for _, gap := range c.gaps {
			last = newSample(stream("geo"), at.Add(gap), rtt)
			at = last.End()
			o.Feed.Publish(perigee.Batch{Samples: []perigee.Sample{last}})
		}
		families := scrape(t, o, acceptText)
		far := map[string]string{"target": "far"}
		if got := figure(t, families, "perigee_loss_periods_total", far); got != c.periods {
			t.Errorf("%s: %v loss periods, want %v", name, got, c.periods)
		}
		if !last.Variation.JitterDefined {
			if f := families["perigee_jitter_seconds"]; f != nil {
				t.Errorf("%s: jitter of nothing: %v", name, f)
			}
			continue
		}
		if got := figure(t, families, "perigee_jitter_seconds", far); got != last.Variation.Jitter || got == 0 {
			t.Errorf("%s: jitter %v, want %v of the last window", name, got, last.Variation.Jitter)
		}
	}
}

// Delay variation since the start is that of all its windows.
func TestVariationIsSummedUp(t *testing.T) {
	o := measuring(t, "geo")
	// 50, 51, ... 59 ms, and 70, 72, ... 88 ms. The IPDV of newSample begins anew with
	// each window: nine steps of 1 ms and nine of 2 ms. PDV is 0 to 9 ms and 0 to 18.
	n, base, step := 0.0, 0.05, 0.001
	rtt := func() float64 { n++; return base + (n-1)*step }
	o.Feed.Publish(perigee.Batch{Samples: []perigee.Sample{newSample(stream("geo"), epoch, rtt)}})
	n, base, step = 0, 0.07, 0.002
	o.Feed.Publish(perigee.Batch{Samples: []perigee.Sample{newSample(stream("geo"), epoch.Add(10*time.Second), rtt)}})
	families := scrape(t, o, acceptText)
	far := map[string]string{"target": "far"}
	for name, want := range map[string]struct {
		count uint64
		sum   float64
		tail  float64 // 95th percentile of the last window
	}{
		"perigee_ipdv_seconds": {18, 9*0.001 + 9*0.002, 0.002},
		"perigee_pdv_seconds":  {20, 0.045 + 0.09, 0.0171}, // rank 0.95 * 9 = 8.55: 86 + 0.55 * 2 ms, less 70
	} {
		s := find(t, families, name, far).GetSummary()
		if s.GetSampleCount() != want.count || math.Abs(s.GetSampleSum()-want.sum) > 1e-9 || math.Abs(s.GetQuantile()[0].GetValue()-want.tail) > 0.005*0.088 {
			t.Errorf("%s: %v, want %+v", name, s, want)
		}
	}
	if got := figure(t, families, "perigee_rtt_min_seconds", far); math.Abs(got-0.07) > 1e-12 {
		t.Errorf("smallest round trip %v, want 70 ms", got)
	}
}

func TestGapsAreCounted(t *testing.T) {
	o := measuring(t, "geo")
	o.Feed.Publish(perigee.Batch{Gaps: []perigee.Gap{
		{Site: "home", Start: epoch, End: epoch.Add(time.Minute), Reason: perigee.GapSuspended},
		{Site: "home", Start: epoch, End: epoch.Add(time.Second), Reason: perigee.GapSuspended},
		{Site: "home", Start: epoch, End: epoch, Reason: perigee.GapClockStep},
		{Site: "home", Link: "geo", Start: epoch, End: epoch.Add(time.Hour), Reason: perigee.GapCrashed},
		{Site: "home", Link: "geo", Start: epoch, End: epoch.Add(2 * time.Second), Reason: "eclipse"},
	}})
	families := scrape(t, o, acceptText)
	want := map[string][2]float64{"/suspended": {2, 61}, "/clock_step": {1, 0}, "geo/crashed": {1, 3600}, "geo/other": {1, 2}}
	if got := len(families["perigee_gaps_total"].GetMetric()); got != 2*len(gapReasons) {
		t.Errorf("%d rows of gaps, want each reason for the two that have any", got)
	}
	for _, link := range []string{"", "geo"} {
		for _, reason := range gapReasons {
			labels := map[string]string{"link": link, "reason": string(reason)}
			got := [2]float64{figure(t, families, "perigee_gaps_total", labels), figure(t, families, "perigee_gap_seconds_total", labels)}
			if got != want[link+"/"+string(reason)] {
				t.Errorf("%s/%s: %v, want %v", link, reason, got, want[link+"/"+string(reason)])
			}
		}
	}
}

// Each transfer counts once: by its result, by its event, or by both of one that failed
// half-way.
func TestTransfersAreCounted(t *testing.T) {
	o := measuring(t, "geo")
	transfer := newThroughputs()[0] // down, at the asked precision
	with := func(stop perigee.StopReason, direction perigee.Load) perigee.Throughput {
		t := transfer
		t.Stop, t.Stream.Load = stop, direction
		return t
	}
	event := func(kind perigee.EventKind, direction perigee.Load) perigee.Event {
		return perigee.Event{Site: "home", Link: "geo", Kind: kind, Detail: perigee.TransferDetail("far", direction, "it is up: no")}
	}
	for _, b := range []perigee.Batch{
		{Throughputs: []perigee.Throughput{with(perigee.StoppedAtPrecision, perigee.LoadDown)}},
		{Throughputs: []perigee.Throughput{with(perigee.StoppedAtTime, perigee.LoadDown)}},
		{Throughputs: []perigee.Throughput{with(perigee.StoppedAtCap, perigee.LoadUp)}},
		{Throughputs: []perigee.Throughput{with(perigee.StoppedByUser, perigee.LoadUp)}},
		{Throughputs: []perigee.Throughput{with(perigee.StoppedByFailure, perigee.LoadDown)}},
		{Throughputs: []perigee.Throughput{with(perigee.StoppedByFailure, perigee.LoadDown)}, Events: []perigee.Event{event(perigee.EventTransferFailed, perigee.LoadDown)}},
		{Events: []perigee.Event{event(perigee.EventTransferFailed, perigee.LoadUp)}},
		{Events: []perigee.Event{event(perigee.EventTransferSkipped, perigee.LoadDown)}},
		{Events: []perigee.Event{event(perigee.EventTransferSkipped, perigee.LoadUp)}},
		{Events: []perigee.Event{{Site: "home", Kind: perigee.EventStarted, Detail: "perigee"}}},
	} {
		o.Feed.Publish(b)
	}
	families := scrape(t, o, acceptText)
	want := map[string]float64{
		"down/completed": 2, "down/cancelled": 0, "down/failed": 2, "down/skipped": 1,
		"up/completed": 1, "up/cancelled": 1, "up/failed": 1, "up/skipped": 1,
	}
	for key, w := range want {
		direction, outcome, _ := strings.Cut(key, "/")
		if got := figure(t, families, "perigee_transfers_total", map[string]string{"direction": direction, "outcome": outcome}); got != w {
			t.Errorf("%s: %v, want %v", key, got, w)
		}
	}
	if got := len(families["perigee_transfers_total"].GetMetric()); got != len(want) {
		t.Errorf("%d rows, want %d", got, len(want))
	}
}

// The public server may be another each time; one row a link and direction is told.
func TestLastTransfersAreBounded(t *testing.T) {
	o := measuring(t, "geo")
	own, public := newThroughputs()[0], newThroughputs()[1]
	for i := range 100 {
		public.Stream.Target, public.Start = perigee.TargetID(fmt.Sprintf("server %d", i)), epoch.Add(time.Duration(i)*time.Hour)
		public.Rate = float64(i)
		for _, direction := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
			public.Stream.Load = direction
			o.Feed.Publish(perigee.Batch{Throughputs: []perigee.Throughput{public, own}})
		}
	}
	families := scrape(t, o, acceptText)
	if n := len(families["perigee_throughput_bits_per_second"].GetMetric()); n != 3 {
		t.Errorf("%d rows, want two of public servers and one of a far end", n)
	}
	for _, direction := range []string{"down", "up"} {
		if got := figure(t, families, "perigee_throughput_bits_per_second", map[string]string{"target": "server 99", "direction": direction}); got != 99 {
			t.Errorf("%s: %v, want that of the last server", direction, got)
		}
	}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "streams" || l.GetName() == "congestion" || l.GetName() == "server" {
					t.Errorf("%s has label %s, which is not bounded", name, l.GetName())
				}
			}
		}
	}
}
