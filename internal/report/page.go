package report

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"perigee"
)

// page is what the template shows: a Report in words and figures.
type page struct {
	CSS     template.CSS
	Report  Report
	Title   string
	From    string
	To      string
	Length  string
	Zone    string
	Made    string
	Glance  glance
	Short   []verdicts // the verdicts of the summary
	OnePair *pairRow   // the only pair that there is, if there is one
	Full    []verdicts // all of them, with their numbers, if Short leaves any out
	Links   []linkPage
	Gaps    gapList
	Events  []string
	Streams []streamRow

	Definitions []perigee.Metric
	Classes     []term
	Blames      []term
	Limitations []string
}

// term is a word and what it means.
type term struct{ Word, Meaning string }

// newPage puts r into words.
func newPage(r Report) page {
	f := &figures{used: map[perigee.MetricName]bool{}}
	p := page{
		CSS: template.CSS(pageCSS), Report: r,
		Title: "Link report", From: moment(r, r.From), To: moment(r, r.To), Length: duration(r.To.Sub(r.From)),
		Zone: zoneName(r), Made: moment(r, r.Made),
		Limitations: limitations,
	}
	p.Glance = newGlance(f, r)
	p.Short, p.Full = newVerdicts(r.Comparisons)
	if len(r.Links) == 2 && len(p.Short) > 0 {
		p.OnePair = &p.Short[0].Pairs[0]
	}
	for i, l := range r.Links {
		p.Links = append(p.Links, newLinkPage(f, r, l, i+1))
	}
	p.Gaps = newGapList(r)
	for _, e := range r.Events {
		p.Events = append(p.Events, fmt.Sprintf("%s: %s", strings.ReplaceAll(string(e.Kind), "_", " "), grouped(int64(e.Count))))
	}
	for _, l := range r.Links {
		for _, s := range l.Streams {
			p.Streams = append(p.Streams, newStreamRow(f, s))
		}
	}
	for _, c := range r.Comparisons {
		f.used[c.Metric.Name] = true
	}
	for _, m := range perigee.Metrics {
		if f.used[m.Name] {
			p.Definitions = append(p.Definitions, m)
		}
	}
	p.Classes, p.Blames = wordsUsed(r)
	return p
}

// moment writes t in the report's zone.
func moment(r Report, t time.Time) string { return t.In(r.Zone).Format("2 Jan 2006 15:04:05") }

// zoneName names the zone, with its offset from UTC at the range's ends.
func zoneName(r Report) string {
	from, to := r.From.In(r.Zone).Format("-07:00"), r.To.In(r.Zone).Format("-07:00")
	switch {
	case r.Zone == time.UTC || r.Zone.String() == "UTC":
		return "UTC"
	case from == to:
		return fmt.Sprintf("%s (UTC%s)", r.Zone, from)
	default:
		return fmt.Sprintf("%s (UTC%s, later UTC%s)", r.Zone, from, to)
	}
}

// orbitNames are how orbits are called on paper.
var orbitNames = map[perigee.Orbit]string{
	perigee.OrbitStarlink: "Starlink (low orbit)", perigee.OrbitLEO: "low orbit", perigee.OrbitMEO: "medium orbit",
	perigee.OrbitGEO: "geostationary", perigee.OrbitCellular: "cellular", perigee.OrbitTerrestrial: "terrestrial",
}

func orbitName(o perigee.Orbit) string {
	if name, ok := orbitNames[o]; ok {
		return name
	}
	return "orbit not stated"
}

// glance is the table that says most.
type glance struct {
	Rates bool // whether any link has transfers
	Rows  []glanceRow
}

type glanceRow struct {
	Number              int
	Link                perigee.LinkID
	Orbit               string
	Measured            bool
	Median, P95         figure
	Loss                figure
	Availability        figure
	Failures            figure
	Longest             string
	Down, Up            figure
	PlanDown, PlanUp    string
	PlannedAvailability string
}

