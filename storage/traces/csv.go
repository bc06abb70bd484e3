package traces

import (
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"

	"perigee"
)

// The columns before the numbers of a sample, and after.
var (
	sampleHead = []string{"start", "start_unix_seconds", "site", "link", "target", "method", "family", "load"}
	sampleTail = []string{"interface_index", "interface", "local", "remote", "cause", "sketch", "state"}
)

// SampleColumns returns the header of CSV.
func SampleColumns() []string {
	columns := append([]string{}, sampleHead...)
	for _, n := range appendNumbers(nil, &perigee.Sample{}) {
		columns = append(columns, n.name)
	}
	return slices.Concat(columns, sampleTail, makerColumns)
}

// SingletonColumns returns the header of SingletonsCSV.
func SingletonColumns() []string {
	return []string{"time", "time_unix_seconds", "site", "link", "target", "method", "family", "load",
		"seq", "outcome", "rtt_seconds", "loss_timeout_seconds", "reordered", "duplicates", "cause", makerColumns[0], makerColumns[1], makerColumns[2]}
}

// CSV writes a header and one row for each sample (RFC 4180, lines ending in LF).
// It returns the first error of samples or of w.
func (x Writer) CSV(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	var numbers []number
	return writeCSV(w, SampleColumns(), samples, func(out *csv.Writer, row []string, s *perigee.Sample) error {
		row = append(row, text(appendTime(nil, s.Start)), text(appendUnix(nil, s.Start)))
		row = appendStream(row, s.Stream)
		numbers = appendNumbers(numbers[:0], s)
		for _, n := range numbers {
			row = append(row, n.cell())
		}
		sketch, state := encoded(s)
		row = append(row, strconv.Itoa(s.Proof.InterfaceIndex), s.Proof.InterfaceName, address(s.Proof.Local), address(s.Proof.Remote), s.Cause, sketch, state)
		return out.Write(x.appendMaker(row, s.Stream, s.Start))
	})
}

// SingletonsCSV writes a header and one row for each singleton of each sample. It
// returns the first error of samples or of w.
func (x Writer) SingletonsCSV(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	return writeCSV(w, SingletonColumns(), samples, func(out *csv.Writer, row []string, s *perigee.Sample) error {
		version, configuration, source := x.of(s.Stream, s.Start)
		for _, one := range s.Singletons {
			at := s.Start.Add(one.At)
			row = append(row[:0], text(appendTime(nil, at)), text(appendUnix(nil, at)))
			row = appendStream(row, s.Stream)
			rtt := ""
			if answered(one.Outcome) {
				rtt = text(appendFloat(nil, one.RTT.Seconds()))
			}
			row = append(row, strconv.FormatUint(uint64(one.Seq), 10), one.Outcome.String(), rtt, text(appendFloat(nil, s.LossTimeout.Seconds())),
				strconv.FormatBool(one.Reordered), strconv.Itoa(one.Duplicates), one.Cause, version, configuration, source)
			if err := out.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeCSV writes the header and calls write for each result, with an empty row to
// build on.
func writeCSV[T any](w io.Writer, header []string, results iter.Seq2[T, error], write func(*csv.Writer, []string, *T) error) error {
	buffer := buffered(w)
	out := csv.NewWriter(buffer)
	if err := out.Write(header); err != nil {
		return written(err)
	}
	row := make([]string, 0, len(header))
	return stream(results, func(one *T) error {
		return write(out, row, one)
	}, func() error {
		out.Flush()
		return errors.Join(out.Error(), buffer.Flush())
	})
}

// cell returns n as it stands in CSV.
func (n number) cell() string {
	switch {
	case !n.defined:
		return ""
	case n.integer:
		return strconv.FormatInt(n.i, 10)
	default:
		return text(appendFloat(nil, n.f))
	}
}

func appendStream(row []string, s perigee.Stream) []string {
	return append(row, s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load))
}

// answered reports whether a singleton with outcome o has an RTT.
func answered(o perigee.Outcome) bool { return o == perigee.Received || o == perigee.Late }

// address returns a as text, empty if it is not valid.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func text(b []byte) string { return string(b) }
