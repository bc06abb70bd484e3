package influx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"perigee"
)

// Orbits tells the orbit of a link, "" if it is not known.
type Orbits func(site string, link perigee.LinkID) perigee.Orbit

// WriteLineProtocol writes one line for each sample, of measurement rtt, as Write sends
// it, but without an instance. The orbit is left out if orbits is nil. The same samples
// are always the same lines, so importing them twice is harmless.
//
// It returns the first error of samples or of w, after what came before it.
func WriteLineProtocol(w io.Writer, samples iter.Seq2[perigee.Sample, error], orbits Orbits) error {
	return writeLines(w, samples, orbits, func(s *perigee.Sample) (perigee.Stream, perigee.Entry) {
		return s.Stream, perigee.Entry{Kind: perigee.EntryWindow, Sample: s}
	})
}

// WriteThroughputLines writes one line for each transfer, of measurement throughput, as
// WriteLineProtocol does for samples.
func WriteThroughputLines(w io.Writer, throughputs iter.Seq2[perigee.Throughput, error], orbits Orbits) error {
	return writeLines(w, throughputs, orbits, func(t *perigee.Throughput) (perigee.Stream, perigee.Entry) {
		return t.Stream, perigee.Entry{Kind: perigee.EntryThroughput, Throughput: t}
	})
}

// WriteEventLines writes one line for each event, of measurement event, likewise.
func WriteEventLines(w io.Writer, events []perigee.Event) error {
	return writeLines(w, func(yield func(perigee.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}, nil, func(e *perigee.Event) (perigee.Stream, perigee.Entry) {
		return perigee.Stream{}, perigee.Entry{Kind: perigee.EntryEvent, Event: e}
	})
}

// writeLines writes one line for each result, of which entry tells what it is.
func writeLines[T any](w io.Writer, results iter.Seq2[T, error], orbits Orbits, entry func(*T) (perigee.Stream, perigee.Entry)) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for one, err := range results {
		if err == nil {
			stream, e := entry(&one)
			if orbits != nil {
				e.Orbit = orbits(stream.Site, stream.Link)
			}
			if line, err = appendEntry(line[:0], e, ""); err == nil {
				_, err = out.Write(line)
			}
			err = exported(err)
		}
		if err != nil {
			return errors.Join(err, exported(out.Flush()))
		}
	}
	return exported(out.Flush())
}

func exported(err error) error {
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}
