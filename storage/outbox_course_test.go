package storage

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"perigee"
)

func some(n int, kind perigee.EntryKind) []perigee.Entry {
	entries := make([]perigee.Entry, n)
	for i := range entries {
		entries[i] = perigee.Entry{ID: int64(i), Kind: kind}
	}
	return entries
}

// What follows from one write, at first and after what a case says was before.
func TestJudge(t *testing.T) {
	refusal := func(reason perigee.RefusalReason, after time.Duration) error {
		return &perigee.Refusal{Reason: reason, RetryAfter: after, Message: "words"}
	}
	failed := func(n int) func(*course) { return func(c *course) { c.failures = n } }
	accepted := func(c *course) { c.acknowledged(some(1, perigee.EntryWindow)) }
	doubting := func(c *course) { c.refusals[perigee.EntryHour] = doubtAfter }
	for name, test := range map[string]struct {
		before  func(*course)
		entries int
		err     error
		want    verdict // without the problem
	}{
		"taken":                            {nil, 9, nil, verdict{move: taken}},
		"no_answer":                        {nil, 9, errors.New("no route to host"), verdict{keep, 750 * time.Millisecond, OutboxWaiting, false, Problem{}}},
		"no_answer_four_times_before":      {failed(4), 9, refusal(perigee.RefusedUnreachable, 0), verdict{keep, 12 * time.Second, OutboxWaiting, false, Problem{}}},
		"no_answer_for_days":               {failed(5000), 9, refusal(perigee.RefusedUnreachable, 0), verdict{keep, 225 * time.Second, OutboxWaiting, false, Problem{}}},
		"an_unknown_reason_is_no_answer":   {nil, 9, refusal("moody", 0), verdict{keep, 750 * time.Millisecond, OutboxWaiting, false, Problem{}}},
		"busy":                             {nil, 9, refusal(perigee.RefusedBusy, time.Minute), verdict{keep, time.Minute, OutboxWaiting, true, Problem{}}},
		"busy_too_often":                   {failed(20), 9, refusal(perigee.RefusedBusy, time.Minute), verdict{keep, 225 * time.Second, OutboxWaiting, true, Problem{}}},
		"busy_for_a_week":                  {nil, 9, refusal(perigee.RefusedBusy, 168*time.Hour), verdict{keep, time.Hour, OutboxWaiting, true, Problem{}}},
		"setup":                            {nil, 9, refusal(perigee.RefusedSetup, 0), verdict{keep, 5 * time.Minute, OutboxBlocked, true, Problem{}}},
		"too_large":                        {nil, 9, refusal(perigee.RefusedTooLarge, 0), verdict{move: divide}},
		"one_too_large":                    {accepted, 1, refusal(perigee.RefusedTooLarge, 0), verdict{move: bury}},
		"content":                          {nil, 9, refusal(perigee.RefusedContent, 0), verdict{move: divide}},
		"content_of_one_after_success":     {accepted, 1, refusal(perigee.RefusedContent, 0), verdict{move: bury}},
		"content_of_one_with_none_taken":   {nil, 1, refusal(perigee.RefusedContent, 0), verdict{move: suspect}},
		"content_of_one_while_in_doubt":    {doubting, 1, refusal(perigee.RefusedContent, 0), verdict{keep, 10 * time.Second, OutboxBlocked, true, Problem{}}},
		"content_of_one_refused_before_it": {func(c *course) { c.accuse(some(1, perigee.EntryHour)) }, 1, refusal(perigee.RefusedContent, 0), verdict{move: bury}},
	} {
		c := newCourse(1000)
		if test.before != nil {
			test.before(&c)
		}
		got := c.judge(some(test.entries, perigee.EntryHour), test.err, 0.5)
		if test.err != nil && test.want.move != divide && got.problem.Reason == "" {
			t.Errorf("%s: no problem is told", name)
		}
		if got.problem = (Problem{}); got != test.want {
			t.Errorf("%s: judge = %+v, want %+v", name, got, test.want)
		}
	}
}

// The size that a server takes is found, kept, and tried to be grown slowly.
func TestBatchesShrinkAtOnceAndGrowSlowly(t *testing.T) {
	c := newCourse(1000)
	tooLarge := &perigee.Refusal{Reason: perigee.RefusedTooLarge}
	refusals := 0
	for range 1000 { // writes to a server that takes 300
		if n := c.size(); n > 300 {
			refusals++
			c.judge(some(n, perigee.EntryWindow), tooLarge, 0)
		} else {
			c.judge(some(n, perigee.EntryWindow), nil, 0)
		}
	}
	if refusals < 2 || refusals > 50 {
		t.Errorf("%d of 1000 writes were too large, want few, but some", refusals)
	}
	for range 200 {
		c.judge(some(1, perigee.EntryWindow), nil, 0)
	}
	if c.size() != 1000 {
		t.Errorf("size %d after many successes, want 1000 again", c.size())
	}
}

// Doubt begins with the hundredth refusal of a kind in a row, and ends when one of that
// kind is taken; others say nothing.
func TestDoubtIsOfAKind(t *testing.T) {
	c := newCourse(1000)
	content := &perigee.Refusal{Reason: perigee.RefusedContent}
	one := some(1, perigee.EntryWindow)
	for i := range doubtAfter {
		if c.doubtful() {
			t.Fatalf("doubtful after %d refusals", i)
		}
		c.judge(one, content, 0)
		c.judge(some(1, perigee.EntryGap), nil, 0)
	}
	if !c.doubtful() || c.size() != 1 {
		t.Fatalf("doubtful %v, size %d after %d refusals", c.doubtful(), c.size(), doubtAfter)
	}
	var waits []time.Duration
	for range 7 {
		waits = append(waits, c.judge(one, content, 0.5).wait)
	}
	if waits[0] != 20*time.Second || waits[6] != lastBackoff {
		t.Errorf("waits %v, want 20s (10s was the one before) to 5m", waits)
	}
	c.judge(one, nil, 0)
	if c.doubtful() || c.size() != 1000 {
		t.Errorf("doubtful %v, size %d after success", c.doubtful(), c.size())
	}
}

func TestWaitsAreWithinTheirBounds(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 1))
	for n := 1; n < 100; n++ {
		whole := doubled(firstBackoff, n)
		if got := backoff(n, chance.Float64()); got < whole/2 || got > whole || whole > lastBackoff {
			t.Errorf("backoff(%d) = %v, want %v to %v", n, got, whole/2, whole)
		}
		if got := around(setupWait, chance.Float64()); got < 270*time.Second || got > 330*time.Second {
			t.Errorf("around(5m) = %v", got)
		}
	}
}
