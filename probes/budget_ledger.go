package probes

import (
	"slices"
	"sort"
	"time"

	"perigee"
)

// Use is what was moved over a link, in bytes on the wire, both directions together.
type Use struct {
	Probing, Forwarding, Scheduled, Manual int64

	// Earlier is what was used before perigee counted: told, or assumed.
	Earlier int64
}

// Total returns the sum.
func (u Use) Total() int64 {
	return u.Probing + u.Forwarding + u.Scheduled + u.Manual + u.Earlier
}

func (u *Use) add(p perigee.Purpose, bytes int64) {
	switch p {
	case perigee.PurposeProbing:
		u.Probing += bytes
	case perigee.PurposeOutbox:
		u.Forwarding += bytes
	case perigee.PurposeTransfer:
		u.Scheduled += bytes
	case perigee.PurposeManual:
		u.Manual += bytes
	} // what others moved is theirs
}

func (u Use) minus(o Use) Use {
	return Use{u.Probing - o.Probing, u.Forwarding - o.Forwarding, u.Scheduled - o.Scheduled, u.Manual - o.Manual, u.Earlier - o.Earlier}
}

// Moved is one entry of a ledger.
type Moved struct {
	At      time.Time
	Purpose perigee.Purpose
	Bytes   int64
}

// quarter is how fine a ledger's clock is. Days begin at a multiple of it everywhere.
const quarter = 15 * time.Minute

// ledgerReach is how far apart the ledger's clock and the system's may be: two billing
// months.
const ledgerReach = 62 * 24 * time.Hour

// Ledger is what a link has moved so far. Its clock does not go back: what is moved
// while the system's clock shows an earlier time than it once did is entered at the
// latest time there was. So nothing is forgotten by a clock that is set back, be it into
// the month before, nor counted only for a month that is over.
//
// If the system's clock is set back by more than ledgerReach to a time that the ledger
// knows, it was wrong before: the ledger's clock follows, or it would stand still for
// years. A time before the ledger's first entry cannot be right, and is not followed.
//
// Of what is older than any plan asks for, it tells days apart and no longer quarters of an
// hour: else it would grow by 2 MB a year.
//
// The zero Ledger is empty. It is not safe for concurrent use.
type Ledger struct {
	pages []page // in ascending order of at
	days  int    // pages at the beginning that stand for a UTC day each
}

const (
	// finePages is how many quarters of an hour are told apart: those of ledgerReach and
	// of the month before. They are counted, as a clock that runs ahead for an hour must
	// not make years of those before.
	finePages = int((ledgerReach + 31*24*time.Hour) / quarter)

	// coarsenAt is by how many more there must be before the oldest become days.
	coarsenAt = int(24 * time.Hour / quarter)
)

// page is a quarter of an hour, or a day up to its last, in which something was moved.
type page struct {
	at    time.Time
	total Use // of this page and those before it
}

// through returns the total of the first n pages.
func (l *Ledger) through(n int) Use {
	if n == 0 {
		return Use{}
	}
	return l.pages[n-1].total
}

// Add enters m and returns the time that it was entered at, which is where it belongs in
// a store: a ledger that is made anew by adding what was stored, oldest first, is the
// same.
func (l *Ledger) Add(m Moved) time.Time {
	at := l.clock(m.At)
	i := l.find(at)
	if i == len(l.pages) || !l.pages[i].at.Equal(at) {
		l.pages = slices.Insert(l.pages, i, page{at, l.through(i)})
		if i < l.days {
			l.days++
		}
	}
	for ; i < len(l.pages); i++ { // the last one only, unless the clock was ahead by years
		l.pages[i].total.add(m.Purpose, m.Bytes)
	}
	l.coarsen()
	return at
}

// coarsen keeps only the last page of each day beyond those that are told apart. Nothing
// of the sums is lost, as each page has those before it in it. The first page stays: it
// tells when the count began.
func (l *Ledger) coarsen() {
	end := len(l.pages) - finePages
	if end-l.days < coarsenAt {
		return
	}
	day := func(i int) time.Time { return l.pages[i].at.Truncate(24 * time.Hour) }
	kept := l.days
	for i := l.days; i < end; i++ {
		if i == 0 || !day(i).Equal(day(i+1)) {
			l.pages[kept] = l.pages[i]
			kept++
		}
	}
	l.pages = slices.Delete(l.pages, kept, end)
	l.days = kept
}

// clock returns what the ledger's clock shows when the system's shows now.
func (l *Ledger) clock(now time.Time) time.Time {
	at := now.Truncate(quarter).Round(0).UTC()
	known := len(l.pages)
	if known > 0 && !at.Before(l.pages[0].at) {
		known = l.find(at.Add(ledgerReach))
	}
	if known > 0 && l.pages[known-1].at.After(at) {
		return l.pages[known-1].at
	}
	return at
}

// find returns the number of the first page at t or later.
func (l *Ledger) find(t time.Time) int {
	return sort.Search(len(l.pages), func(i int) bool { return !l.pages[i].at.Before(t) })
}

// Since returns what was moved since from, to the quarter of an hour, when the system's
// clock shows now: what the ledger's clock may yet come to included. If now is before
// the first entry, that is everything.
func (l *Ledger) Since(from, now time.Time) Use {
	low, high := l.find(from.Truncate(quarter)), l.find(now.Add(ledgerReach))
	if len(l.pages) > 0 && now.Before(l.pages[0].at) {
		low, high = 0, len(l.pages)
	}
	return l.through(max(low, high)).minus(l.through(low))
}

// First returns when the count began; false if nothing was moved yet.
func (l *Ledger) First() (time.Time, bool) {
	if len(l.pages) == 0 {
		return time.Time{}, false
	}
	return l.pages[0].at, true
}
