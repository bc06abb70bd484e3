package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/storage/sqlite"
)

// storeFlags find the stored results. They are read whether or not a daemon runs.
type storeFlags struct {
	configFlag `embed:""`
	Store      string `placeholder:"DIR" help:"Directory of the stored results. Default: storage.path of the configuration."`
}

// open opens the store for reading.
func (f storeFlags) open(ctx context.Context) (*sqlite.Store, error) {
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	return sqlite.OpenReader(ctx, storeFile(dir))
}

// path returns the store's directory.
func (f storeFlags) path() (string, error) {
	if f.Store != "" {
		return f.Store, nil
	}
	file, err := f.find()
	if err != nil {
		return "", err
	}
	if file == "" {
		return config.StoragePath(), nil
	}
	c, err := config.Load(file)
	return c.Storage.Path, err
}

// linkIDs returns links as they were named.
func linkIDs(names []string) []perigee.LinkID {
	var ids []perigee.LinkID
	for _, n := range names {
		ids = append(ids, perigee.LinkID(n))
	}
	return ids
}

// compareCommand says how links compare.
type compareCommand struct {
	storeFlags   `embed:""`
	rangeFlags   `embed:""`
	Links        []string `placeholder:"NAME" help:"The links to compare. Default: all."`
	Metric       string   `default:"rtt" help:"What to compare by: rtt, pdv, jitter, loss_ratio, availability, throughput_down, throughput_up or rtt_loaded."`
	Quantile     float64  `default:"0.5" help:"Quantile that verdicts are about: 0.5, 0.95 or 0.99. High ones need more data."`
	Target       string   `placeholder:"NAME" help:"Compare at this target only. Default: each that the links share."`
	Family       string   `placeholder:"ipv4|ipv6" help:"Compare this IP version. Default: IPv4 if measured."`
	Load         string   `placeholder:"idle|down|up" help:"Compare probes sent while a transfer of perigee's own went down or up. Default: idle; down for rtt_loaded."`
	By           string   `placeholder:"GROUP" help:"Compare in each group alone: hour, weekday, day, phase (second of Starlink's slots), load, target or family."`
	TimeZone     string   `name:"timezone" placeholder:"ZONE" help:"Time zone of hours, weekdays and days, such as Australia/Sydney. Default: UTC."`
	LeapSeconds  int      `default:"18" help:"With --by phase: seconds by which GPS time is ahead of UTC; 18 since 2017."`
	Baseline     string   `placeholder:"NAME" help:"Compare every other link with this one. Default: each with each."`
	BaselineFrom string   `placeholder:"TIME" help:"Compare each link with itself in an earlier period that begins then, written as --from."`
	BaselineTo   string   `placeholder:"TIME" help:"End of that period. Default: as long as the range, but before it begins."`
	JSON         bool     `name:"json" help:"Print JSON, as the REST API's /compare."`
}

// question reads the flags.
func (c compareCommand) question(now time.Time) (perigee.CompareQuery, error) {
	q := perigee.CompareQuery{
		Metric: perigee.MetricName(c.Metric), Quantile: c.Quantile, Target: perigee.TargetID(c.Target), Family: perigee.Family(c.Family), Load: perigee.Load(c.Load),
		Links: linkIDs(c.Links), By: perigee.Grouping(c.By), LeapSeconds: c.LeapSeconds, Baseline: perigee.LinkID(c.Baseline),
	}
	invalid := func(format string, args ...any) (perigee.CompareQuery, error) {
		return q, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if q.Load != "" && q.Load != perigee.LoadIdle && q.Load != perigee.LoadDown && q.Load != perigee.LoadUp {
		return invalid("--load %q: use idle, down or up", c.Load)
	}
	err := checkLeapSeconds(c.LeapSeconds)
	if err != nil {
		return q, err
	}
	if c.TimeZone != "" {
		if q.Zone, err = time.LoadLocation(c.TimeZone); err != nil {
			return invalid("--timezone %q is not a time zone; write its name in the IANA database, such as Australia/Sydney", c.TimeZone)
		}
	}
	if q.From, q.To, err = c.resolve(now); err != nil {
		return q, err
	}
	if q.BaselineFrom, err = parseTime("--baseline-from", c.BaselineFrom, now); err != nil {
		return q, err
	}
	if q.BaselineTo, err = parseTime("--baseline-to", c.BaselineTo, now); err != nil {
		return q, err
	}
	if !q.BaselineFrom.IsZero() && q.From.IsZero() {
		return invalid("--baseline-from: say with --from where the range begins that is compared with it")
	}
	return q, nil
}

// Run implements the command.
func (c compareCommand) Run(ctx context.Context, s streams) error {
	q, err := c.question(time.Now())
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	comparison, err := perigee.Compare(ctx, store, q)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, api.NewCompareResponse(comparison))
	} else {
		err = writeComparison(s.out, comparison)
	}
	if err != nil {
		return err
	}
	return enough(comparison)
}

// enough is an error if the comparison, though given, rests on too little.
func enough(c perigee.Comparison) error {
	if len(c.Pairs) == 0 {
		return &perigee.Error{Code: perigee.CodeNotEnoughData, Message: "not enough data: fewer than two links were measured at a common target in this range"}
	}
	for _, p := range c.Pairs {
		if !p.EnoughData {
			what := fmt.Sprintf("%s and %s", p.A, p.B)
			if p.Group != "" {
				what += fmt.Sprintf(" (%s)", p.Group)
			}
			return &perigee.Error{Code: perigee.CodeNotEnoughData, Message: fmt.Sprintf("not enough data for a firm answer on %s; measure for longer or widen --from", what)}
		}
	}
	return nil
}

