package probes

import (
	"context"
	"errors"
	"time"

	"perigee"
)

// A prober that ends is started again after restartMin, doubling up to restartMax while
// it keeps ending, each time less up to a quarter at random so that the streams of one
// failed link do not restart in step. One that ran for restartMax is taken as healthy.
const (
	restartMin = 100 * time.Millisecond
	restartMax = 10 * time.Second
)

var errNoReason = errors.New("it ended without a reason")

// supervise keeps the prober running until ctx ends.
func (l *line) supervise(ctx context.Context) {
	pause := restartMin
	told := "" // the error of the last event, while the prober keeps failing
	for {
		started := l.clock().Mono
		err := l.runOnce(ctx)
		now := l.clock()
		if ctx.Err() != nil {
			return
		}
		if now.Mono-started >= restartMax {
			pause, told = restartMin, ""
		}
		if perigee.CodeOf(err) == perigee.CodePermission {
			pause = restartMax // only a person can help
		}
		l.ended(now, err, told != err.Error())
		told = err.Error()

		timer := time.NewTimer(pause - time.Duration(l.rng.Int64N(int64(pause/4)+1)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, restartMax)
	}
}

// runOnce runs the prober until it ends, and says why; nil only if ctx ended.
func (l *line) runOnce(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	l.mu.Lock()
	l.stop = cancel
	l.broken = ""
	l.status.Running = true
	l.mu.Unlock()

	err = l.tryRun(ctx)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = nil
	l.status.Running = false
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		err = cause // it was ended because it panicked elsewhere
	}
	if parent.Err() == nil && err == nil {
		err = errNoReason
	}
	return err
}

func (l *line) tryRun(ctx context.Context) (err error) {
	defer recovered(&err)
	return l.prober.Run(ctx, l)
}

// ended takes note that the prober ended and why. A prober that panicked has not
// reported its undecided probes; one that did has none.
func (l *line) ended(now perigee.Reading, err error, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var p *panicError
	if errors.As(err, &p) {
		l.broken = err.Error()
	}
	if l.builder.abandon(err.Error()) > 0 {
		l.decided = now.Mono
	}
	l.status.Restarts++
	l.status.LastError = err.Error()
	if tell {
		l.addEvent(now.Wall, perigee.EventProberRestart, err.Error())
	}
}

// fail ends the current Run of a prober that panicked in another of its methods.
func (l *line) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err.Error()
	if l.stop != nil {
		l.stop(err)
	}
}
