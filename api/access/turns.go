package access

import (
	"container/list"
	"context"
	"sync"
)

// Turns let so many go on at once, and as many wait for that, first come first served. No
// key may have more than half of either, so that one who asks a lot waits for itself.
type Turns struct {
	running, waiting int // at most

	mu     sync.Mutex // guards all below
	active int
	queue  list.List // of *turn
	keys   map[string]*share
}

// share is what one key has of the whole.
type share struct{ running, waiting int }

// turn is one that waits. Its ready channel is closed when it may go on.
type turn struct {
	key   string
	ready chan struct{}
}

// NewTurns returns Turns of which running may go on at once and waiting may wait.
func NewTurns(running, waiting int) *Turns {
	return &Turns{running: running, waiting: waiting, keys: map[string]*share{}}
}

// half is the most that one key may have of n.
func half(n int) int { return (n + 1) / 2 }

// Wait waits until key may go on, and returns what is to be called when it has. It
// reports false, and waits no more, if too many wait already or ctx ends.
func (t *Turns) Wait(ctx context.Context, key string) (leave func(), ok bool) {
	t.mu.Lock()
	s := t.keys[key]
	if s == nil {
		s = &share{}
		t.keys[key] = s
	}
	if t.mayRun(s) {
		t.run(s)
		t.mu.Unlock()
		return func() { t.leave(key) }, true
	}
	if t.queue.Len() >= t.waiting || s.waiting >= half(t.waiting) {
		t.forget(key)
		t.mu.Unlock()
		return nil, false
	}
	mine := &turn{key: key, ready: make(chan struct{})}
	place := t.queue.PushBack(mine)
	s.waiting++
	t.mu.Unlock()
	select {
	case <-mine.ready:
		return func() { t.leave(key) }, true
	case <-ctx.Done():
	}
	t.mu.Lock()
	select {
	case <-mine.ready: // at the last moment
		t.mu.Unlock()
		t.leave(key)
	default:
		t.queue.Remove(place)
		s.waiting--
		t.forget(key)
		t.mu.Unlock()
	}
	return nil, false
}

func (t *Turns) mayRun(s *share) bool {
	return t.active < t.running && s.running < half(t.running)
}

func (t *Turns) run(s *share) { t.active++; s.running++ }

// leave ends a turn of key, and lets the first go on that may.
func (t *Turns) leave(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active--
	t.keys[key].running--
	t.forget(key)
	for place := t.queue.Front(); place != nil; {
		next := place.Next()
		waiting := place.Value.(*turn)
		if s := t.keys[waiting.key]; t.mayRun(s) {
			t.queue.Remove(place)
			s.waiting--
			t.run(s)
			close(waiting.ready)
		}
		place = next
	}
}

// forget drops what is kept of a key that has nothing.
func (t *Turns) forget(key string) {
	if s := t.keys[key]; s.running+s.waiting == 0 {
		delete(t.keys, key)
	}
}
