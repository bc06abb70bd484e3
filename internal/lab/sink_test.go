package lab

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// gate is a writer that waits until it is opened.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(b)
}

func TestSlowWriterNeitherBlocksNorIsLostSilently(t *testing.T) {
	w := &gate{open: make(chan struct{})}
	const waiting, chunks = 10, 30
	s := newSink(w, false, waiting)
	for range chunks {
		c := append(s.chunk(), make([]Record, chunkRecords)...)
		s.take(c) // must not wait for the writer, which is stuck
	}
	dropped := s.dropped.Load()
	close(w.open)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	written := int64(bytes.Count(w.Bytes(), []byte("\n")))
	if dropped == 0 || written+dropped != chunks*chunkRecords {
		t.Errorf("%d written and %d dropped, want %d together and some dropped", written, dropped, chunks*chunkRecords)
	}
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestFailingWriterIsTold(t *testing.T) {
	s := newSink(failing{}, true, 10)
	s.take(append(s.chunk(), Record{Link: "a"}))
	if err := s.flush(); !errors.Is(err, errFull) {
		t.Errorf("flush() = %v, want %v", err, errFull)
	}
	if got := s.records(); len(got) != 1 {
		t.Errorf("%d records kept, want 1: memory does not depend on the disk", len(got))
	}
	if err := s.close(); !errors.Is(err, errFull) {
		t.Errorf("close() = %v, want %v", err, errFull)
	}
	for range 100 { // it would panic on some of them
		if err := s.flush(); !errors.Is(err, errFull) {
			t.Fatalf("flush() after close() = %v, want %v", err, errFull)
		}
	}
}

func TestFlightsComeInTheOrderOfTheirTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var heap flights
	var want []flight
	for i := range 1000 {
		f := flight{due: rng.Int64N(50), order: uint64(i)}
		want = append(want, f)
		heap.push(f)
	}
	slices.SortFunc(want, func(a, b flight) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for i := range want {
		if got := heap.pop(); got != want[i] {
			t.Fatalf("pop %d = %+v, want %+v", i, got, want[i])
		}
	}
	if len(heap) != 0 {
		t.Errorf("%d left, want none", len(heap))
	}
}
