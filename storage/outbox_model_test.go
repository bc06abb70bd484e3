package storage_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/storage"
)

// key names an entry.
type key struct {
	kind perigee.EntryKind
	id   int64
}

func keyOf(e perigee.Entry) key { return key{e.Kind, e.ID} }

// modelBacklog is a model of a store with pending entries: what it holds is a list in the
// order of storing and what became of each.
type modelBacklog struct {
	mu     sync.Mutex
	all    []perigee.Entry
	gone   map[key]bool
	first  int // all before it are gone
	dead   map[key]string
	states []perigee.LinkState
	fail   func(method string) error // of the call; nil: none
}

func newBacklog() *modelBacklog {
	return &modelBacklog{gone: map[key]bool{}, dead: map[key]string{}}
}

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// event returns an entry that carries an event, a small result.
func event(id int64) perigee.Entry {
	return perigee.Entry{ID: id, Kind: perigee.EntryEvent, Event: &perigee.Event{Site: "home", Time: epoch.Add(time.Duration(id) * time.Second), Kind: perigee.EventRebound}}
}

// window returns an entry that carries a sample.
func window(id int64) perigee.Entry {
	return perigee.Entry{ID: id, Kind: perigee.EntryWindow, Sample: &perigee.Sample{Stream: perigee.Stream{Site: "home", Link: "geo"}, Start: epoch.Add(time.Duration(id) * time.Second)}}
}

// hour returns an entry that carries the sample of an hour.
func hour(id int64) perigee.Entry {
	e := window(id)
	e.Kind = perigee.EntryHour
	return e
}

// store appends n entries made by make, with the next numbers, and returns the last.
func (b *modelBacklog) store(n int, make func(int64) perigee.Entry) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		b.all = append(b.all, make(int64(len(b.all)+1)))
	}
	return int64(len(b.all))
}

func (b *modelBacklog) failing(method string) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(method)
}

func (b *modelBacklog) Pending(context.Context) (int64, time.Time, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var oldest time.Time
	for _, e := range b.all[b.first:] {
		if !b.gone[keyOf(e)] {
			oldest = e.Time() // entries of the model are stored in order of time
			break
		}
	}
	return int64(len(b.all) - len(b.gone)), oldest, int64(len(b.dead)), b.failing("Pending")
}

func (b *modelBacklog) Oldest(_ context.Context, n int) ([]perigee.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.first < len(b.all) && b.gone[keyOf(b.all[b.first])] {
		b.first++
	}
	var entries []perigee.Entry
	for i := b.first; i < len(b.all) && len(entries) < n; i++ {
		if !b.gone[keyOf(b.all[i])] {
			entries = append(entries, b.all[i])
		}
	}
	return entries, b.failing("Oldest")
}

func (b *modelBacklog) Newest(_ context.Context, n int) ([]perigee.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var entries []perigee.Entry
	for i := len(b.all) - 1; i >= b.first && len(entries) < n; i-- {
		if !b.gone[keyOf(b.all[i])] && b.all[i].Kind != perigee.EntryHour {
			entries = append(entries, b.all[i])
		}
	}
	return entries, b.failing("Newest")
}

func (b *modelBacklog) Forwarded(_ context.Context, entries []perigee.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.failing("Forwarded"); err != nil {
		return err
	}
	for _, e := range entries {
		b.gone[keyOf(e)] = true
	}
	return nil
}

func (b *modelBacklog) SetAside(_ context.Context, e perigee.Entry, reason string, _ time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.failing("SetAside"); err != nil {
		return err
	}
	b.gone[keyOf(e)] = true
	b.dead[keyOf(e)] = reason
	return nil
}

func (b *modelBacklog) LinkStates(context.Context, time.Time) ([]perigee.LinkState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]perigee.LinkState(nil), b.states...), b.failing("LinkStates")
}

// pending returns how many entries wait.
func (b *modelBacklog) pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all) - len(b.gone)
}

// modelSink is a model of a database: a set of entries.
type modelSink struct {
	mu     sync.Mutex
	has    map[key]int // how often each was written
	states []perigee.LinkState
	writes []written

	// answer decides what becomes of a write; nil takes all. It is called without mu.
	answer func(ctx context.Context, entries []perigee.Entry) answer
}

// written is one write that was tried.
type written struct {
	at      time.Time
	entries []perigee.Entry
	err     error
}

// answer is what a sink does with a write.
type answer struct {
	err   error // what the outbox sees
	takes bool  // all entries, whatever it sees

	// but are the entries that it never takes; nil: none
	but func(perigee.Entry) bool
}

func newSink(decide func(ctx context.Context, entries []perigee.Entry) answer) *modelSink {
	return &modelSink{has: map[key]int{}, answer: decide}
}

func (s *modelSink) Write(ctx context.Context, entries []perigee.Entry) error {
	at, a := time.Now(), answer{takes: true}
	if s.answer != nil {
		a = s.answer(ctx, entries)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, written{at, append([]perigee.Entry(nil), entries...), a.err})
	for _, e := range entries {
		switch {
		case !a.takes || a.but != nil && a.but(e):
		case e.Kind == perigee.EntryLink:
			s.states = append(s.states, *e.Link)
		default:
			s.has[keyOf(e)]++
		}
	}
	return a.err
}

// log returns the writes so far.
func (s *modelSink) log() []written {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]written(nil), s.writes...)
}

// count returns how many different entries the sink has.
func (s *modelSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.has)
}

// refuse returns the answer of a sink that takes nothing.
func refuse(reason perigee.RefusalReason, message string) answer {
	return answer{err: &perigee.Refusal{Reason: reason, Message: message}}
}

// poisoned returns a sink that refuses writes with any entry that is bad.
func poisoned(bad func(perigee.Entry) bool) func(context.Context, []perigee.Entry) answer {
	return func(_ context.Context, entries []perigee.Entry) answer {
		for _, e := range entries {
			if bad(e) {
				return refuse(perigee.RefusedContent, "field type conflict")
			}
		}
		return answer{takes: true}
	}
}

// running is an outbox under test.
type running struct {
	*storage.Outbox
	backlog *modelBacklog
	sink    *modelSink
	log     *bytes.Buffer // read it only when the outbox rests
	end     func()        // ends Run and waits for it
}

// run starts an outbox in a bubble.
func run(t *testing.T, b *modelBacklog, s *modelSink, change ...func(*storage.OutboxOptions)) running {
	t.Helper()
	log := &bytes.Buffer{}
	options := storage.OutboxOptions{
		Backlog: b, Sink: s, Rand: rand.New(rand.NewPCG(1, 2)),
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, c := range change {
		c(&options)
	}
	o := storage.NewOutbox(options)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	return running{o, b, s, log, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})}
}

// warnings counts the lines of the log that tell of a problem that keeps results here.
func (r running) warnings() int { return strings.Count(r.log.String(), "cannot be forwarded") }

// inBubble runs test in a synctest bubble, in which time is simulated and goroutines that
// are left over fail the test.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

var errDisk = errors.New("disk full")
