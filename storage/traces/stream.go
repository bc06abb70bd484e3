package traces

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"
)

// bufferSize is how much is collected before it is handed to the underlying writer.
const bufferSize = 64 << 10

// buffered returns a writer to w that needs to be flushed.
func buffered(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, bufferSize) }

// stream calls write for each result until the first error, its own or results', and
// then flush: what was written by then reaches the user.
func stream[T any](results iter.Seq2[T, error], write func(*T) error, flush func() error) error {
	for one, err := range results {
		if err == nil {
			err = written(write(&one))
		}
		if err != nil {
			return errors.Join(err, written(flush()))
		}
	}
	return written(flush())
}

func written(err error) error {
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}

// timestamp is the form of times in exports.
const timestamp = "2006-01-02T15:04:05.000000000Z"

func appendTime(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, timestamp) }

// appendUnix appends t in seconds since the Unix epoch, to the nanosecond.
func appendUnix(b []byte, t time.Time) []byte {
	seconds, nanoseconds := t.Unix(), int64(t.Nanosecond())
	if seconds < 0 && nanoseconds > 0 { // -1 s + 0.25 s is written -0.75
		seconds, nanoseconds = seconds+1, int64(time.Second)-nanoseconds
		if seconds == 0 {
			b = append(b, '-')
		}
	}
	b = strconv.AppendInt(b, seconds, 10)
	b = append(b, '.')
	fraction := strconv.AppendInt(nil, int64(time.Second)+nanoseconds, 10)
	return append(b, fraction[1:]...)
}

// appendFloat appends the shortest decimal that reads back as v, without exponent.
func appendFloat(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'f', -1, 64) }
