package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // zones by name, on machines that have none

	"perigee"
	"perigee/internal/evidence"
	document "perigee/internal/report"
)

// reportCommand writes one file for a person, and the data behind it for whoever doubts.
type reportCommand struct {
	storeFlags `embed:""`
	rangeFlags `embed:""`
	Site       string   `placeholder:"NAME" help:"The site. Needed only if the store holds several."`
	Links      []string `placeholder:"NAME" help:"Only these links. Default: all."`
	Timezone   string   `default:"UTC" placeholder:"ZONE" help:"IANA time zone of days and times, e.g. Australia/Sydney."`
	Output     string   `short:"o" placeholder:"FILE" help:"The report. Default: perigee-report-SITE-FROM-TO.html in this directory."`
	Evidence   string   `placeholder:"FILE.zip" help:"Write the data behind the report, too, with a manifest of their hashes."`
	Raw        bool     `default:"true" negatable:"" help:"Every window, and every single probe that is still kept, in the evidence; --no-raw leaves out what no figure was made from."`
	Force      bool     `help:"Replace files that exist."`

	Verify string `placeholder:"FILE.zip" help:"Check an evidence file instead: name each file in it that is not as it was."`
	Report string `placeholder:"FILE.html" help:"With --verify: the report that the evidence belongs to."`

	JSON bool `name:"json" help:"Print JSON."`
}

// reportJSON is what --json prints.
type reportJSON struct {
	Report         string  `json:"report"`
	Evidence       *string `json:"evidence"`
	From           string  `json:"from"`
	To             string  `json:"to"`
	DataFormat     int     `json:"data_format"`
	DataSHA256     string  `json:"data_sha256"`
	ManifestSHA256 *string `json:"manifest_sha256"`
}

// Run implements the command.
func (c reportCommand) Run(ctx context.Context, s streams) error {
	if c.Verify != "" {
		return c.verify(s)
	}
	if c.Report != "" {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "--report is for --verify: name the evidence that it belongs to"}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM) // so that nothing half done stays behind
	defer stop()
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil || c.Timezone == "Local" || c.Timezone == "" {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--timezone %q is no time zone; write an IANA name like Australia/Sydney", c.Timezone)}
	}
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
	q, err := completed(ctx, store, c.Site, linkIDs(c.Links), from, to, now, zone)
	if err != nil {
		return err
	}
	if c.Output == "" {
		c.Output = reportName(q)
	}
	if err := c.free(); err != nil {
		return err
	}
	done, err := c.make(ctx, s, store, q, now)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, done)
	}
	return done.print(s.out)
}

// make collects and writes the report, and the evidence before it, whose hash it names.
func (c reportCommand) make(ctx context.Context, s streams, store reportStore, q question, now time.Time) (done reportJSON, err error) {
	r, err := collect(ctx, store, q)
	if err != nil {
		return done, err
	}
	r.Made, r.Perigee, r.Command = now.Truncate(time.Second), buildInfo().Version, q.command()
	err = toFile(c.Output, resultMode, func(w io.Writer) error {
		if r.Data, err = c.writeData(ctx, s, store, q, r.Disruptions); err != nil {
			return err
		}
		return document.Write(w, r)
	})
	if err != nil {
		if c.Evidence != "" && r.Data.ManifestSHA256 != "" {
			err = errors.Join(err, os.Remove(c.Evidence)) // half of it is no use
		}
		return done, err
	}
	done = reportJSON{
		Report: c.Output, From: exactTime(q.from), To: exactTime(q.to), DataFormat: reportDataFormat, DataSHA256: r.Data.SHA256,
	}
	if c.Evidence != "" {
		done.Evidence, done.ManifestSHA256 = &c.Evidence, &r.Data.ManifestSHA256
	}
	return done, nil
}

// writeData writes the evidence if it is asked for, and hashes the data in any case.
func (c reportCommand) writeData(ctx context.Context, s streams, store reportStore, q question, disruptions []perigee.Disruption) (document.Data, error) {
	data := document.Data{Format: reportDataFormat}
	watch := func(name string, w io.Writer) io.Writer { return &progress{to: w, s: s, name: name} }
	fill := func(w io.Writer) error {
		e := evidence.NewWriter(w)
		if err := addData(ctx, e, store, q, disruptions, c.Raw, watch); err != nil {
			return err
		}
		data.SHA256 = e.DataHash()
		for _, f := range e.Files() {
			data.Files = append(data.Files, document.DataFile{Name: f.Name, Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256})
		}
		if w == nil {
			return nil
		}
		hash, err := e.Close(evidence.Manifest{DataFormat: reportDataFormat, Perigee: buildInfo().Version, Question: q.asked()})
		data.Evidence, data.ManifestSHA256 = filepath.Base(c.Evidence), hash
		return err
	}
	if c.Evidence == "" {
		return data, fill(nil)
	}
	return data, toFile(c.Evidence, resultMode, fill)
}

// free reports, as an error, a file that would be replaced though nobody said so.
func (c reportCommand) free() error {
	if c.Evidence != "" && filepath.Clean(c.Evidence) == filepath.Clean(c.Output) {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--output and --evidence are both %s: name two files", c.Output)}
	}
	for _, name := range []string{c.Output, c.Evidence} {
		if name == "" || c.Force {
			continue
		}
		if _, err := os.Lstat(name); err == nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%s is there already: name another file, or replace it with --force", name)}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// print tells a person what was written.
func (r reportJSON) print(w io.Writer) error {
	text := fmt.Sprintf("%s: %s to %s\ndata SHA-256 %s\n", r.Report, r.From[:19]+"Z", r.To[:19]+"Z", r.DataSHA256)
	if r.Evidence != nil {
		text += fmt.Sprintf("%s: manifest SHA-256 %s\n", *r.Evidence, *r.ManifestSHA256)
	}
	_, err := io.WriteString(w, text)
	return err
}

// asked is q as the manifest has it.
func (q question) asked() evidence.Question {
	asked := evidence.Question{Site: q.site, Links: []string{}, From: exactTime(q.from), To: exactTime(q.to), Timezone: q.zone.String()}
	for _, l := range q.links {
		asked.Links = append(asked.Links, string(l))
	}
	return asked
}

// command returns the command that asks q again.
func (q question) command() string {
	words := []string{"perigee", "report", "--site=" + q.site}
	for _, l := range q.links {
		words = append(words, "--links="+strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(string(l)))
	}
	words = append(words, "--from="+q.from.UTC().Format(time.RFC3339), "--to="+q.to.UTC().Format(time.RFC3339), "--timezone="+q.zone.String())
	for i, w := range words {
		words[i] = shellWord(w)
	}
	return strings.Join(words, " ")
}

// shellWord quotes w for a POSIX shell where it needs to be.
func shellWord(w string) string {
	plain := w != ""
	for _, c := range w {
		plain = plain && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_=+:./,@%", c))
	}
	if plain {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// reportName is what a report is called that nobody named.
func reportName(q question) string {
	const compact = "20060102T1504"
	return fmt.Sprintf("perigee-report-%s-%s-%s.html", fileWord(q.site), q.from.In(q.zone).Format(compact), q.to.In(q.zone).Format(compact))
}

// fileWord is name as a part of a file's name, on any system.
func fileWord(name string) string {
	const most = 40
	var b strings.Builder
	for _, c := range name {
		if b.Len() >= most {
			break
		}
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' {
			b.WriteRune(c)
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}
