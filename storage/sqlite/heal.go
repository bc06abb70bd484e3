package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Healing has a Store go on when its file turns out to be damaged: the file is set aside,
// whole, a new one takes its place, and what can be read is carried over to it: at once who
// the store is, what was moved over links and what waits to be forwarded, the rest in the
// background. An event store_damaged says what was found and where it lies.
//
// The same Store goes on, so that nobody who holds it has to know. Reads that are under way
// meanwhile fail with CodeUnavailable.
type Healing struct {
	Site string           // of the event
	Now  func() time.Time // of the event and of the name that the file is set aside under

	// Told is told what is on record too, in words. It must not call the Store.
	Told func(text string)
}

// look is how often a file in use is looked at: whether it is still there, as long as it
// was, and begins as it should. Tests look more often.
var look = 10 * time.Second

const (
	// checkTime bounds the check of a whole file after a crash.
	checkTime = time.Hour

	// Files may be set aside healAtOnce times one after another, then once in healPause:
	// where memory or disk fail all the time, nothing is gained by more.
	healAtOnce = 4
	healPause  = 10 * time.Minute
)

// errTooOften is why a damaged file is not set aside yet.
var errTooOften = fmt.Errorf("it was damaged %d times within %s, so memory or disk are to be doubted; it is tried again then", healAtOnce, healPause)

// A healer heals one Store. Its methods may be called on nil, which heals nothing.
type healer struct {
	Healing
	s    *Store
	look time.Duration

	failed atomic.Pointer[error] // why the file could not be replaced when it had to be; nil if it could
	times  []time.Time           // of the last healings, by the process's clock; the writer's owner has it
	number atomic.Int64

	asked   chan error // damage that somebody has met
	ended   chan struct{}
	looking sync.WaitGroup // for asked, and at the file

	// What works in the background on the file as it is now. The writer's owner has it.
	cancel  context.CancelFunc
	workers *sync.WaitGroup

	unclean bool
	spared  time.Time // when the spare was written last, by the process's clock

	// guard is the file, held open: whether it is what lies at the path can be told by it.
	// Closing it would give up SQLite's locks on the file, so it is closed after those.
	guard atomic.Pointer[os.File]
	size  int64
}

func newHealer(s *Store, h Healing) *healer {
	return &healer{Healing: h, s: s, look: look, asked: make(chan error, 1), ended: make(chan struct{}), cancel: func() {}, workers: &sync.WaitGroup{}}
}

// open opens the store, whatever state its file is in.
func (h *healer) open(ctx context.Context) (*writer, error) {
	path := h.s.path
	if a, interrupted, err := readNote(path); err != nil {
		return nil, err
	} else if interrupted {
		if err := h.replace(ctx, a); err != nil {
			return nil, err
		}
	}
	j, err := inspect(path)
	if err != nil {
		return nil, err
	}
	said := ""
	switch {
	case j.file != "":
		err = h.setAside(ctx, j.file)
	case j.log.lost != "" || j.log.stale:
		said, err = h.setLogAside(ctx, j.log)
	}
	if err != nil {
		return nil, err
	}
	h.unclean = j.unclean
	w, err := h.s.openFile(ctx)
	if err == nil {
		if err = sameLayout(ctx, w.conn); err != nil {
			err = errors.Join(err, h.closeAll(ctx, w))
		}
	}
	if damaged(err) {
		if err = h.setAside(ctx, inWords(err)); err == nil {
			w, err = h.s.openFile(ctx)
		}
	}
	if err != nil {
		return nil, fail(path, "open", err)
	}
	if said != "" {
		if err := w.attempt(ctx, func(ctx context.Context, w *writer) error { return w.event(ctx, h.Site, h.Now(), said) }); err != nil {
			return nil, errors.Join(fail(path, "record what was lost", err), w.close())
		}
		h.told(said)
	}
	h.opened()
	return w, nil
}

// opened notes which file is open now.
func (h *healer) opened() {
	h.failed.Store(nil)
	f, err := os.Open(h.s.path)
	if err != nil {
		return // it is not looked at, then
	}
	h.guard.Store(f)
	h.size = 0
}