// writeComparison prints the comparison for a person.
func writeComparison(w io.Writer, c perigee.Comparison) error {
	span := c.To.Sub(c.From).Round(time.Second)
	title := fmt.Sprintf("%s, %s to %s (%s)", c.Metric.Name, c.From.UTC().Format(time.RFC3339), c.To.UTC().Format(time.RFC3339), span)
	if !c.BaselineFrom.IsZero() {
		title += fmt.Sprintf(" against %s to %s", c.BaselineFrom.UTC().Format(time.RFC3339), c.BaselineTo.UTC().Format(time.RFC3339))
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", title); err != nil {
		return err
	}
	if err := comparedTable(c).write(w, 2+len(groupTitles(c))); err != nil {
		return err
	}
	lines := planLines(c.Links)
	for _, p := range c.Pairs {
		lines = append(lines, pairLines(p)...)
	}
	for _, warning := range c.Warnings {
		lines = append(lines, "warning: "+warning)
	}
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// pairLines says how two links compare, and what to bear in mind.
func pairLines(p perigee.Pair) []string {
	verdict := p.Verdict
	if p.ProbabilityDefined {
		verdict += fmt.Sprintf("; %s is lower with probability %.2f", p.A, p.ProbabilityALower)
	}
	pair := fmt.Sprintf("%s / %s", p.A, p.B)
	if p.A == p.B {
		pair = fmt.Sprintf("%s now / then", p.A)
	}
	lines := []string{fmt.Sprintf("%s (%s): %s", pair, p.Target, verdict)}
	for _, warning := range p.Warnings {
		lines = append(lines, "    warning: "+warning)
	}
	return lines
}

// planLines says how much of the time what was promised was met.
func planLines(links []perigee.Summary) []string {
	var lines []string
	add := func(l perigee.Summary, promised string, met, of int, what string) {
		share := "nothing was measured"
		if of > 0 {
			share = fmt.Sprintf("met in %s of the time (%d of %d %s)", percent(float64(met)/float64(of), true), met, of, what)
		}
		lines = append(lines, fmt.Sprintf("%s was promised %s: %s", l.Sample.Stream.Link, promised, share))
	}
	for _, l := range links {
		k := l.Plan
		if k.Plan.Down > 0 {
			add(l, bitRate(k.Plan.Down)+" down", k.DownMet, k.Down, "transfers")
		}
		if k.Plan.Up > 0 {
			add(l, bitRate(k.Plan.Up)+" up", k.UpMet, k.Up, "transfers")
		}
		if k.Plan.Availability > 0 {
			add(l, percent(k.Plan.Availability, true)+" available", k.DaysMet, k.Days, "days")
		}
	}
	return lines
}

// comparedTable shows one row for each link of each group and period.
func comparedTable(c perigee.Comparison) *table {
	if c.Metric.Unit == "bits_per_second" {
		return ratesTable(c)
	}
	t := summaryTable(c.Links)
	t.rows[0] = append(groupTitles(c), t.rows[0]...)
	for i, l := range c.Links {
		t.rows[i+1] = append(groupName(c, l), t.rows[i+1]...)
	}
	return t
}

// ratesTable shows the rates of transfers.
func ratesTable(c perigee.Comparison) *table {
	t := &table{}
	t.add(append(groupTitles(c), "link", "target", "transfers", "unsteady", "min", "p5", "p50", "p95", "max", "mean")...)
	for _, l := range c.Links {
		some := l.Rates.Count > 0
		rate := func(v float64, ok bool) string {
			if !ok {
				return undefined
			}
			return bitRate(v)
		}
		t.add(append(groupName(c, l), string(l.Sample.Stream.Link), string(l.Sample.Stream.Target), count(l.Rates.Count), count(int64(l.Unsteady)),
			rate(l.Rates.Min, some), rate(l.Rates.Quantile(0.05)), rate(l.Rates.Quantile(0.5)), rate(l.Rates.Quantile(0.95)), rate(l.Rates.Max, some), rate(l.Rates.Mean, some))...)
	}
	return t
}

func groupTitles(c perigee.Comparison) []string {
	var titles []string
	if c.By != "" {
		titles = append(titles, string(c.By))
	}
	if !c.BaselineFrom.IsZero() {
		titles = append(titles, "period")
	}
	return titles
}

func groupName(c perigee.Comparison, l perigee.Summary) []string {
	var names []string
	if c.By != "" {
		names = append(names, l.Group)
	}
	if !c.BaselineFrom.IsZero() {
		period := "now"
		if l.Baseline {
			period = "then"
		}
		names = append(names, period)
	}
	return names
}

// summaryTable shows one row for each stream.
func summaryTable(summaries []perigee.Summary) *table {
	t := &table{}
	t.add("link", "target", "planned", "skipped", "failed", "sent", "received", "late", "lost", "dup", "loss", "min", "p50", "p95", "p99", "jitter", "available")
	for _, s := range summaries {
		c, rtt := s.Sample.Counts, s.Sample.RTT
		quantile := func(q float64) string { return milliseconds(rtt.Quantile(q)) }
		loss, lossDefined := c.LossRatio()
		v := s.Sample.Variation
		t.add(string(s.Sample.Stream.Link), string(s.Sample.Stream.Target),
			count(c.Planned), count(c.Skipped), count(c.SendFailed), count(c.Sent), count(c.Received), count(c.Late), count(c.Lost), count(c.Duplicates),
			percent(loss, lossDefined), milliseconds(rtt.Min, rtt.Count > 0), quantile(0.5), quantile(0.95), quantile(0.99),
			milliseconds(v.Jitter, v.JitterDefined), percent(s.Availability, s.AvailabilityDefined))
	}
	return t
}

func count(n int64) string { return fmt.Sprint(n) }