func newGlance(f *figures, r Report) glance {
	var g glance
	for i, l := range r.Links {
		s := l.Main.Sample
		row := glanceRow{Number: i + 1, Link: l.Link.ID, Orbit: orbitName(l.Link.Orbit), Measured: s.Counts.Planned > 0}
		row.Failures = f.count(metricFailures, int64(l.Days.Total.Failures))
		p50, ok := s.RTT.Quantile(0.5)
		row.Median = f.show(perigee.MetricRTT, "p50", p50, ok, milliseconds)
		p95, ok := s.RTT.Quantile(0.95)
		row.P95 = f.show(perigee.MetricRTT, "p95", p95, ok, milliseconds)
		loss, ok := s.Counts.LossRatio()
		row.Loss = f.show(perigee.MetricLossRatio, "", loss, ok, percent)
		a, ok := l.Days.Total.Availability()
		row.Availability = f.show(metricLinkAvailability, "", a, ok, availability)
		if l.Days.Total.Failures > 0 {
			row.Longest = duration(l.Days.Total.Longest)
		}
		if p := l.Link.Plan; p.Availability > 0 {
			row.PlannedAvailability = availability(p.Availability)
		}
		if len(l.Transfers) > 0 || l.Link.Plan.Down > 0 || l.Link.Plan.Up > 0 {
			g.Rates = true
			down, up := l.Rates[perigee.LoadDown], l.Rates[perigee.LoadUp]
			row.Down = f.show(perigee.MetricThroughputDown, "mean", down.Steady.Mean, down.Steady.Count > 0, megabits)
			row.Up = f.show(perigee.MetricThroughputUp, "mean", up.Steady.Mean, up.Steady.Count > 0, megabits)
			row.PlanDown, row.PlanUp = promised(l.Link.Plan.Down), promised(l.Link.Plan.Up)
		} else {
			row.Down, row.Up = figure{Text: noValue}, figure{Text: noValue}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func promised(bps float64) string {
	if bps <= 0 {
		return ""
	}
	return megabits(bps)
}

// The metrics of a link's reliability.
const (
	metricLinkAvailability perigee.MetricName = "link_availability"
	metricFailures         perigee.MetricName = "failures"
	metricMTBF             perigee.MetricName = "mtbf"
	metricMTTR             perigee.MetricName = "mttr"
)

// verdicts are what links are like by one metric.
type verdicts struct {
	Metric   perigee.Metric
	Title    string
	Pairs    []pairRow
	Warnings []string
}

type pairRow struct {
	A, B        perigee.LinkID
	Target      perigee.TargetID
	Verdict     string
	EnoughData  bool
	Probability string
	Windows     string
	Warnings    []string
}

// metricTitles are headings of metrics that links are compared by.
var metricTitles = map[perigee.MetricName]string{
	perigee.MetricRTT: "Round-trip time", perigee.MetricLossRatio: "Packets lost", perigee.MetricAvailability: "Availability",
	perigee.MetricJitter: "Jitter", perigee.MetricPDV: "Delay variation", perigee.MetricThroughputDown: "Throughput down",
	perigee.MetricThroughputUp: "Throughput up", perigee.MetricRTTLoaded: "Round-trip time under load",
}

func metricTitle(name perigee.MetricName) string {
	if title, ok := metricTitles[name]; ok {
		return title
	}
	return strings.ReplaceAll(string(name), "_", " ")
}

// mostShort is up to how many pairs the summary gives the verdicts of all metrics; with
// more, those of the first metric.
const mostShort = 3

func newVerdicts(comparisons []perigee.Comparison) (short, full []verdicts) {
	for i, c := range comparisons {
		if len(c.Pairs) == 0 {
			continue
		}
		v := verdicts{Metric: c.Metric, Title: metricTitle(c.Metric.Name), Warnings: c.Warnings}
		for _, p := range c.Pairs {
			row := pairRow{A: p.A, B: p.B, Target: p.Target, Verdict: p.Verdict, EnoughData: p.EnoughData, Warnings: p.Warnings, Windows: grouped(int64(p.Windows))}
			if p.ProbabilityDefined {
				row.Probability = fmt.Sprintf("%.2f", p.ProbabilityALower)
			}
			v.Pairs = append(v.Pairs, row)
		}
		full = append(full, v)
		if i == 0 || len(c.Pairs) <= mostShort {
			short = append(short, v)
		}
	}
	return short, full
}

// gapList is when the monitor itself was not measuring.
type gapList struct {
	Rows  []gapRow
	Total string
	Cut   int // how many are not listed
}

type gapRow struct {
	Start, Length, Reason, Detail string
	Link                          perigee.LinkID // empty: all
}

// mostGaps is how many gaps are listed.
const mostGaps = 30

func newGapList(r Report) gapList {
	var list gapList
	var sum time.Duration
	for i, g := range r.Gaps {
		length := max(earlier(g.End, r.To).Sub(later(g.Start, r.From)), 0)
		if g.Link == "" {
			sum += length
		}
		if i < mostGaps {
			list.Rows = append(list.Rows, gapRow{moment(r, g.Start), duration(g.End.Sub(g.Start)), gapReason(g.Reason), g.Detail, g.Link})
		}
	}
	list.Cut = max(len(r.Gaps)-mostGaps, 0)
	list.Total = duration(sum)
	return list
}

var gapReasons = map[perigee.GapReason]string{
	perigee.GapStopped: "the monitor was stopped", perigee.GapCrashed: "the monitor ended without a word",
	perigee.GapSuspended: "the machine slept", perigee.GapStalled: "the monitor did not get to run", perigee.GapClockStep: "the clock was set",
	perigee.GapStoreDamaged: "results were lost with a damaged file",
}

func gapReason(reason perigee.GapReason) string {
	if text, ok := gapReasons[reason]; ok {
		return text
	}
	return string(reason)
}

// streamRow is one stream's figures, loads included.
type streamRow struct {
	Stream                       perigee.Stream
	Method                       string
	Planned, Sent, Received      figure
	Late, Lost, Failed, Skipped  figure
	Loss                         figure
	Min, P50, P95, P99, Jitter   figure
	Availability                 figure
	Interval, LossTimeout, Local string
}

func newStreamRow(f *figures, s perigee.Summary) streamRow {
	c, rtt, stream := s.Sample.Counts, s.Sample.RTT, s.Sample.Stream
	metric := rttMetric(stream.Load)
	quantile := func(stat string, q float64) figure {
		v, ok := rtt.Quantile(q)
		return f.show(metric, stat, v, ok, milliseconds)
	}
	loss, lossDefined := c.LossRatio()
	row := streamRow{
		Stream: stream, Method: methodLine(s.Sample),
		Planned: f.count("planned", c.Planned), Sent: f.count("sent", c.Sent), Received: f.count("received", c.Received),
		Late: f.count("late", c.Late), Lost: f.count("lost", c.Lost), Failed: f.count("send_failed", c.SendFailed), Skipped: f.count("skipped", c.Skipped),
		Loss: f.show(perigee.MetricLossRatio, "", loss, lossDefined, percent),
		Min:  f.show(metric, "min", rtt.Min, rtt.Count > 0, milliseconds),
		P50:  quantile("p50", 0.5), P95: quantile("p95", 0.95), P99: quantile("p99", 0.99),
		Jitter:       f.show(perigee.MetricJitter, "", s.Sample.Variation.Jitter, s.Sample.Variation.JitterDefined, milliseconds),
		Availability: f.show(perigee.MetricAvailability, "", s.Availability, s.AvailabilityDefined, availability),
		Interval:     duration(s.Sample.Interval), LossTimeout: duration(s.Sample.LossTimeout),
	}
	return row
}

// rttMetric is the metric that round trips under a load are.
func rttMetric(load perigee.Load) perigee.MetricName {
	if load == perigee.LoadDown || load == perigee.LoadUp {
		return perigee.MetricRTTLoaded
	}
	return perigee.MetricRTT
}

func loadName(load perigee.Load) string {
	switch load {
	case perigee.LoadDown:
		return "own transfer down"
	case perigee.LoadUp:
		return "own transfer up"
	default:
		return "idle"
	}
}

// methodLine says who was asked how, and by which way it went.
func methodLine(s perigee.Sample) string {
	parts := []string{strings.ToUpper(string(s.Stream.Method)), familyName(s.Stream.Family)}
	if s.Proof.Remote.IsValid() {
		parts = append(parts, "to "+s.Proof.Remote.String())
	}
	if s.Proof.InterfaceName != "" {
		parts = append(parts, "by device "+s.Proof.InterfaceName)
	}
	if s.Proof.Local.IsValid() {
		parts = append(parts, "from "+s.Proof.Local.String())
	}
	return strings.Join(parts, " ")
}

func familyName(f perigee.Family) string {
	switch f {
	case perigee.IPv4:
		return "IPv4"
	case perigee.IPv6:
		return "IPv6"
	default:
		return string(f)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
