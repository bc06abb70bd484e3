package lab

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// chunkRecords is how many records go from an engine to the sink at once.
	chunkRecords = 512

	// chunksWaiting bounds what waits for the sink: about a million records, 40 s of
	// a link at full rate. An engine that finds it full drops records and counts them.
	chunksWaiting = 2048

	// chunksFree is how many chunks are kept for reuse.
	chunksFree = 64
)

// sink is the truth log: it takes chunks of records from the engines and writes them,
// and keeps them if asked, on a goroutine of its own.
type sink struct {
	chunks  chan sinkItem
	free    chan []Record
	dropped atomic.Int64
	done    chan struct{}

	out  *bufio.Writer // nil if not written
	line []byte

	ending sync.RWMutex // guards closed, and keeps close from running during flush
	closed bool

	mu   sync.Mutex // guards err and kept
	err  error
	keep bool
	kept []Record
}

// sinkItem is a chunk, or a request to tell when all before it is done.
type sinkItem struct {
	records []Record
	flushed chan<- struct{}
}

// newSink starts a sink before which at most so many chunks wait. It returns nil, the sink that wants nothing, if records are
// neither to be written nor kept.
func newSink(w io.Writer, keep bool, waiting int) *sink {
	if w == nil && !keep {
		return nil
	}
	s := &sink{chunks: make(chan sinkItem, waiting), free: make(chan []Record, chunksFree), done: make(chan struct{}), keep: keep}
	if w != nil {
		s.out = bufio.NewWriterSize(w, 1<<16)
	}
	go s.run()
	return s
}

// chunk returns an empty chunk.
func (s *sink) chunk() []Record {
	select {
	case c := <-s.free:
		return c[:0]
	default:
		return make([]Record, 0, chunkRecords)
	}
}

// take hands a chunk over. It never waits.
func (s *sink) take(records []Record) {
	select {
	case s.chunks <- sinkItem{records: records}:
	default:
		s.dropped.Add(int64(len(records)))
	}
}

// flush waits until everything handed over before is written.
func (s *sink) flush() error {
	s.ending.RLock()
	if !s.closed {
		flushed := make(chan struct{})
		s.chunks <- sinkItem{flushed: flushed}
		<-flushed
	}
	s.ending.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close writes what is left. No one may call take any more.
func (s *sink) close() error {
	s.ending.Lock()
	s.closed = true
	close(s.chunks)
	s.ending.Unlock()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sink) records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kept)
}

func (s *sink) run() {
	defer close(s.done)
	for item := range s.chunks {
		s.write(item.records)
		if item.records != nil {
			select {
			case s.free <- item.records:
			default:
			}
		}
		if item.flushed != nil {
			s.flushOut()
			close(item.flushed)
		}
	}
	s.flushOut()
}

func (s *sink) write(records []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep {
		s.kept = append(s.kept, records...)
	}
	if s.out == nil || s.err != nil {
		return
	}
	for i := range records {
		s.line = records[i].appendJSON(s.line[:0])
		if _, err := s.out.Write(s.line); err != nil {
			s.err = fmt.Errorf("lab: truth log: %w", err)
			return
		}
	}
}

func (s *sink) flushOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil || s.err != nil {
		return
	}
	if err := s.out.Flush(); err != nil {
		s.err = fmt.Errorf("lab: truth log: %w", err)
	}
}
