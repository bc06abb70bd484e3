package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"perigee"
)

// linkPage is the part of the document about one link.
type linkPage struct {
	Number   int // which names its place in the document
	Link     perigee.Link
	Orbit    string
	Measured bool
	Target   perigee.TargetID
	Method   string
	Interval string
	Timeout  string
	Streams  int
	Figures  []labelled

	RTT, Loss drawing
	Floor     figure
	Step      string

	Calendars   []drawing
	Levels      []term // of the calendars: class and name
	Months      []monthRow
	Reliability reliability
	Outages     outageList

	Throughput []throughputPart
	Loaded     []loadedRow
	Moved      []movedRow
	MovedTotal string
	Warnings   []string
}

type labelled struct {
	Label, Note string
	Figure      figure
}

type monthRow struct {
	Month                  string
	Availability           figure
	Planned, Down, Longest string
	Failures               figure
}

// reliability is how often and how long the link failed.
type reliability struct {
	Availability figure
	Promised     string
	Met          string // whether the promised availability was met, in words
	DaysMet      string // on how many days of how many
	Failures     int
	Planned      string
	Down         string
	MTBF, MTTR   figure
	Longest      string
	Causes       []causeRow
	Excused      []causeRow
}

type causeRow struct {
	Name  string
	Count int
	Down  string
}

type outageList struct {
	Rows  []outageRow
	Total int
	Cut   int    // how many of them, all shorter, are not listed
	Why   string // of all rows, if it is the same of three or more
}

type outageRow struct {
	Start, Length, Class, Blame, Why string
	Charged, Open                    bool
}

type throughputPart struct {
	Direction         string
	Steady, Unsteady  string // how many; empty for none
	Mean, Least, Most figure
	Plan              string
	Met               figure // the share of them that reached it; no text if nothing was promised or reached a steady rate
	Chart             drawing
}

type loadedRow struct {
	Load                 string
	Received             figure
	P50, P95, P99, Loss  figure
	Idle                 bool
	LatencyIncrease, RPM figure
}

type movedRow struct{ Purpose, Bytes string }

func newLinkPage(f *figures, r Report, l Link, number int) linkPage {
	s := l.Main.Sample
	p := linkPage{
		Number: number, Link: l.Link, Orbit: orbitName(l.Link.Orbit), Measured: s.Counts.Planned > 0, Warnings: l.Warnings,
		Target: s.Stream.Target, Method: methodLine(s), Interval: duration(s.Interval), Timeout: duration(s.LossTimeout), Streams: len(l.Streams),
	}
	p.Throughput = newThroughputParts(f, r, l)
	p.Moved, p.MovedTotal = newMovedRows(l.Moved)
	if !p.Measured {
		return p
	}
	p.Figures = mainFigures(f, l)
	p.RTT, p.Loss, p.Step = rttChart(r, l), lossChart(r, l), duration(l.RTT.Step)
	p.Floor = f.show("floor", "", l.Main.Floor, l.Main.FloorDefined, milliseconds)
	p.Calendars = calendars(r, l)
	p.Levels = usedLevels(p.Calendars)
	if len(l.Months.Periods) > 1 {
		for _, m := range l.Months.Periods {
			a, ok := m.Availability()
			p.Months = append(p.Months, monthRow{
				Month: m.From.In(r.Zone).Format("January 2006"), Availability: f.show(metricLinkAvailability, "", a, ok, availability),
				Planned: duration(m.Planned), Down: duration(m.Down), Longest: duration(m.Longest), Failures: f.count(metricFailures, int64(m.Failures)),
			})
		}
	}
	p.Reliability = newReliability(f, l)
	p.Outages = newOutageList(r, l)
	p.Loaded = newLoadedRows(f, l)
	return p
}

