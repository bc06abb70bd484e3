package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/storage/sqlite"
	"perigee/storage/traces"
)

// importCommand reads results of other tools, or our own exports, into the store.
type importCommand struct {
	Format string `arg:"" enum:"ping,irtt,iperf3,fping,lp,smokeping,csv,perigee" help:"ping, irtt, iperf3, fping, lp (line protocol), smokeping, csv or perigee (our own exports)."`
	File   string `arg:"" help:"The file, plain or gzip; - is standard input."`

	Link     string        `placeholder:"NAME" help:"The link that it was measured over. Needed but for our own exports, which name theirs."`
	Target   string        `placeholder:"NAME" help:"What was probed. Default: as the file names it."`
	Site     string        `placeholder:"NAME" help:"Where it was measured. Default: the configured site."`
	Orbit    string        `placeholder:"ORBIT" help:"Of the link: starlink, leo, meo, geo, cellular or terrestrial. Default: as the store knows the link."`
	Start    string        `placeholder:"TIME" help:"When the first probe was sent, RFC 3339 or Unix seconds, for a file without times."`
	Interval time.Duration `placeholder:"DURATION" help:"Time between probes. Default: as the file tells or shows."`

	storeFlags `embed:""`
	JSON       bool `name:"json" help:"Print JSON."`
}

// badShown is how many lines that cannot be used are named one by one.
const badShown = 5

// importStreamJSON and importJSON are what --json prints.
type importStreamJSON struct {
	Link   string `json:"link"`
	Target string `json:"target"`
	Method string `json:"method"`
	Family string `json:"family"`
	Load   string `json:"load"`
}

type importJSON struct {
	File     string             `json:"file"`
	Format   string             `json:"format"`
	SHA256   string             `json:"sha256"`
	Bytes    int64              `json:"bytes"`
	Lines    int64              `json:"lines"`
	Used     int64              `json:"used"`
	Repeated int64              `json:"repeated"`
	Bad      int64              `json:"bad"`
	From     *time.Time         `json:"from"`
	To       *time.Time         `json:"to"`
	Streams  []importStreamJSON `json:"streams"`
	Counts   importCountsJSON   `json:"counts"`

	Windows     int64    `json:"windows"`
	Throughputs int64    `json:"throughputs"`
	Outages     int64    `json:"outages"`
	Gaps        int64    `json:"gaps"`
	Notes       []string `json:"notes"`
}

// importCountsJSON are probes, as everywhere: planned = sent + send_failed + skipped,
// sent = received + late + lost.
type importCountsJSON struct {
	Planned    int64 `json:"planned"`
	Sent       int64 `json:"sent"`
	SendFailed int64 `json:"send_failed"`
	Skipped    int64 `json:"skipped"`
	Received   int64 `json:"received"`
	Late       int64 `json:"late"`
	Lost       int64 `json:"lost"`
	Duplicates int64 `json:"duplicates"`
	Reordered  int64 `json:"reordered"`
}

// Run implements the command.
func (c importCommand) Run(ctx context.Context, s streams) error {
	if err := c.check(); err != nil {
		return err
	}
	source, err := openSource(c.File, s.in)
	if err != nil {
		return err
	}
	defer source.Close()
	store, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	i := importing{command: c, s: s, source: source, store: store}
	err = i.run(ctx)
	if closing := store.Close(); err == nil {
		err = closing
	}
	return err
}

// check refuses flags that do not go together.
func (c importCommand) check() error {
	invalid := func(format string, args ...any) error {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case c.Link == "" && c.Format != string(traces.FormatPerigee) && c.Format != string(traces.FormatLP):
		return invalid("say with --link which link this was measured over")
	case c.Orbit != "" && !perigee.Orbit(c.Orbit).Valid():
		return invalid("orbit %q is not one of %v", c.Orbit, perigee.Orbits)
	case c.Interval < 0 || c.Interval > 24*time.Hour:
		return invalid("--interval %v is not between 0 and 24h", c.Interval)
	}
	return nil
}

// openStore opens the store for writing.
func (c importCommand) openStore(ctx context.Context) (*sqlite.Store, error) {
	dir, err := c.path()
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, storeFile(dir), sqlite.Options{})
	if perigee.CodeOf(err) == perigee.CodeUnavailable {
		return nil, &perigee.Error{Code: perigee.CodeUnavailable,
			Message: "the store is in use: stop perigee run while importing, or import into a directory of its own with --store DIR", Err: err}
	}
	return store, err
}

