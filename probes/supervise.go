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
func (f *feed) supervise(ctx context.Context) {
	pause := restartMin
	told := "" // the error of the last event, while the prober keeps failing
	for {
		started := f.clock().Mono
		err := f.runOnce(ctx)
		now := f.clock()
		if ctx.Err() != nil {
			return
		}
		if now.Mono-started >= restartMax {
			pause, told = restartMin, ""
		}
		if perigee.CodeOf(err) == perigee.CodePermission {
			pause = restartMax // only a person can help
		}
		f.ended(now, err, told != err.Error())
		told = err.Error()

		timer := time.NewTimer(pause - time.Duration(f.rng.Int64N(int64(pause/4)+1)))
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
func (f *feed) runOnce(parent context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	f.mu.Lock()
	f.stop = cancel
	f.broken = ""
	f.running = true
	f.mu.Unlock()

	err = f.tryRun(ctx)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop = nil
	f.running = false
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		err = cause // it was ended because it panicked elsewhere
	}
	if parent.Err() == nil && err == nil {
		err = errNoReason
	}
	return err
}

func (f *feed) tryRun(ctx context.Context) (err error) {
	defer recovered(&err)
	return f.prober.Run(ctx, f)
}

// ended takes note that the prober ended and why. A prober that panicked has not
// reported its undecided probes; one that did has none.
func (f *feed) ended(now perigee.Reading, err error, tell bool) {
	f.unheard.rest()
	f.mu.Lock()
	defer f.mu.Unlock()
	var p *panicError
	if errors.As(err, &p) {
		f.broken = err.Error()
	}
	for _, l := range f.lines {
		if l.builder.abandon(err.Error()) > 0 {
			l.decided = now.Mono
		}
	}
	f.restarts++
	f.lastError = err.Error()
	if tell {
		f.addEvent(now.Wall, perigee.EventProberRestart, err.Error())
	}
}
