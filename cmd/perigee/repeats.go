package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	// repeatWindow is how long a line that was written is not written again.
	repeatWindow = time.Minute

	// repeatLines is how many different lines are written in that time.
	repeatLines = 200

	// repeatBytes is how much of one line is written.
	repeatBytes = 4096
)

// repeats writes lines to another writer, a bounded number a minute whatever happens: what
// was written in the last minute is counted instead, and told at its end; so is what is too
// much. Nothing that is new is held back for longer than it takes to write it.
//
// It is safe for concurrent use; each call of Write should end with the end of a line.
type repeats struct {
	out io.Writer

	mu    sync.Mutex // guards what follows
	seen  map[string]int
	first map[string]string // the line as it was written, of those in seen
	extra int               // lines that were too much
	timer *time.Timer       // runs while seen is not empty
}

func newRepeats(out io.Writer) *repeats {
	return &repeats{out: out, seen: map[string]int{}, first: map[string]string{}}
}

// stamped is what differs between two lines that say the same: when they were written.
var stamped = regexp.MustCompile(`^time=\S+ `)

// Write implements io.Writer.
func (r *repeats) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var through []byte
	for line := range bytes.Lines(p) {
		if len(line) > repeatBytes {
			line = append(bytes.ToValidUTF8(line[:repeatBytes:repeatBytes], nil), " ...\n"...)
		}
		key := string(stamped.ReplaceAll(line, nil))
		if n, ok := r.seen[key]; ok && len(bytes.TrimSpace(line)) > 0 {
			r.seen[key] = n + 1
			continue
		}
		if len(r.seen) >= repeatLines {
			r.extra++
			continue
		}
		r.seen[key], r.first[key] = 0, string(line)
		through = append(through, line...)
		if r.timer == nil {
			r.timer = time.AfterFunc(repeatWindow, r.flush)
		}
	}
	if len(through) == 0 {
		return len(p), nil
	}
	_, err := r.out.Write(through)
	return len(p), err
}

// Close tells what was counted.
func (r *repeats) Close() { r.flush() }

// flush tells what was counted and begins anew.
func (r *repeats) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(r.seen)) {
		if n := r.seen[key]; n > 0 {
			fmt.Fprintf(&b, "perigee: %s more in a minute: %s", times(n), r.first[key])
		}
	}
	if r.extra > 0 {
		fmt.Fprintf(&b, "perigee: %d more lines in a minute were left out\n", r.extra)
	}
	clear(r.seen)
	clear(r.first)
	r.extra = 0
	_, _ = r.out.Write(b.Bytes()) // a log that cannot be written has nobody to be told to
}
