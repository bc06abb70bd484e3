package storage

import (
	"slices"
	"time"

	"perigee"
)

// entryKey names an entry to the store.
type entryKey struct {
	kind perigee.EntryKind
	id   int64
}

func keyOf(e perigee.Entry) entryKey { return entryKey{e.Kind, e.ID} }

// refused is an entry that the sink did not take alone, and why.
type refused struct {
	entry  perigee.Entry
	reason string
}

// hand holds the entries that are pending in the store but were tried before: pieces of
// batches that were refused, and suspects. They are not taken from the store again
// meanwhile. Nothing is lost if it is.
type hand struct {
	pieces   [][]perigee.Entry // the last is the next
	suspects []refused
	held     map[entryKey]bool // all of them
	loose    int               // entries in pieces
}

// divide puts the halves of entries back as pieces, the first half on top.
func (h *hand) divide(entries []perigee.Entry) {
	half := len(entries) / 2
	h.push(entries[half:])
	h.push(entries[:half])
}

// push puts a piece on top.
func (h *hand) push(piece []perigee.Entry) {
	h.hold(piece)
	h.loose += len(piece)
	h.pieces = append(h.pieces, piece)
}

// pop takes up to n entries from the top; nil if there is none. They are still held.
func (h *hand) pop(n int) []perigee.Entry {
	last := len(h.pieces) - 1
	if last < 0 {
		return nil
	}
	piece := h.pieces[last]
	if n < len(piece) {
		h.pieces[last], piece = piece[n:], piece[:n]
	} else {
		h.pieces = h.pieces[:last]
	}
	h.loose -= len(piece)
	return piece
}

// suspect holds an entry that was refused alone.
func (h *hand) suspect(r refused) {
	h.hold([]perigee.Entry{r.entry})
	h.suspects = append(h.suspects, r)
}

// judged takes all suspects. They are still held.
func (h *hand) judged() []refused {
	all := h.suspects
	h.suspects = nil
	return all
}

func (h *hand) hold(entries []perigee.Entry) {
	if h.held == nil {
		h.held = map[entryKey]bool{}
	}
	for _, e := range entries {
		h.held[keyOf(e)] = true
	}
}

// release lets go of entries: the store knows what became of them.
func (h *hand) release(entries ...perigee.Entry) {
	for _, e := range entries {
		delete(h.held, keyOf(e))
	}
}

// others returns those of entries that are not held, in the same array.
func (h *hand) others(entries []perigee.Entry) []perigee.Entry {
	if len(h.held) == 0 {
		return entries
	}
	others := entries[:0]
	for _, e := range entries {
		if !h.held[keyOf(e)] {
			others = append(others, e)
		}
	}
	return others
}

// form names what an hour or outage tells of: a later form of it has another ID and
// replaces the earlier one in the store, and in the sink whatever was written before.
type form struct {
	kind   perigee.EntryKind
	stream perigee.Stream
	start  time.Time
}

// formOf returns the form of e; it reports false if e never changes.
func formOf(e perigee.Entry) (form, bool) {
	switch {
	case e.Kind == perigee.EntryHour && e.Sample != nil:
		return form{e.Kind, e.Sample.Stream, e.Sample.Start.UTC().Truncate(time.Hour)}, true
	case e.Kind == perigee.EntryOutage && e.Outage != nil:
		return form{e.Kind, e.Outage.Stream, e.Outage.Start.UTC().Round(0)}, true
	}
	return form{}, false
}

// replace drops what entries, which the sink took, are later forms of: writing it now
// would undo them.
func (h *hand) replace(entries []perigee.Entry) {
	if len(h.held) == 0 {
		return
	}
	latest := map[form]int64{}
	for _, e := range entries {
		if f, ok := formOf(e); ok {
			latest[f] = max(latest[f], e.ID)
		}
	}
	if len(latest) == 0 {
		return
	}
	stale := func(e perigee.Entry) bool {
		f, ok := formOf(e)
		if ok = ok && e.ID < latest[f]; ok {
			h.release(e)
		}
		return ok
	}
	pieces := h.pieces
	h.pieces, h.loose = nil, 0
	for _, piece := range pieces {
		if piece = slices.DeleteFunc(slices.Clone(piece), stale); len(piece) > 0 {
			h.pieces = append(h.pieces, piece)
			h.loose += len(piece)
		}
	}
	h.suspects = slices.DeleteFunc(h.suspects, func(r refused) bool { return stale(r.entry) })
}