// setLogAside sets aside a log that lacks what was acknowledged: as a copy where the file
// needs what is left of it, else as it is. It returns what there is to say.
func (h *healer) setLogAside(ctx context.Context, log walScan) (string, error) {
	path := h.s.path
	a, err := newSetAside(path, log.lost, h.Now())
	if err != nil {
		return "", fail(path, "set the log aside", err)
	}
	lost := log.lost
	if lost == "" {
		lost = "its log is older than the file"
	}
	if log.stale { // the file has more than what is left of the log
		a.files = []string{"-wal", "-shm"}
		err = a.rename(path)
	} else {
		var b []byte
		if b, err = os.ReadFile(path + "-wal"); err == nil {
			err = writeWhole(a.name+"-wal", b)
		}
	}
	removed, pruned := prune(path)
	if err = errors.Join(err, pruned); err != nil {
		return "", openFailed(path, err)
	}
	return fmt.Sprintf("%s: what was stored last, after the results that are here, is lost; the log was set aside as %s-wal%s", lost, filepath.Base(a.name), removedText(removed)), nil
}

// inWords says what SQLite found.
func inWords(err error) string { return strings.TrimPrefix(err.Error(), "sqlite: ") }

// setAside sets the file aside, which is not open, and puts a new one in its place.
func (h *healer) setAside(ctx context.Context, found string) error {
	a, err := newSetAside(h.s.path, found, h.Now())
	if err == nil {
		err = a.writeNote(h.s.path)
	}
	if err != nil {
		return openFailed(h.s.path, err)
	}
	atStep("noted")
	return h.replace(ctx, a)
}

// replace does what a note says, as far as it was not done.
func (h *healer) replace(ctx context.Context, a setAside) error {
	path := h.s.path
	if err := a.rename(path); err != nil {
		return openFailed(path, err)
	}
	if !exists(path) {
		said, err := h.build(ctx, a)
		if err != nil {
			return err
		}
		atStep("built")
		if err := errors.Join(os.Rename(path+newSuffix, path), syncDir(filepath.Dir(path))); err != nil {
			return openFailed(path, err)
		}
		h.told(said)
	}
	atStep("placed")
	if err := os.Remove(path + noteSuffix); err != nil {
		return openFailed(path, err)
	}
	h.number.Add(1)
	if removed, err := prune(path); err == nil && len(removed) > 0 {
		h.told(strings.TrimPrefix(removedText(removed), "; "))
	}
	return nil
}

func removedText(removed []string) string {
	if len(removed) == 0 {
		return ""
	}
	for i := range removed {
		removed[i] = filepath.Base(removed[i])
	}
	return "; removed to keep room: " + strings.Join(removed, ", ")
}

// build makes a new store beside the path, with what must be there before it is used. It
// returns what is on record of that.
func (h *healer) build(ctx context.Context, a setAside) (said string, err error) {
	path := h.s.path + newSuffix
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(path + suffix) // of an attempt that was killed
	}
	if err := create(path); err != nil {
		return "", openFailed(h.s.path, err)
	}
	w, err := openWriter(ctx, path, h.s.options.busy(), &atomic.Bool{})
	if err != nil {
		return "", err
	}
	err = w.attempt(ctx, func(ctx context.Context, w *writer) error {
		said = h.carryEssentials(ctx, w, a)
		return w.event(ctx, h.Site, h.Now(), said)
	})
	if err = errors.Join(err, w.close()); err != nil {
		return "", fail(h.s.path, "make a new store", err)
	}
	return said, nil
}

// carryEssentials carries over what can be read of what is needed at once, and returns what
// there is to say. Nothing that it meets keeps the new store from being made.
func (h *healer) carryEssentials(ctx context.Context, w *writer, a setAside) (said string) {
	name := filepath.Base(a.name)
	said = fmt.Sprintf("the store's file is damaged: %s; it was set aside as %s", a.found, name)
	if !exists(a.name) {
		return said
	}
	_, err := w.exec(ctx, "SAVEPOINT carry")
	if err != nil {
		return said
	}
	err = guardedCarry(func() error {
		c, err := newCarrier(a.name)
		if err != nil {
			return err
		}
		defer c.image.Close()
		if err := c.essentials(ctx, w); err != nil {
			return err
		}
		job := salvageJob{name: name, cut: floor(max(c.last, hour), hour) - hour}
		if len(c.roots) == 0 {
			said += "; nothing of it can be read"
			return nil
		}
		said += fmt.Sprintf(", and what can be read of it is carried over: %d events, %d outages and what was moved over links at once, results in the background", c.counts["events"], c.counts["outages"])
		return job.save(ctx, w)
	})
	if err != nil {
		said += "; nothing of it could be carried over: " + err.Error()
		_, _ = w.exec(ctx, "ROLLBACK TO carry")
	}
	_, _ = w.exec(ctx, "RELEASE carry")
	w.forget()
	return said
}

