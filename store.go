package perigee

import (
	"context"
	"iter"
	"slices"
	"time"
)

// Batch is what is written at once: all of it or nothing.
type Batch struct {
	Samples     []Sample
	Throughputs []Throughput
	Outages     []Outage
	Gaps        []Gap
	Events      []Event
}

// Empty reports whether there is nothing to write.
func (b Batch) Empty() bool {
	return len(b.Samples)+len(b.Throughputs)+len(b.Outages)+len(b.Gaps)+len(b.Events) == 0
}

// Resolution is the length of the intervals that samples are kept at.
type Resolution string

// The resolutions. Rollups are merged from windows by UTC hour and day.
const (
	Windows Resolution = "window"
	Hours   Resolution = "hour"
	Days    Resolution = "day"
)

// Query selects samples. Zero fields select all.
type Query struct {
	Site    string
	Links   []LinkID
	Targets []TargetID
	Method  Method
	Family  Family
	Load    Load

	// From and To bound the start: From <= Start < To. Zero is unbounded.
	// Outages and gaps are selected if they overlap the range.
	From, To time.Time

	Resolution Resolution // Windows if empty

	// Kinds are those of events; it says nothing of all else.
	Kinds []EventKind

	// Lean samples may lack the sketch of IPDV, of hours and days nine tenths of what
	// reading them takes: its values spread over decades. A store may leave it in.
	Lean bool
}

// Matches reports whether q selects s, its range and resolution aside.
func (q Query) Matches(s Stream) bool {
	return (q.Site == "" || q.Site == s.Site) &&
		(len(q.Links) == 0 || slices.Contains(q.Links, s.Link)) &&
		(len(q.Targets) == 0 || slices.Contains(q.Targets, s.Target)) &&
		(q.Method == "" || q.Method == s.Method) &&
		(q.Family == "" || q.Family == s.Family) &&
		(q.Load == "" || q.Load == s.Load)
}

// MatchesLink is Matches for gaps and events, which know site and link alone; those of
// all links match any.
func (q Query) MatchesLink(site string, link LinkID) bool {
	return (q.Site == "" || q.Site == site) && (link == "" || len(q.Links) == 0 || slices.Contains(q.Links, link))
}

// MatchesEvent reports whether q selects e, its range aside.
func (q Query) MatchesEvent(e Event) bool {
	return q.MatchesLink(e.Site, e.Link) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind))
}

// LinkRecord is what a store knows of a link.
type LinkRecord struct {
	Site  Site
	Link  Link
	First time.Time // start of the first sample; zero if there is none
	Last  time.Time // end of the last sample; zero if there is none
}

// Run is one life of the daemon, as a store remembers it.
type Run struct {
	ID      int64 // 0 if there was none
	Started time.Time
	Ended   time.Time // zero unless it ended properly
	Last    time.Time // end of the last sample of any stream stored by then; zero if none
}

// Store keeps results. Append returns only when what it was given would survive a
// power cut. All methods are safe for concurrent use. Reads see what was
// acknowledged; each iterator ends at the first error, which it yields.
//
// Errors are *Error with CodeUnavailable (try again: locked, disk full),
// CodeInvalid (the caller's) or CodeInternal (corrupt).
type Store interface {
	// Append stores b atomically. Storing a sample, throughput, gap or event
	// again is harmless: it is kept once. An outage with the same stream and start
	// replaces the earlier one (it was open).
	Append(ctx context.Context, b Batch) error

	// Describe records the site and its links, replacing what was known of
	// links with the same name.
	Describe(ctx context.Context, site Site, links []Link) error

	// Links returns every link that was described or has samples, ordered by
	// site and name.
	Links(ctx context.Context) ([]LinkRecord, error)

	// Samples yields the matching samples without singletons, ordered by
	// Start, then stream.
	Samples(ctx context.Context, q Query) iter.Seq2[Sample, error]

	// Singletons yields the matching window samples that still have their
	// singletons, with them, in the same order.
	Singletons(ctx context.Context, q Query) iter.Seq2[Sample, error]

	// Throughputs yields the matching transfers, ordered by Start, then stream;
	// the query's Load is their direction, its Resolution says nothing.
	Throughputs(ctx context.Context, q Query) iter.Seq2[Throughput, error]

	// Outages, Gaps and Events are ordered by start. Gaps and events of
	// all links match any query for links of their site.
	Outages(ctx context.Context, q Query) ([]Outage, error)
	Gaps(ctx context.Context, q Query) ([]Gap, error)
	Events(ctx context.Context, q Query) ([]Event, error)
}
