package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"perigee"
	"perigee/api"
)

const (
	// watchEvery is how often hearts are looked at. Time counts in these steps: see
	// watch.awake.
	watchEvery = 5 * time.Second

	// hungGrace is how long a part that hangs may take to end once it is told to.
	hungGrace = 15 * time.Second

	// stackLimit bounds what is logged of the stacks of a part that hangs.
	stackLimit = 8 << 10
)

// A heart is that of one long-lived part. The part promises, each time that it comes
// round, within what time it will again, and keeps no promise while it waits for others to
// ask for something.
type heart struct {
	name  string
	frame string // part of the name of its function, by which its stacks are found
	watch *watch

	// Guarded by watch.mu.
	due    time.Duration // by watch.awake; 0: nothing is promised
	within time.Duration // as it was promised
	cancel context.CancelCauseFunc
	hung   bool          // the promise was broken, and that was told
	until  time.Duration // by watch.awake: when it must have ended
	lost   bool          // it did not end
}

// errHung ends a part that hangs.
var errHung = errors.New("it hung")

// Beat promises to beat again, or to rest, within that time. Zero or less rests.
func (h *heart) Beat(within time.Duration) {
	if within <= 0 {
		h.rest()
		return
	}
	h.watch.mu.Lock()
	recovered := h.hung
	h.due = h.watch.awake + within + watchEvery // it may have been promised just before a step
	h.within, h.hung, h.lost = within, false, false
	h.watch.mu.Unlock()
	if recovered {
		h.watch.recovered(h)
	}
}

// rest keeps no promise. A part that hung has then ended, but does not go on yet.
func (h *heart) rest() {
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	h.due, h.lost = 0, false
}

// end says that the part is no more.
func (h *heart) end() {
	h.watch.mu.Lock()
	recovered := h.hung
	h.due, h.hung, h.lost = 0, false, false
	h.watch.mu.Unlock()
	if recovered {
		h.watch.recovered(h)
	}
}

// hangs reports whether the part was told to hang, and has not gone on.
func (h *heart) hangs() bool {
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	return h.hung
}

// run returns f, whose context ends, too, if it hangs. What it returns then says so.
func (h *heart) run(f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		within, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		h.setCancel(cancel)
		defer h.setCancel(nil)
		defer h.rest()
		err := f(within)
		if cause := context.Cause(within); errors.Is(cause, errHung) && ctx.Err() == nil {
			return cause
		}
		return err
	}
}

func (h *heart) setCancel(cancel context.CancelCauseFunc) {
	h.watch.mu.Lock()
	defer h.watch.mu.Unlock()
	h.cancel = cancel
}

// A watch looks after hearts. It tells once of each that stops, ends its part so that it
// is begun again, and, if it does not end, holds the service manager's watchdog back.
type watch struct {
	told      func(h *heart, text, stacks string) // of a part that hangs; must not block
	recovered func(h *heart)                      // likewise, of one that goes on
	mono      func() time.Duration                // only differences count

	mu     sync.Mutex // guards what follows, and hearts
	hearts []*heart

	// awake is the time that this process ran: the sum of the steps between two
	// looks, none longer than watchEvery. A process that was suspended, was
	// stopped or found no processor did not see its parts hang, and a clock that
	// was set says nothing.
	awake time.Duration
	last  time.Duration // of mono

	running bool // Run does
	stale   int  // how often in a row it was found not to have looked for long
}

func newWatch() *watch {
	begin := time.Now()
	return &watch{told: func(*heart, string, string) {}, recovered: func(*heart) {}, mono: func() time.Duration { return time.Since(begin) }}
}

// heart returns the heart of the given name, the same one each time.
func (w *watch) heart(name, frame string) *heart {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hearts {
		if h.name == name {
			return h
		}
	}
	h := &heart{name: name, frame: frame, watch: w}
	w.hearts = append(w.hearts, h)
	return h
}

// Run looks until ctx ends; before each time, also is called.
func (w *watch) Run(ctx context.Context, also func()) error {
	w.run(true)
	defer w.run(false)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		also()
		w.look()
	}
}

func (w *watch) run(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running, w.last = is, w.mono()
}

// look advances the time and tells of hearts that stopped.
func (w *watch) look() {
	type news struct {
		h    *heart
		text string
	}
	var all []news
	w.mu.Lock()
	now := w.mono()
	w.awake += min(max(now-w.last, 0), watchEvery)
	w.last, w.stale = now, 0
	for _, h := range w.hearts {
		switch {
		case h.due == 0 || w.awake <= h.due:
		case !h.hung:
			h.hung, h.until = true, w.awake+hungGrace
			all = append(all, news{h, h.text()})
		case w.awake > h.until:
			h.lost = true
		}
	}
	w.mu.Unlock()
	for _, n := range all {
		w.told(n.h, n.text, stacksOf(n.h.frame)) // before it ends, or there is no stack
		w.mu.Lock()
		if end := n.h.cancel; end != nil {
			end(fmt.Errorf("%w: %s", errHung, n.text))
		} else {
			n.h.lost = n.h.hung
		}
		w.mu.Unlock()
	}
}

// text says of a heart that stopped what it promised; for who holds the watch.
func (h *heart) text() string {
	return fmt.Sprintf("%s has not come round within %s", h.name, h.within)
}

// lostPart returns why the process must be started again: a part hangs and does not end,
// or the watch does not look. It is asked every half minute or so, and after a process
// was stopped it may be asked before the watch had its turn.
func (w *watch) lostPart() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stale++; !w.running || w.mono()-w.last < 6*watchEvery {
		w.stale = 0
	}
	if w.stale > 1 {
		return &perigee.Error{Code: perigee.CodeInternal, Message: fmt.Sprintf("the watch over all parts has not looked for %s", (w.mono() - w.last).Round(time.Second))}
	}
	for _, h := range w.hearts {
		if h.lost {
			return &perigee.Error{Code: perigee.CodeInternal, Message: h.text() + ", and does not end"}
		}
	}
	return nil
}

// checks are those of parts that hang, for /readyz.
func (w *watch) checks() []api.Check {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []api.Check
	for _, h := range w.hearts {
		if h.hung {
			list = append(list, hungFinding(h.name, h.text()).asCheck())
		}
	}
	return list
}

// hungFinding is what doctor and /readyz say of a part that hangs.
func hungFinding(name, text string) finding {
	return finding{Check: "part " + name, State: stateFailed, Message: text, code: perigee.CodeInternal,
		Remedy: "restart perigee if it stays so; the log has the stack, which belongs into a report of the fault"}
}

// stacksOf returns the stacks of the goroutines that run a function whose name holds
// frame, or were begun by one, cut to what a log takes.
func stacksOf(frame string) string {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	var found strings.Builder
	for stack := range strings.SplitSeq(string(b), "\n\n") {
		if strings.Contains(stack, frame) && found.Len() < stackLimit {
			found.WriteString(stack + "\n\n")
		}
	}
	text := strings.TrimSpace(found.String())
	if len(text) > stackLimit {
		text = text[:stackLimit] + "…"
	}
	return text
}
