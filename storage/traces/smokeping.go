package traces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// smokepingReader reads rows of time, loss, median, ping1, ping2 …, in seconds, as
// SmokePing keeps them: the pings of a round are sorted, those that were lost are NaN or
// empty. In which order they were sent is not known, so they form no pairs and, unless
// all of a round were lost, no runs.
type smokepingReader struct {
	c     *collector
	table tableReader
	pings []int // columns
	pace
}

func readSmokeping(r io.Reader, c *collector) error {
	s := &smokepingReader{c: c}
	return readLines(r, c, s.line)
}

func (s *smokepingReader) line(_ int64, line []byte) error {
	if s.table.columns == nil {
		return s.header(line)
	}
	if err := s.table.row(line); err != nil {
		return err
	}
	at, err := parseInstant(s.table.cell("time"))
	if err == nil {
		err = s.c.plausible(at)
	}
	if err != nil {
		return err
	}
	rtts, lost, err := s.round()
	if err != nil {
		return err
	}
	if len(rtts) == 0 {
		if loss, defined, err := number64(s.table.cell("loss")); err != nil || !defined || loss == 0 {
			return errNothing // nothing was measured
		}
	}
	if s.w == nil {
		a, err := s.c.stream("", perigee.MethodICMP, perigee.IPv4)
		if err != nil {
			return err
		}
		s.w = a.bypass(time.Second)
	}
	if _, err := s.follow(at, "row"); err != nil {
		return err
	}
	s.add(at, rtts, lost)
	return nil
}

func (s *smokepingReader) header(line []byte) error {
	if err := s.table.header(line, "time", "loss", "median"); err != nil {
		return err
	}
	for i, name := range bytes.Split(line, []byte(",")) {
		if strings.HasPrefix(strings.ToLower(string(unquoted(name))), "ping") {
			s.pings = append(s.pings, i)
		}
	}
	if len(s.pings) == 0 {
		s.table.columns = nil
		return errors.New("the header has no columns ping1, ping2 …; the single pings are needed")
	}
	return errNothing
}

// round reads the pings of a row: the round-trip times of those that were answered, and
// how many were not.
func (s *smokepingReader) round() (rtts []time.Duration, lost int, err error) {
	for _, i := range s.pings {
		seconds, defined, err := number64(s.table.cells[i])
		switch {
		case err != nil || seconds < 0 || seconds > 3600:
			return nil, 0, fmt.Errorf("%q is no round-trip time in seconds", clipped(s.table.cells[i]))
		case defined:
			rtts = append(rtts, time.Duration(math.Round(seconds*1e9)))
		default:
			lost++
		}
	}
	return rtts, lost, nil
}

// number64 reads a number that may be undefined: empty or NaN.
func number64(cell []byte) (v float64, defined bool, err error) {
	if len(cell) == 0 || bytes.EqualFold(cell, []byte("nan")) || bytes.EqualFold(cell, []byte("-nan")) || bytes.EqualFold(cell, []byte("u")) {
		return 0, false, nil
	}
	if len(cell) > 40 {
		return 0, false, strconv.ErrSyntax
	}
	v, err = strconv.ParseFloat(string(cell), 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = strconv.ErrRange
	}
	return v, err == nil, err
}

// add takes a round that began at the given time, its pings an interval apart, but all
// before the next round.
func (s *smokepingReader) add(at int64, rtts []time.Duration, lost int) {
	n := int64(len(rtts) + lost)
	spacing := int64(s.w.interval)
	if s.every > 0 {
		spacing = min(spacing, s.every/n)
	}
	apart := len(rtts) > 0
	for i := range n {
		one := perigee.Singleton{Outcome: perigee.Lost}
		if i < int64(len(rtts)) {
			one.Outcome, one.RTT = s.c.judged(rtts[i])
		}
		s.w.add(max(at+i*spacing, s.w.last), one, apart)
	}
}

// judged returns the outcome of a probe that was answered.
func (c *collector) judged(rtt time.Duration) (perigee.Outcome, time.Duration) {
	switch {
	case rtt <= c.options.LossTimeout:
		return perigee.Received, rtt
	case rtt <= perigee.LateHorizon(c.options.LossTimeout):
		return perigee.Late, rtt
	}
	return perigee.Lost, 0
}
