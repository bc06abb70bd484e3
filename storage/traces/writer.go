package traces

import (
	"io"
	"iter"
	"time"

	"perigee"
)

// A Writer writes exports whose rows tell what made each result. The zero value knows
// nothing of that.
type Writer struct {
	Made []perigee.Provenance // of all that is written
}

// makerColumns are the last columns of every row of CSV, and the last members of JSON
// lines.
var makerColumns = []string{"version", "configuration_hash", "source"}

// makerJSON are the members; null is not known.
type makerJSON struct {
	Version           *string `json:"version"`
	ConfigurationHash *string `json:"configuration_hash"`
	Source            *string `json:"source"`
}

// of returns the cells of a result of s that began at t, empty if not known.
func (x Writer) of(s perigee.Stream, t time.Time) (version, configuration, source string) {
	p, _ := perigee.MadeBy(x.Made, s.Site, s.Link, t)
	return p.Maker.Version, p.Maker.Configuration, p.Source
}

func (x Writer) appendMaker(row []string, s perigee.Stream, t time.Time) []string {
	version, configuration, source := x.of(s, t)
	return append(row, version, configuration, source)
}

func (x Writer) maker(s perigee.Stream, t time.Time) makerJSON {
	version, configuration, source := x.of(s, t)
	return makerJSON{defined(version, version != ""), defined(configuration, configuration != ""), defined(source, source != "")}
}

// WriteCSV is CSV of results of which nothing more is known.
func WriteCSV(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	return Writer{}.CSV(w, samples)
}

// WriteSingletonsCSV is SingletonsCSV likewise.
func WriteSingletonsCSV(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	return Writer{}.SingletonsCSV(w, samples)
}

// WriteThroughputsCSV is ThroughputsCSV likewise.
func WriteThroughputsCSV(w io.Writer, throughputs iter.Seq2[perigee.Throughput, error]) error {
	return Writer{}.ThroughputsCSV(w, throughputs)
}

// WriteJSONL is JSONL likewise.
func WriteJSONL(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	return Writer{}.JSONL(w, samples)
}

// WriteSingletonsJSONL is SingletonsJSONL likewise.
func WriteSingletonsJSONL(w io.Writer, samples iter.Seq2[perigee.Sample, error]) error {
	return Writer{}.SingletonsJSONL(w, samples)
}

// WriteThroughputsJSONL is ThroughputsJSONL likewise.
func WriteThroughputsJSONL(w io.Writer, throughputs iter.Seq2[perigee.Throughput, error]) error {
	return Writer{}.ThroughputsJSONL(w, throughputs)
}