// guardedCarry runs f on bytes that may be anything.
func guardedCarry(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	return f()
}

// told passes on what there is to say.
func (h *healer) told(text string) {
	if h.Told != nil && text != "" {
		h.Told(text)
	}
}

// wanted reports whether the file of w is to be replaced because of err.
func (h *healer) wanted(w *writer, err error) bool {
	return h != nil && (damaged(err) || w.conn == nil)
}

// now replaces the file of w, which its caller owns, because of err, or goes on with that
// where there is none. w is of the new file then.
func (h *healer) now(ctx context.Context, w *writer, err error) error {
	if damaged(err) && h.tooOften() {
		return h.failure(errTooOften)
	}
	if w.conn != nil {
		if failed := h.closeAll(ctx, w); failed != nil {
			h.told(failed.Error()) // it is set aside all the same
		}
	}
	a, interrupted, failed := readNote(h.s.path)
	switch {
	case failed != nil:
		return h.failure(failed)
	case interrupted:
		err = h.replace(ctx, a)
	case damaged(err):
		err = h.setAside(ctx, inWords(err))
	default:
		err = nil
	}
	if err == nil {
		err = h.reopen(ctx, w)
	}
	if damaged(err) { // the new one, already
		return h.now(ctx, w, err)
	}
	return h.failure(err)
}

// failure notes why the file could not be replaced, and tells of it once.
func (h *healer) failure(err error) error {
	if err == nil {
		return nil
	}
	if was := h.failed.Swap(&err); was == nil || (*was).Error() != err.Error() {
		h.told(fmt.Sprintf("store %s: %v", h.s.path, err))
	}
	return err
}

// Unhealed returns why a damaged file could not be set aside or replaced when that was last
// tried; nil if the file is not known to be damaged.
func (s *Store) Unhealed() error {
	if s.heal == nil {
		return nil
	}
	if err := s.heal.failed.Load(); err != nil {
		return fail(s.path, "damaged", *err)
	}
	return nil
}

// tooOften notes that the file is replaced now, and reports whether that is too often.
func (h *healer) tooOften() bool {
	now := time.Now()
	if len(h.times) >= healAtOnce {
		if now.Sub(h.times[len(h.times)-healAtOnce]) < healPause {
			return true
		}
		h.times = h.times[1:]
	}
	h.times = append(h.times, now)
	return false
}

// closeAll closes the file. A connection that only reads is closed last: the last that
// writes would copy the log, of which nobody knows whether it is whole, into the file.
func (h *healer) closeAll(ctx context.Context, w *writer) error {
	h.cancel()
	h.workers.Wait()
	reads := h.s.reader()
	last, err := reads.Conn(ctx)
	if err == nil {
		var n int
		_ = last.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
	}
	err = w.close()
	if last != nil {
		err = errors.Join(err, last.Close())
	}
	err = errors.Join(err, reads.Close())
	h.release()
	return err
}

// reopen opens the file that took the place of another for w.
func (h *healer) reopen(ctx context.Context, w *writer) error {
	fresh, err := h.s.openFile(ctx)
	if err != nil {
		return err
	}
	run, begun := w.run, w.begun
	*w = *fresh
	w.run, w.begun = run, begun
	if run > 0 { // the life that goes on
		if err := w.attempt(ctx, func(ctx context.Context, w *writer) error {
			_, err := w.exec(ctx, "INSERT INTO runs (id, started_ns) VALUES (?, ?) ON CONFLICT DO NOTHING", run, begun)
			return err
		}); err != nil {
			return errors.Join(err, w.close())
		}
	}
	h.unclean = false
	h.opened()
	h.work()
	return nil
}
