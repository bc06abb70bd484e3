package transfer

import (
	"sync/atomic"
	"time"

	"perigee/probes/transfer/wire"
)

// counts are the bytes received in each wire.Step since the start, by any number of
// goroutines.
type counts struct {
	start time.Time
	steps []atomic.Int64
	last  atomic.Int64 // nanoseconds from start to the last bytes
}

// newCounts has room for length. What comes later is not counted.
func newCounts(length time.Duration) *counts {
	return &counts{steps: make([]atomic.Int64, length/wire.Step+1)}
}

// add counts n bytes that have just come.
func (c *counts) add(n int) {
	if n <= 0 {
		return
	}
	at := time.Since(c.start)
	if i := int(at / wire.Step); i < len(c.steps) {
		c.steps[i].Add(int64(n))
		c.last.Store(int64(at))
	}
}

// until returns the counts of all steps that have begun by then, and when the last bytes
// came.
func (c *counts) until(then time.Duration) (steps []int64, last time.Duration) {
	n := min(int(then/wire.Step)+1, len(c.steps))
	steps = make([]int64, n)
	for i := range steps {
		steps[i] = c.steps[i].Load()
	}
	return steps, min(then, time.Duration(c.last.Load()))
}

// sum returns all that was counted.
func (c *counts) sum() int64 {
	var n int64
	for i := range c.steps {
		n += c.steps[i].Load()
	}
	return n
}

// whole returns how many steps are over at then.
func whole(then time.Duration) int { return max(0, int(then/wire.Step)) }

// sum returns the sum of steps.
func sum(steps []int64) int64 {
	var n int64
	for _, s := range steps {
		n += s
	}
	return n
}
