package storage

import (
	"errors"
	"fmt"
	"time"

	"perigee"
)

// What an Outbox waits after failures.
const (
	firstBackoff  = time.Second
	lastBackoff   = 5 * time.Minute // long enough to be no load, short enough to need no Retry
	setupWait     = 5 * time.Minute
	firstDoubt    = 10 * time.Second // about when the next live results come
	mostBusyWait  = time.Hour        // however long a server asks for
	setupVariance = 0.1
)

// doubtAfter is how many entries of a kind must be refused, each alone and with none of
// that kind taken between, until it is not them but the sink that is thought broken.
const doubtAfter = 100

// growAfter is how many writes must succeed until batches, once made smaller because they
// were too large, are made a quarter longer.
const growAfter = 20

// course is what an outbox remembers of how the sink behaved. judge says what follows
// from one more write. It neither waits nor calls anything.
type course struct {
	most     int                       // entries a batch
	limit    int                       // the same, since some were too large
	since    int                       // successful writes since limit was changed
	failures int                       // in a row, of those to be tried again later
	refusals map[perigee.EntryKind]int // entries refused alone since one of the kind was taken
	trusted  bool                      // the last that became of an entry is that it was taken
	doubts   int                       // tries that failed in a row since the sink is thought broken

	// accused are entries that were refused alone before the sink, thought broken
	// then, took others of their kind. If they are refused once more it is them.
	accused map[entryKey]bool
}

func newCourse(most int) course {
	return course{most: most, limit: most, refusals: map[perigee.EntryKind]int{}, accused: map[entryKey]bool{}}
}

// move is what is done with entries after they were written.
type move int

const (
	taken   move = iota // they are through
	divide              // write each half
	bury                // it is one: set it aside
	suspect             // the same, but only when the sink was seen to take another
	keep                // try again later
)

// verdict is a move with what belongs to keep.
type verdict struct {
	move    move
	wait    time.Duration
	state   OutboxState // while waiting
	shut    bool        // it is not worth trying before wait is over
	problem Problem
}

// judge says what follows from entries' having been written with result err. chance is
// drawn evenly from 0 to 1.
func (c *course) judge(entries []perigee.Entry, err error, chance float64) verdict {
	if err == nil {
		c.acknowledged(entries)
		return verdict{move: taken}
	}
	r := refusalOf(err)
	problem := Problem{Reason: r.Reason, Message: r.Message, Remedy: r.Remedy}
	switch r.Reason {
	case perigee.RefusedTooLarge:
		c.failures = 0
		if len(entries) == 1 {
			return c.alone(entries[0], problem, chance)
		}
		c.limit, c.since = max(1, len(entries)/2), 0
		return verdict{move: divide}
	case perigee.RefusedContent:
		c.failures = 0
		if len(entries) == 1 {
			return c.alone(entries[0], problem, chance)
		}
		return verdict{move: divide}
	case perigee.RefusedSetup:
		return verdict{keep, around(setupWait, chance), OutboxBlocked, true, problem}
	case perigee.RefusedBusy:
		c.failures++
		wait := max(min(r.RetryAfter, mostBusyWait), backoff(c.failures, chance))
		return verdict{keep, wait, OutboxWaiting, true, problem}
	default:
		c.failures++
		return verdict{keep, backoff(c.failures, chance), OutboxWaiting, false, problem}
	}
}

// alone says what follows from e's having been refused by itself.
func (c *course) alone(e perigee.Entry, problem Problem, chance float64) verdict {
	if c.accused[keyOf(e)] && !c.doubtful() {
		delete(c.accused, keyOf(e))
		return verdict{move: bury, problem: problem}
	}
	c.refusals[e.Kind]++
	trusted := c.trusted
	c.trusted = false
	switch {
	case c.doubtful():
		c.doubts++
		problem.Reason = perigee.RefusedSetup
		problem.Message = fmt.Sprintf("the server refuses every %s: %s", e.Kind, problem.Message)
		if problem.Remedy == "" {
			problem.Remedy = "see what the bucket holds under the names that perigee writes, or give it a bucket of its own; everything is kept until it is mended"
		}
		return verdict{keep, around(doubled(firstDoubt, c.doubts), chance), OutboxBlocked, true, problem}
	case trusted:
		return verdict{move: bury, problem: problem}
	default:
		return verdict{move: suspect, problem: problem}
	}
}

// acknowledged notes that the sink took entries.
func (c *course) acknowledged(entries []perigee.Entry) {
	c.failures = 0
	for _, e := range entries {
		delete(c.refusals, e.Kind)
		delete(c.accused, keyOf(e))
		// A link's state says nothing of whether results are taken.
		c.trusted = c.trusted || e.Kind != perigee.EntryLink
	}
	if !c.doubtful() {
		c.doubts = 0
	}
	if c.limit == c.most {
		return
	}
	if c.since++; c.since >= growAfter {
		c.limit, c.since = min(c.most, c.limit+max(1, c.limit/4)), 0
	}
}

// doubtful reports whether the sink refuses so much that it is thought broken. Then
// entries are tried one at a time, and nothing is set aside.
func (c *course) doubtful() bool {
	for _, n := range c.refusals {
		if n >= doubtAfter {
			return true
		}
	}
	return false
}

// size returns how many entries the next batch may have.
func (c *course) size() int {
	if c.doubtful() {
		return 1
	}
	return c.limit
}

// refusalOf returns err as a refusal: one that does not say what should follow is
// unreachable.
func refusalOf(err error) perigee.Refusal {
	if r, ok := errors.AsType[*perigee.Refusal](err); ok {
		refusal := *r
		if refusal.Message == "" {
			refusal.Message = err.Error()
		}
		return refusal
	}
	return perigee.Refusal{Reason: perigee.RefusedUnreachable, Message: err.Error()}
}

// accuse notes entries that were refused before the doubt ended.
func (c *course) accuse(entries []perigee.Entry) {
	for _, e := range entries {
		c.accused[keyOf(e)] = true
	}
}

// backoff returns how long to wait after that many failures in a row: anything between
// the half and the whole of what doubles each time, so that many daemons that lost one
// server do not come back as one.
func backoff(failures int, chance float64) time.Duration {
	whole := doubled(firstBackoff, failures)
	return whole/2 + time.Duration(chance*float64(whole/2))
}

// doubled returns the n-th of first, twice first, and so on up to lastBackoff.
func doubled(first time.Duration, n int) time.Duration {
	if n > 20 {
		return lastBackoff
	}
	return min(lastBackoff, first<<(n-1))
}

// around returns d, more or less.
func around(d time.Duration, chance float64) time.Duration {
	return d + time.Duration((2*chance-1)*setupVariance*float64(d))
}
