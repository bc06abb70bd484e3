package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"perigee"
	"perigee/storage/influx"
	"perigee/storage/traces"
)

// exportCommand writes stored results in a foreign format.
type exportCommand struct {
	storeFlags `embed:""`
	rangeFlags `embed:""`
	Format     string   `default:"csv" enum:"csv,jsonl,lp" help:"csv, jsonl (JSON lines) or lp (InfluxDB line protocol)."`
	Raw        bool     `help:"Every single probe instead of 10 s windows."`
	Throughput bool     `help:"Transfers instead of latency."`
	Resolution string   `default:"window" enum:"window,hour,day" help:"window, hour or day."`
	Links      []string `placeholder:"NAME" help:"Only these links."`
	Targets    []string `placeholder:"NAME" help:"Only these targets."`
	Output     string   `short:"o" placeholder:"FILE" help:"Write to FILE, which appears only when it is complete. Default: standard output."`
}

// Run implements the command.
func (c exportCommand) Run(ctx context.Context, s streams) error {
	from, to, err := c.resolve(time.Now())
	if err != nil {
		return err
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	q := perigee.Query{Links: linkIDs(c.Links), From: from, To: to, Resolution: perigee.Resolution(c.Resolution)}
	for _, t := range c.Targets {
		q.Targets = append(q.Targets, perigee.TargetID(t))
	}
	write := func(w io.Writer) error { return export(ctx, w, store, c.Format, c.Raw, q) }
	if c.Throughput {
		if c.Raw {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: "--throughput and --raw exclude each other: a transfer has no single probes"}
		}
		write = func(w io.Writer) error { return exportThroughputs(ctx, w, store, c.Format, q) }
	}
	if c.Output == "" {
		return write(s.out)
	}
	return toFile(c.Output, resultMode, func(w io.Writer) error { return write(&progress{to: w, s: s, name: c.Output}) })
}

// exportThroughputs writes the transfers that q selects in the given format.
func exportThroughputs(ctx context.Context, w io.Writer, store perigee.Store, format string, q perigee.Query) error {
	made, err := perigee.ProvenanceOf(ctx, store, q)
	if err != nil {
		return err
	}
	by, transfers := traces.Writer{Made: made}, store.Throughputs(ctx, q)
	switch format {
	case "jsonl":
		return by.ThroughputsJSONL(w, transfers)
	case "lp":
		orbits, err := orbitsOf(ctx, store)
		if err != nil {
			return err
		}
		if err := writeProvenanceLines(ctx, w, store, q, made); err != nil {
			return err
		}
		return influx.WriteThroughputLines(w, transfers, orbits)
	}
	return by.ThroughputsCSV(w, transfers)
}

// resultMode is the mode of files with results that somebody asked for.
const resultMode = 0o644

// toFile has write fill a new file beside name and puts it in name's place only when
// all of it is on disk.
func toFile(name string, mode os.FileMode, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 1<<16)
	if err = write(b); err != nil {
		return err
	}
	if err = b.Flush(); err == nil {
		if err = f.Chmod(mode); err == nil {
			if err = f.Sync(); err == nil {
				err = f.Close()
			}
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}

// progress tells on standard error, every 64 MB, how much was written.
type progress struct {
	to      io.Writer
	s       streams
	name    string
	written int64
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	const step = 64 << 20
	if before := p.written; (before+int64(n))/step > before/step {
		p.s.notef("%s: %s written", p.name, byteSize(float64(before+int64(n))))
	}
	p.written += int64(n)
	return n, err
}

// export writes what q selects of the store in the given format: windows, or every
// single probe if raw.
func export(ctx context.Context, w io.Writer, store perigee.Store, format string, raw bool, q perigee.Query) error {
	made, err := perigee.ProvenanceOf(ctx, store, q)
	if err != nil {
		return err
	}
	by := traces.Writer{Made: made}
	if raw {
		write := by.SingletonsCSV
		switch format {
		case "jsonl":
			write = by.SingletonsJSONL
		case "lp":
			return &perigee.Error{Code: perigee.CodeInvalid, Message: "line protocol carries windows, not single probes; use --format csv or jsonl with --raw"}
		}
		return write(w, store.Singletons(ctx, q))
	}
	samples := store.Samples(ctx, q)
	switch format {
	case "csv":
		return by.CSV(w, samples)
	case "jsonl":
		return by.JSONL(w, samples)
	case "lp":
		orbits, err := orbitsOf(ctx, store)
		if err != nil {
			return err
		}
		if err := writeProvenanceLines(ctx, w, store, q, made); err != nil {
			return err
		}
		return influx.WriteLineProtocol(w, samples, orbits)
	}
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("format %q is not one of csv, jsonl and lp", format)}
}

// writeProvenanceLines writes what made the results that q selects, as line protocol has
// it: an event of each link and span.
func writeProvenanceLines(ctx context.Context, w io.Writer, store perigee.Store, q perigee.Query, made []perigee.Provenance) error {
	links, err := store.Links(ctx)
	if err != nil {
		return err
	}
	var events []perigee.Event
	for _, l := range links {
		if !q.MatchesLink(l.Site.Name, l.Link.ID) {
			continue
		}
		for _, p := range made {
			if p.Site == l.Site.Name && (p.Link == "" && l.Link.Bound() || p.Link == l.Link.ID) {
				events = append(events, p.Event(l.Link.ID, time.Now()))
			}
		}
	}
	return influx.WriteEventLines(w, events)
}

// orbitsOf tells the orbits of the links in a store.
func orbitsOf(ctx context.Context, store perigee.Store) (influx.Orbits, error) {
	links, err := store.Links(ctx)
	if err != nil {
		return nil, err
	}
	type name struct {
		site string
		link perigee.LinkID
	}
	orbits := map[name]perigee.Orbit{}
	for _, l := range links {
		orbits[name{l.Site.Name, l.Link.ID}] = l.Link.Orbit
	}
	return func(site string, link perigee.LinkID) perigee.Orbit { return orbits[name{site, link}] }, nil
}

// storeFile is the file in a store's directory that holds everything.
func storeFile(dir string) string { return filepath.Join(dir, "perigee.db") }