// mainFigures are the numbers that a link is known by.
func mainFigures(f *figures, l Link) []labelled {
	s := l.Main.Sample
	quantile := func(label, note, stat string, q float64) labelled {
		v, ok := s.RTT.Quantile(q)
		return labelled{label, note, f.show(perigee.MetricRTT, stat, v, ok, milliseconds)}
	}
	loss, lossDefined := s.Counts.LossRatio()
	pdv, pdvDefined := s.PDV(0.95)
	list := []labelled{
		quantile("median RTT", "half are faster", "p50", 0.5),
		quantile("95th percentile", "1 in 20 is slower", "p95", 0.95),
		quantile("99th percentile", "1 in 100 is slower", "p99", 0.99),
		{"smallest RTT", "the path without queues", f.show(perigee.MetricRTT, "min", s.RTT.Min, s.RTT.Count > 0, milliseconds)},
		{"packets lost", fmt.Sprintf("%s of %s", grouped(s.Counts.Lost+s.Counts.Late), grouped(s.Counts.Sent)), f.show(perigee.MetricLossRatio, "", loss, lossDefined, percent)},
		{"jitter", "RFC 3550", f.show(perigee.MetricJitter, "", s.Variation.Jitter, s.Variation.JitterDefined, milliseconds)},
		{"delay variation", "95th percentile, RFC 5481", f.show(perigee.MetricPDV, "p95", pdv, pdvDefined, milliseconds)},
	}
	runs := s.LossRuns
	longest := labelled{"longest loss period", plural(int(runs.Longest.Packets), "packet"), f.show("loss_period", "longest_seconds", runs.Longest.Seconds, runs.Count > 0, seconds)}
	if runs.Count == 0 {
		longest.Note = "nothing was lost"
	}
	list = append(list, longest)
	if l.Main.FloorDefined {
		list = append(list, labelled{"light needs", "to the satellite and back", f.show("floor", "", l.Main.Floor, true, milliseconds)})
	}
	return list
}

func newReliability(f *figures, l Link) reliability {
	t := l.Days.Total
	a, ok := t.Availability()
	p := reliability{
		Availability: f.show(metricLinkAvailability, "", a, ok, availability), Failures: t.Failures,
		Planned: duration(t.Planned), Down: duration(t.Down), Longest: duration(t.Longest),
	}
	mtbf, failed := t.MTBF()
	p.MTBF = f.show(metricMTBF, "", mtbf.Seconds(), failed, seconds)
	mttr, failed := t.MTTR()
	p.MTTR = f.show(metricMTTR, "", mttr.Seconds(), failed, seconds)
	if want := l.Link.Plan.Availability; want > 0 && ok {
		p.Promised, p.Met = availability(want), "met"
		if a < want {
			p.Met = "not met"
		}
		if k := l.Kept; k.Days > 0 {
			p.DaysMet = fmt.Sprintf("%s of %s (UTC) of which half or more was measured", grouped(int64(k.DaysMet)), plural(k.Days, "day"))
		}
	}
	for _, class := range perigee.DisruptionClasses {
		if share := t.Classes[class]; share.Count > 0 {
			p.Causes = append(p.Causes, causeRow{className(class), share.Count, duration(share.Down)})
		}
	}
	for _, blame := range perigee.Blames {
		if share := t.Excused[blame]; share.Count > 0 {
			p.Excused = append(p.Excused, causeRow{blameName(blame), share.Count, duration(share.Down)})
		}
	}
	return p
}

// mostOutages is how many disruptions of a link are listed: the longest.
const mostOutages = 30

func newOutageList(r Report, l Link) outageList {
	list := outageList{Total: len(l.Disruptions), Cut: max(len(l.Disruptions)-mostOutages, 0)}
	shown := slices.Clone(l.Disruptions)
	if list.Cut > 0 {
		slices.SortStableFunc(shown, func(a, b perigee.Disruption) int { return cmp.Compare(b.Duration(), a.Duration()) })
		shown = shown[:mostOutages]
		slices.SortStableFunc(shown, func(a, b perigee.Disruption) int { return a.Start.Compare(b.Start) })
	}
	for _, d := range shown {
		list.Rows = append(list.Rows, outageRow{
			Start: moment(r, d.Start), Length: duration(d.Duration()), Class: className(d.Class), Blame: blameName(d.Blame),
			Why: d.Why, Charged: d.Blame.Charged(), Open: d.Open,
		})
	}
	same := func(row outageRow) bool { return row.Why == list.Rows[0].Why }
	if len(list.Rows) > 2 && !slices.ContainsFunc(list.Rows, func(row outageRow) bool { return !same(row) }) {
		list.Why = list.Rows[0].Why
		for i := range list.Rows {
			list.Rows[i].Why = ""
		}
	}
	return list
}

func className(c perigee.DisruptionClass) string { return strings.ReplaceAll(string(c), "_", " ") }

func blameName(b perigee.Blame) string {
	switch b {
	case perigee.BlameLAN:
		return "local network"
	case perigee.BlameLocal:
		return "own machine"
	default:
		return string(b)
	}
}

var classMeanings = map[perigee.DisruptionClass]string{
	perigee.ClassMonitor:   "an artefact of the monitor: beside a time in which it did not measure, or its prober failed",
	perigee.ClassLocal:     "the system refused to send: interface down, or no route",
	perigee.ClassScheduled: "at the same time of day on several days",
	perigee.ClassSlotEdge:  "brief, where Starlink gives terminals a new way every 15 s",
	perigee.ClassShort:     "shorter than " + duration(perigee.LongDisruption),
	perigee.ClassLong:      duration(perigee.LongDisruption) + " or longer",
}

