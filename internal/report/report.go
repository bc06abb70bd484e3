// Package report makes one self-contained HTML document of what was measured: for a
// person, for a provider, for print. docs/report.md says what it holds.
//
// It owns how results look on paper: sentences, tables, charts as inline SVG. It reads
// no store and computes no statistic; all it shows is in a Report, whose numbers are
// those of the root package. The same Report gives the same bytes. Nothing in the
// document is fetched or run: there is no script, link, font or image in it, and a
// content security policy forbids them. Names are hostile until escaped, by html/template.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"perigee"
	"perigee/stats"
)

// Report is all that a document shows.
type Report struct {
	Site     string
	From, To time.Time
	Zone     *time.Location // of the times shown
	Made     time.Time
	Perigee  string   // version of the program that made it
	Measured []string // what measured, with its version, as far as is known
	Command  string   // that makes it again

	// Comparisons are by one metric each, of the same links; none of one link.
	Comparisons []perigee.Comparison
	Links       []Link
	Disruptions []perigee.Disruption // of all links
	Gaps        []perigee.Gap        // that overlap the range, in order
	Events      []EventCount
	Warnings    []string // about all links
	Data        Data
}

// Link is what is shown of one link.
type Link struct {
	Link perigee.Link

	// Main is the stream that figures and charts are of. Main.Sample.Counts.Planned
	// is 0 if nothing was measured.
	Main    perigee.Summary
	Streams []perigee.Summary // all of the link, Main among them

	RTT perigee.TimeSeries // of Main's stream; its points carry loss, too

	Days        perigee.LinkReliability // by day
	Months      perigee.LinkReliability // by month
	Disruptions []perigee.Disruption

	Transfers []Transfer // ordered by start
	Rates     map[perigee.Load]Rates
	Kept      perigee.PlanKept
	Moved     map[perigee.Purpose]int64 // bytes, by what for
	Warnings  []string
}

// Transfer is what is shown of a perigee.Throughput, whose series may be long.
type Transfer struct {
	Start        time.Time
	Length       time.Duration
	Direction    perigee.Load
	Target       perigee.TargetID
	Method       perigee.Method
	Rate         float64 // bits per second
	Steady       bool
	Bytes        int64
	Idle, Loaded perigee.Latency
	PEPSuspected bool
}

// Rates sum up the transfers of one direction.
type Rates struct {
	Steady   stats.Distribution // of those that reached a steady rate, in bits per second
	Unsteady int                // how many did not
}

// EventCount is how often something happened to the measuring.
type EventCount struct {
	Kind  perigee.EventKind
	Count int
}

// Data identifies what the document was made from.
type Data struct {
	Format int
	SHA256 string
	Files  []DataFile

	// Of the evidence file, if one was written.
	Evidence       string // its name
	ManifestSHA256 string
}

// DataFile is one file of the data.
type DataFile struct {
	Name   string
	Rows   int64
	Bytes  int64
	SHA256 string
}

//go:embed report.html
var pageHTML string

//go:embed report.css
var pageCSS string

var pageTemplate = template.Must(template.New("report").Parse(pageHTML))

// Write writes the document.
func Write(w io.Writer, r Report) error {
	if r.Zone == nil {
		r.Zone = time.UTC
	}
	if err := pageTemplate.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
