package probes

import (
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

// Ledger is what a link has moved so far. Its clock does not go back: what is moved
// while the system's clock shows an earlier time than it once did is entered at the
// latest time there was. So nothing is forgotten by a clock that is set back, be it into
// the month before, nor counted for a month that is over.
//
// The zero Ledger is empty. It is not safe for concurrent use.
type Ledger struct {
	pages []page // in ascending order of at
}

// page is a quarter of an hour in which something was moved.
type page struct {
	at    time.Time
	total Use // of this page and all before it
}

// Add enters m and returns the time that it was entered at, which is where it belongs in
// a store: a ledger that is made anew by adding what was stored, oldest first, is the
// same.
func (l *Ledger) Add(m Moved) time.Time {
	at := m.At.Truncate(quarter).Round(0).UTC()
	var total Use
	if n := len(l.pages); n > 0 {
		last := &l.pages[n-1]
		if !at.After(last.at) {
			last.total.add(m.Purpose, m.Bytes)
			return last.at
		}
		total = last.total
	}
	total.add(m.Purpose, m.Bytes)
	l.pages = append(l.pages, page{at, total})
	return at
}

// Since returns what was moved since from, to the quarter of an hour.
func (l *Ledger) Since(from time.Time) Use {
	if len(l.pages) == 0 {
		return Use{}
	}
	all := l.pages[len(l.pages)-1].total
	from = from.Truncate(quarter)
	i := sort.Search(len(l.pages), func(i int) bool { return !l.pages[i].at.Before(from) })
	if i == 0 {
		return all
	}
	return all.minus(l.pages[i-1].total)
}

// First returns when the count began; false if nothing was moved yet.
func (l *Ledger) First() (time.Time, bool) {
	if len(l.pages) == 0 {
		return time.Time{}, false
	}
	return l.pages[0].at, true
}