// siteName returns the site that results are of: as asked, as configured, the only one
// that the store knows, or this machine.
func (c importCommand) siteName(known map[string]perigee.Site) (string, error) {
	if c.Site != "" {
		return c.Site, nil
	}
	file, err := c.find()
	if err != nil {
		return "", err
	}
	if file != "" {
		loaded, err := config.Load(file)
		return loaded.Site.Name, err
	}
	if len(known) == 1 {
		for name := range known {
			return name, nil
		}
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "home"
	}
	return host, nil
}

// source is a file that is read once: it counts and hashes what is read.
type source struct {
	io.Closer
	r    io.Reader
	name string // for people
	size int64  // 0 if not known
	read int64
	hash hash.Hash
}

func openSource(name string, in io.Reader) (*source, error) {
	if name == "-" {
		return &source{Closer: io.NopCloser(in), r: in, name: "standard input", hash: sha256.New()}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		code := perigee.CodeInternal
		switch {
		case errors.Is(err, fs.ErrNotExist):
			code = perigee.CodeNotFound
		case errors.Is(err, fs.ErrPermission):
			code = perigee.CodePermission
		}
		return nil, &perigee.Error{Code: code, Message: "import", Err: err}
	}
	src := &source{Closer: f, r: f, name: name, hash: sha256.New()}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		src.size = info.Size()
	}
	return src, nil
}

// Read implements io.Reader.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.read += int64(n)
	s.hash.Write(b[:n])
	return n, err
}

// importing is one import.
type importing struct {
	command importCommand
	s       streams
	source  *source
	store   *sqlite.Store

	site  string
	known map[linkName]perigee.LinkRecord
	sites map[string]perigee.Site
	bad   int
	line  progressLine
}

type linkName struct {
	site string
	link perigee.LinkID
}

func (i *importing) run(ctx context.Context) error {
	c := i.command
	if err := i.learn(ctx); err != nil {
		return err
	}
	options := traces.Options{
		Site: c.Site, Link: perigee.LinkID(c.Link), Target: perigee.TargetID(c.Target), Interval: c.Interval,
		Now: time.Now, Bad: i.refuse,
	}
	if c.Format != string(traces.FormatPerigee) && c.Format != string(traces.FormatLP) || c.Link != "" {
		options.Site = i.site
	}
	options.LossTimeout = perigee.LossTimeoutFor(i.orbit(linkName{i.site, options.Link}))
	var err error
	if options.Start, err = parseTime("--start", c.Start, time.Now()); err != nil {
		return err
	}
	i.line = newProgressLine(i.s.err)
	options.Progress = func(lines int64) { i.line.show(i.progress(lines)) }
	report, err := traces.Import(i.source, traces.Format(c.Format), options, func(b perigee.Batch) error {
		if err := i.describe(ctx, b); err != nil {
			return err
		}
		if err := i.store.Append(ctx, b); err != nil {
			return err
		}
		return ctx.Err()
	})
	i.line.end()
	if i.bad > badShown {
		i.s.notef("%s: %d lines could not be used; the first %d are named above", i.source.name, report.Bad, badShown)
	}
	if _, ours := errors.AsType[*perigee.Error](err); ours {
		return err // of the store
	}
	if report.Windows+report.Throughputs == 0 {
		return &perigee.Error{Code: perigee.CodeInternal, Err: err,
			Message: fmt.Sprintf("%s: nothing of %d lines could be imported as %s; is it of another format?", i.source.name, report.Lines, c.Format)}
	}
	if err != nil {
		report.Notes = append(report.Notes, "it could not be read to its end")
	}
	if err := i.store.Append(ctx, perigee.Batch{Events: i.events(report)}); err != nil {
		return err
	}
	if err := i.tell(report); err != nil {
		return err
	}
	if err != nil {
		return &perigee.Error{Code: perigee.CodeInternal, Message: i.source.name + ": it cannot be read further; what came before is imported", Err: err}
	}
	return nil
}

// learn reads which links and sites the store knows.
func (i *importing) learn(ctx context.Context) error {
	records, err := i.store.Links(ctx)
	if err != nil {
		return err
	}
	i.known, i.sites = map[linkName]perigee.LinkRecord{}, map[string]perigee.Site{}
	for _, r := range records {
		i.known[linkName{r.Site.Name, r.Link.ID}] = r
		i.sites[r.Site.Name] = r.Site
	}
	i.site, err = i.command.siteName(i.sites)
	return err
}

// orbit returns the orbit of a link: as asked, else as known.
func (i *importing) orbit(name linkName) perigee.Orbit {
	return cmp.Or(perigee.Orbit(i.command.Orbit), i.known[name].Link.Orbit)
}

