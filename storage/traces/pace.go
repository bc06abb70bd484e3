package traces

import (
	"fmt"
	"time"

	"perigee"
)

// pace is how far apart the lines of a log are that sums up, of one stream.
type pace struct {
	w     *windower
	last  int64 // when the line before was
	every int64 // the shortest time between two lines
}

// follow checks that a line, called by its name in the format, comes after the one
// before, and finds gaps. It reports whether the lines are closer than was known.
func (p *pace) follow(at int64, line string) (closer bool, err error) {
	since := at - p.last
	switch {
	case p.last == 0:
	case since == 0:
		return false, errRepeated
	case since < 0:
		return false, fmt.Errorf("it is %v earlier than the %s before; sort the %ss by time", time.Duration(-since), line, line)
	case p.every > 0 && since > int64(silence) && float64(since) > 2.5*float64(p.every):
		p.w.interrupt(at, perigee.GapStopped)
	case p.every == 0 || since < p.every:
		p.every, closer = since, true
	}
	p.last = at
	return closer, nil
}
