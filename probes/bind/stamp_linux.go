package bind

import "time"

// waitClock turns the kernel's receive stamps into how long a packet waited for its
// reader. Stamps are of the wall clock, which may step; a wait is only believed if
// the wall clock provably did not step since the packet came. Its zero value is
// ready for use. Not safe for concurrent use.
type waitClock struct {
	offset  time.Duration // wall minus monotonic at the last look
	trusted time.Duration // monotonic time since which wall has not stepped
	started bool
}

const (
	// stepTolerance is how much wall and monotonic clock may seem to drift
	// apart between two looks without a step: reading both takes well under a
	// microsecond unless the process is preempted between. It bounds the error
	// that an unseen step can cause.
	stepTolerance = 100 * time.Microsecond

	// tornTolerance is how much two looks at both clocks, one right after the other,
	// may differ in what lies between the clocks: some readings of one.
	tornTolerance = 5 * time.Microsecond

	// maxWait bounds the waits believed.
	maxWait = 30 * time.Second
)

// wait returns how long a packet stamped at stamp (wall clock, Unix nanoseconds) had
// waited when wall and mono were read, or 0 if that cannot be told for sure.
func (c *waitClock) wait(stamp, wall int64, mono time.Duration) time.Duration {
	offset := time.Duration(wall) - mono
	if diff := offset - c.offset; !c.started || diff > stepTolerance || diff < -stepTolerance {
		// The step may lie anywhere since the last look: only packets that
		// came after this one are safe.
		c.started, c.offset, c.trusted = true, offset, mono
		return 0
	}
	wait := time.Duration(wall - stamp)
	if stamp == 0 || wait < 0 || wait > maxWait || mono-wait < c.trusted {
		return 0
	}
	return wait
}
