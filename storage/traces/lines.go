package traces

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// lineLimit is the longest line that is read; SmokePing's and irtt's are far shorter.
const lineLimit = 64 << 10

// decompressed returns what r holds, unpacked if it is gzip.
func decompressed(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, lineLimit)
	if magic, _ := b.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	unpacked, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return bufio.NewReaderSize(unpacked, lineLimit), nil
}

var (
	errLong = fmt.Errorf("it is longer than %d bytes", lineLimit)
	errNUL  = errors.New("it holds NUL bytes, as files do that were not closed at a power cut")
	bom     = []byte("\xef\xbb\xbf")
)

// readLines calls use for each line, numbered from 1, without its end, CR or LF, and
// tells c what became of it. Empty lines are counted and passed over. It returns the
// error of the source, or nil at its end.
func readLines(r io.Reader, c *collector, use func(number int64, line []byte) error) error {
	b, ok := r.(*bufio.Reader)
	if !ok {
		b = bufio.NewReaderSize(r, lineLimit)
	}
	for number := int64(1); c.failed == nil; number++ {
		line, err := b.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.ReadSlice('\n')
		}
		if len(line) > 0 || err == nil {
			c.report.Lines++
			if c.options.Progress != nil && c.report.Lines%4096 == 0 {
				c.options.Progress(c.report.Lines)
			}
			c.line(number, useLine(number, line, long, use))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after line %d: %w", number, err)
		}
	}
	return nil
}

func useLine(number int64, line []byte, long bool, use func(int64, []byte) error) error {
	if long {
		return errLong
	}
	if number == 1 {
		line = bytes.TrimPrefix(line, bom)
	}
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case bytes.IndexByte(line, 0) >= 0:
		return errNUL
	case len(bytes.TrimSpace(line)) == 0:
		return errNothing
	}
	return use(number, line)
}