// describe makes the links of b known before their results are, and keeps all else that
// is known of them.
func (i *importing) describe(ctx context.Context, b perigee.Batch) error {
	var names []linkName
	for _, s := range b.Samples {
		names = append(names, linkName{s.Stream.Site, s.Stream.Link})
	}
	for _, t := range b.Throughputs {
		names = append(names, linkName{t.Stream.Site, t.Stream.Link})
	}
	slices.SortFunc(names, func(a, b linkName) int {
		return cmp.Or(strings.Compare(a.site, b.site), strings.Compare(string(a.link), string(b.link)))
	})
	for _, name := range slices.Compact(names) {
		record, known := i.known[name]
		orbit := i.orbit(name)
		if known && record.Link.Orbit == orbit {
			continue
		}
		site, there := i.sites[name.site]
		if !there {
			site = perigee.Site{Name: name.site}
		}
		record.Site, record.Link.ID, record.Link.Orbit = site, name.link, orbit
		if err := i.store.Describe(ctx, site, []perigee.Link{record.Link}); err != nil {
			return err
		}
		i.known[name], i.sites[name.site] = record, site
	}
	return nil
}

// refuse names a line that could not be used.
func (i *importing) refuse(line int64, err error) {
	i.bad++
	if i.bad <= badShown {
		i.line.end()
		i.s.notef("%s:%d: %v", i.source.name, line, err)
	}
}

func (i *importing) progress(lines int64) string {
	text := fmt.Sprintf("%s: %s, %d lines", i.source.name, byteSize(float64(i.source.read)), lines)
	if i.source.size > 0 {
		text += fmt.Sprintf(" (%d %%)", 100*i.source.read/i.source.size)
	}
	return text
}

// events tell of each link of the import where its results are from. They bear the time
// of the last result, so that the same file makes the same events.
func (i *importing) events(r traces.Report) []perigee.Event {
	var events []perigee.Event
	for _, s := range r.Streams {
		e := perigee.Event{Site: s.Site, Link: s.Link, Time: r.Last, Kind: perigee.EventImported, Detail: i.provenance(r)}
		if !slices.Contains(events, e) {
			events = append(events, e)
		}
	}
	return events
}

// provenance says where results are from.
func (i *importing) provenance(r traces.Report) string {
	name := i.source.name
	if i.command.File != "-" {
		name = filepath.Base(name)
	}
	text := perigee.ImportedDetail(fmt.Sprintf("%s file %s, sha256 %s", i.command.Format, name, i.sum()),
		fmt.Sprintf("%d lines, %d bad, %d probes, %d lost, %d transfers", r.Lines, r.Bad, r.Counts.Planned, r.Counts.Lost+r.Counts.Late, r.Throughputs), r.First, r.Last)
	for _, n := range r.Notes {
		text += "; " + n
	}
	return text
}

func (i *importing) sum() string { return hex.EncodeToString(i.source.hash.Sum(nil)) }

// tell prints what was imported.
func (i *importing) tell(r traces.Report) error {
	if i.command.JSON {
		return writeJSON(i.s.out, i.report(r))
	}
	for _, n := range r.Notes {
		i.s.notef("note: %s", n)
	}
	fmt.Fprintf(i.s.out, "%s: %s, %d lines, of which %d used, %d repeated, %d bad\n%s to %s\n",
		i.source.name, byteSize(float64(i.source.read)), r.Lines, r.Results, r.Repeated, r.Bad, r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	t := &table{}
	t.add("windows", "planned", "skipped", "failed", "sent", "received", "late", "lost", "dup", "loss", "outages", "gaps", "transfers")
	n := r.Counts
	loss, defined := n.LossRatio()
	t.add(count(r.Windows), count(n.Planned), count(n.Skipped), count(n.SendFailed), count(n.Sent), count(n.Received), count(n.Late), count(n.Lost),
		count(n.Duplicates), percent(loss, defined), count(r.Outages), count(r.Gaps), count(r.Throughputs))
	if err := t.write(i.s.out, 0); err != nil {
		return err
	}
	for _, s := range r.Streams {
		if _, err := fmt.Fprintf(i.s.out, "link %s, target %s, %s over %s\n", s.Link, s.Target, s.Method, s.Family); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) report(r traces.Report) importJSON {
	j := importJSON{
		File: i.source.name, Format: i.command.Format, SHA256: i.sum(), Bytes: i.source.read,
		Lines: r.Lines, Used: r.Results, Repeated: r.Repeated, Bad: r.Bad,
		Streams: []importStreamJSON{}, Counts: importCountsJSON(r.Counts),
		Windows: r.Windows, Throughputs: r.Throughputs, Outages: r.Outages, Gaps: r.Gaps, Notes: append([]string{}, r.Notes...),
	}
	if !r.First.IsZero() {
		from, to := r.First.UTC(), r.Last.UTC()
		j.From, j.To = &from, &to
	}
	for _, s := range r.Streams {
		j.Streams = append(j.Streams, importStreamJSON{string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load)})
	}
	return j
}
