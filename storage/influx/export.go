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
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for s, err := range samples {
		if err == nil {
			entry := perigee.Entry{Kind: perigee.EntryWindow, Sample: &s}
			if orbits != nil {
				entry.Orbit = orbits(s.Stream.Site, s.Stream.Link)
			}
			if line, err = appendEntry(line[:0], entry, ""); err == nil {
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
