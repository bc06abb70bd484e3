package traces

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"perigee"
)

// Format names what a foreign trace is written in; docs/import.md describes each.
type Format string

// The formats that Import reads.
const (
	FormatPing      Format = "ping"      // iputils ping -D; or a table of time, sequence number, milliseconds
	FormatIRTT      Format = "irtt"      // irtt client -o
	FormatIperf3    Format = "iperf3"    // iperf3 -J
	FormatFping     Format = "fping"     // fping -D, and the summary of -C
	FormatLP        Format = "lp"        // line protocol of Telegraf's ping input, or our own export
	FormatSmokeping Format = "smokeping" // CSV of time, loss, median and pings
	FormatCSV       Format = "csv"       // CSV of time, seq, rtt
	FormatPerigee   Format = "perigee"   // our own CSV and JSON lines
)

// Formats lists every Format in the order users meet them.
var Formats = []Format{FormatPing, FormatIRTT, FormatIperf3, FormatFping, FormatLP, FormatSmokeping, FormatCSV, FormatPerigee}

// The methods of streams that only foreign traces have.
const (
	MethodIRTT   perigee.Method = "irtt"   // UDP echo
	MethodIperf3 perigee.Method = "iperf3" // a transfer by iperf3, over TCP or UDP
)

// Options say what a trace does not tell of itself.
type Options struct {
	Site string
	Link perigee.LinkID

	// Target names the target of a trace that has one; empty: as the trace names
	// it, or else "imported". A line about a second target is an error then.
	Target perigee.TargetID

	// LossTimeout is the waiting time after which a reply is late; 3 s if zero.
	LossTimeout time.Duration

	// Start is the time of the first probe of a trace without times.
	Start time.Time

	// Interval is the nominal time between probes; zero: as the trace tells, or
	// the median of what its beginning shows.
	Interval time.Duration

	// Now tells the time after which nothing can have been measured; nil: any.
	Now func() time.Time

	// Bad, if not nil, is told of each line that could not be used.
	Bad func(line int64, err error)

	// Progress, if not nil, is told of the lines read so far, every few thousand.
	Progress func(lines int64)
}

// Report says what was found in a trace.
type Report struct {
	Lines    int64 // read
	Results  int64 // lines that told of a probe or a result
	Bad      int64 // lines that could not be used
	Repeated int64 // lines that told again what was known

	Counts      perigee.Counts
	Windows     int64
	Throughputs int64
	Outages     int64
	Gaps        int64

	// First and Last bound what was measured; zero if nothing was.
	First, Last time.Time

	// Streams are those that something was found of, in the order of the trace.
	Streams []perigee.Stream

	// Notes say what a reader of the results must know, each once.
	Notes []string
}

// batchSamples and batchSingletons bound what is handed over at once.
const (
	batchSamples    = 100
	batchSingletons = 50_000
)

// Import reads a trace and hands what it holds to put, in order of time within each
// stream, in batches that are the same whenever the same trace is read: storing them
// twice is harmless, and whoever was interrupted begins again. Compression by gzip is
// recognised.
//
// Memory is bounded whatever r holds. A line that cannot be used costs that line. Import
// returns the first error of put or of r, then with what was read before it handed over.
// It fails with CodeInvalid if the format needs an option that is not there.
func Import(r io.Reader, f Format, o Options, put func(perigee.Batch) error) (Report, error) {
	if o.LossTimeout == 0 {
		o.LossTimeout = perigee.LossTimeoutFor("")
	}
	c := &collector{options: o, put: put, streams: map[streamName]*assembler{}}
	read, known := readers[f]
	if !known {
		return c.report, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("format %q is not one of %v", f, Formats)}
	}
	plain, err := decompressed(r)
	if err == nil {
		err = read(plain, c)
	}
	if c.failed != nil {
		return c.report, c.failed
	}
	c.finish()
	if c.failed != nil {
		return c.report, c.failed
	}
	return c.report, err
}

// readers read a whole trace each. They return an error of the source only.
var readers = map[Format]func(io.Reader, *collector) error{
	FormatPing:      readPing,
	FormatFping:     readFping,
	FormatIRTT:      readIRTT,
	FormatIperf3:    readIperf3,
	FormatLP:        readLP,
	FormatSmokeping: readSmokeping,
	FormatPerigee:   readOwn,
	FormatCSV:       readCSV,
}

// Samples yields the windows of a trace with their singletons, as perigee.Store's
// Singletons does of what is stored.
func Samples(r io.Reader, f Format, o Options) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		_, err := Import(r, f, o, func(b perigee.Batch) error {
			for _, s := range b.Samples {
				if !yield(s, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil && err != errStopped {
			yield(perigee.Sample{}, err)
		}
	}
}

// errStopped ends an import whose results nobody wants any longer.
var errStopped = errors.New("stopped")
