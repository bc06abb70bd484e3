package sqlite

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// What is done beside writing: a file that is in use is looked at, checked after an unclean
// end, and carried over from.

// suspect has looked into what somebody met who may not wait for it.
func (h *healer) suspect(err error) {
	if h == nil {
		return
	}
	select {
	case h.asked <- err:
	default: // that is looked into already
	}
}

// start begins to look after the file.
func (h *healer) start() {
	if h == nil {
		return
	}
	h.work()
	h.looking.Go(func() {
		h.lookInto(nil)
		ticker := time.NewTicker(h.look)
		defer ticker.Stop()
		for {
			select {
			case err := <-h.asked:
				h.lookInto(err)
			case <-ticker.C:
				h.lookInto(nil)
			case <-h.ended:
				select {
				case err := <-h.asked:
					h.lookInto(err)
				default:
				}
				return
			}
		}
	})
}

// stop ends it, and what works in the background. What somebody met is looked into first.
func (h *healer) stop() {
	if h == nil {
		return
	}
	close(h.ended)
	h.looking.Wait()
	if h.s.writer == nil {
		return // it was never opened
	}
	w := <-h.s.writer
	h.cancel()
	if w.conn != nil {
		_ = h.writeSpare(context.Background(), w) // the one before is there
	}
	h.s.writer <- w
	h.workers.Wait()
}

// release closes what holds the file, after all else is closed.
func (h *healer) release() {
	if h == nil {
		return
	}
	if f := h.guard.Swap(nil); f != nil {
		f.Close() // it was only read
	}
}

// lookInto replaces the file if it is damaged, by err or by what is seen of it.
func (h *healer) lookInto(err error) {
	w := <-h.s.writer
	defer func() { h.s.writer <- w }()
	ctx := context.Background()
	if w.conn != nil {
		if err != nil && len(h.times) > 0 && time.Since(h.times[len(h.times)-1]) < healPause {
			err = h.confirm(ctx, w) // it may have been met in the file before
		}
		if err == nil {
			err = h.seen()
		}
		if err == nil {
			if time.Since(h.spared) >= time.Hour {
				if err := h.writeSpare(ctx, w); damaged(err) {
					h.suspect(err)
				}
			}
			return
		}
	}
	_ = h.now(ctx, w, err) // it has told
}

// confirmTime bounds how long others wait while a file is checked that was made a little
// before, and is small.
const confirmTime = 10 * time.Second

// confirm checks a file that was made a little before.
func (h *healer) confirm(ctx context.Context, w *writer) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	err := check1(ctx, w.conn)
	if err != nil && ctx.Err() != nil {
		return nil // whoever meets damage will say so again
	}
	return err
}

// errUnsound is what a check of a whole file found.
type errUnsound struct{ found string }

func (e errUnsound) Error() string { return e.found }

// check1 checks the whole file that q reads, up to the first thing that is wrong.
func check1(ctx context.Context, q rowQueryer) error {
	var found string
	if err := q.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		found, _, _ = strings.Cut(strings.TrimPrefix(found, "*** in database main ***\n"), "\n")
		return errUnsound{found}
	}
	return nil
}

// seen looks at the file itself, for what SQLite meets late or never: that it was replaced,
// cut short or written over.
func (h *healer) seen() error {
	f := h.guard.Load()
	if f == nil {
		return nil
	}
	ours, err := f.Stat()
	if err != nil {
		return nil
	}
	there, err := os.Stat(h.s.path)
	if err != nil || !os.SameFile(ours, there) {
		return errUnsound{"it was removed, or another was put in its place, while it was in use"}
	}
	if ours.Size() < h.size {
		return errUnsound{fmt.Sprintf("it was cut from %d to %d bytes while it was in use", h.size, ours.Size())}
	}
	h.size = ours.Size()
	header := make([]byte, len(sqliteMagic))
	if n, err := f.ReadAt(header, 0); h.size > 0 && err == nil && n == len(header) && string(header) != sqliteMagic {
		return errUnsound{"its header was written over while it was in use"}
	}
	return nil
}

// writeSpare writes the spare of w's file.
func (h *healer) writeSpare(ctx context.Context, w *writer) error {
	h.spared = time.Now()
	return writeSpare(ctx, w.conn, h.s.path+spareSuffix, h.Now())
}

// work begins what works in the background on the file as it is now: to check it if it was
// not closed properly, and to carry over to it what is to be.
func (h *healer) work() {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.workers = cancel, &sync.WaitGroup{}
	if h.unclean {
		h.workers.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			if err := check1(ctx, h.s.reader()); err != nil && ctx.Err() == nil {
				h.suspect(err)
			}
		})
	}
	h.workers.Go(func() {
		err := guardedCarry(func() error { return h.s.salvage(ctx) })
		if err != nil && ctx.Err() == nil && !damaged(err) {
			h.told(fmt.Sprintf("store %s: %v", h.s.path, err))
		}
	})
}
