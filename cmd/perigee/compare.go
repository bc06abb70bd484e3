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

// compareCommand says how links compare.
type compareCommand struct {
	storeFlags `embed:""`
	rangeFlags `embed:""`
	Links      []string `placeholder:"NAME" help:"The links to compare. Default: all."`
	Metric     string   `default:"rtt" help:"What to compare by: rtt, pdv, jitter, loss_ratio or availability."`
	Target     string   `placeholder:"NAME" help:"Compare at this target only. Default: each that the links share."`
	Family     string   `placeholder:"ipv4|ipv6" help:"Compare this IP version. Default: IPv4 if measured."`
	JSON       bool     `name:"json" help:"Print JSON, as the REST API's /compare."`
}

// Run implements the command.
func (c compareCommand) Run(ctx context.Context, s streams) error {
	now := time.Now()
	from, to, err := c.resolve(now)
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	q := perigee.CompareQuery{
		Metric: perigee.MetricName(c.Metric), From: from, To: to,
		Target: perigee.TargetID(c.Target), Family: perigee.Family(c.Family),
	}
	for _, l := range c.Links {
		q.Links = append(q.Links, perigee.LinkID(l))
	}
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
			return &perigee.Error{Code: perigee.CodeNotEnoughData, Message: fmt.Sprintf("not enough data for a firm answer on %s and %s; measure for longer or widen --from", p.A, p.B)}
		}
	}
	return nil
}

// writeComparison prints the comparison for a person.
func writeComparison(w io.Writer, c perigee.Comparison) error {
	span := c.To.Sub(c.From).Round(time.Second)
	if _, err := fmt.Fprintf(w, "%s, %s to %s (%s)\n\n", c.Metric.Name, c.From.UTC().Format(time.RFC3339), c.To.UTC().Format(time.RFC3339), span); err != nil {
		return err
	}
	if err := summaryTable(c.Links).write(w, 2); err != nil {
		return err
	}
	if len(c.Pairs) > 0 {
		fmt.Fprintln(w)
	}
	for _, p := range c.Pairs {
		line := p.Verdict
		if p.ProbabilityDefined {
			line += fmt.Sprintf("; %s is lower with probability %.2f", p.A, p.ProbabilityALower)
		}
		if _, err := fmt.Fprintf(w, "%s / %s (%s): %s\n", p.A, p.B, p.Target, line); err != nil {
			return err
		}
		for _, warning := range p.Warnings {
			if _, err := fmt.Fprintf(w, "    warning: %s\n", warning); err != nil {
				return err
			}
		}
	}
	return nil
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