var blameMeanings = map[perigee.Blame]string{
	perigee.BlameTarget:  "the target did not answer over any link; not charged to the link",
	perigee.BlameLink:    "the link, beyond its first hop where that is probed; charged to the link",
	perigee.BlameLAN:     "the link's first hop did not answer either; charged to the link",
	perigee.BlameLocal:   "the monitor's own machine could not send; charged to the link",
	perigee.BlamePath:    "this target over this link alone, while others answered; not charged to the link",
	perigee.BlameMonitor: "nothing is known to have failed but the monitor; not charged to the link",
	perigee.BlameUnknown: "there is nothing to tell by; charged to the link",
}

// wordsUsed explains the classes and blames that appear.
func wordsUsed(r Report) (classes, blames []term) {
	class, blame := map[perigee.DisruptionClass]bool{}, map[perigee.Blame]bool{}
	for _, l := range r.Links {
		for _, d := range l.Disruptions {
			class[d.Class], blame[d.Blame] = true, true
		}
	}
	for _, c := range perigee.DisruptionClasses {
		if class[c] {
			classes = append(classes, term{className(c), classMeanings[c]})
		}
	}
	for _, b := range perigee.Blames {
		if blame[b] {
			blames = append(blames, term{blameName(b), blameMeanings[b]})
		}
	}
	return classes, blames
}

func newThroughputParts(f *figures, r Report, l Link) []throughputPart {
	var parts []throughputPart
	for _, d := range []struct {
		load   perigee.Load
		name   string
		metric perigee.MetricName
		plan   float64
		of     int
		met    int
	}{
		{perigee.LoadDown, "down", perigee.MetricThroughputDown, l.Link.Plan.Down, l.Kept.Down, l.Kept.DownMet},
		{perigee.LoadUp, "up", perigee.MetricThroughputUp, l.Link.Plan.Up, l.Kept.Up, l.Kept.UpMet},
	} {
		rates := l.Rates[d.load]
		if rates.Steady.Count == 0 && rates.Unsteady == 0 {
			continue
		}
		part := throughputPart{Direction: d.name, Plan: promised(d.plan), Chart: transferChart(r, l, d.load)}
		if n := rates.Steady.Count; n > 0 {
			part.Steady = plural(int(n), "transfer")
			part.Mean = f.show(d.metric, "mean", rates.Steady.Mean, true, megabits)
			part.Least = f.show(d.metric, "min", rates.Steady.Min, true, megabits)
			part.Most = f.show(d.metric, "max", rates.Steady.Max, true, megabits)
		}
		if rates.Unsteady > 0 {
			part.Unsteady = plural(rates.Unsteady, "transfer")
		}
		if d.of > 0 {
			part.Met = f.show(d.metric, "plan_met", float64(d.met)/float64(d.of), true, percent)
		}
		parts = append(parts, part)
	}
	return parts
}

// newLoadedRows sets round trips under load beside idle ones, of the main stream's path.
func newLoadedRows(f *figures, l Link) []loadedRow {
	path := l.Main.Sample.Stream
	var rows []loadedRow
	for _, load := range []perigee.Load{perigee.LoadIdle, perigee.LoadDown, perigee.LoadUp} {
		path.Load = load
		i := slices.IndexFunc(l.Streams, func(s perigee.Summary) bool { return s.Sample.Stream == path })
		if i < 0 {
			continue
		}
		s := l.Streams[i].Sample
		row := newStreamRow(f, l.Streams[i])
		rows = append(rows, loadedRow{Load: loadName(load), Received: f.count("received", s.Counts.Received), P50: row.P50, P95: row.P95, P99: row.P99, Loss: row.Loss, Idle: load == perigee.LoadIdle})
	}
	if len(rows) < 2 {
		return nil // idle alone is no comparison
	}
	return rows
}

var purposes = []struct {
	purpose perigee.Purpose
	name    string
}{
	{perigee.PurposeProbing, "latency probes"}, {perigee.PurposeTransfer, "scheduled transfers"},
	{perigee.PurposeManual, "transfers that somebody asked for"}, {perigee.PurposeOutbox, "results on their way to a database"},
	{perigee.PurposeDevice, "all traffic of the device, whoever made it"},
}

func newMovedRows(moved map[perigee.Purpose]int64) (rows []movedRow, total string) {
	var own int64
	for _, p := range purposes {
		if n := moved[p.purpose]; n > 0 {
			rows = append(rows, movedRow{p.name, byteSize(float64(n))})
			if p.purpose != perigee.PurposeDevice {
				own += n
			}
		}
	}
	return rows, byteSize(float64(own))
}
