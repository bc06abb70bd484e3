package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// What is read here of SQLite's write-ahead log and of the index beside it is told by
// https://www.sqlite.org/fileformat2.html#walformat and https://www.sqlite.org/walformat.html.

const (
	walHeaderSize = 32
	walFrameSize  = 24 // of a frame's header, before its page
	walMagic      = 0x377f0682
	shmHeaderSize = 48 // of one of the two copies of the index's header
)

// walScan is what a write-ahead log holds.
type walScan struct {
	present  bool  // the log has a header that makes sense
	pageSize int64 // of its pages

	// Of the frames that SQLite will take, those up to the last commit before the first
	// that is bad: how many there are, where the last version of each page is in the
	// file, and how many pages the database has after them.
	frames int64
	pages  map[uint32]int64
	size   uint32

	// lost says why transactions that were acknowledged cannot be in those; "" if
	// nothing tells so.
	lost string

	// copied reports that all that was ever acknowledged of the log is in the database
	// already, stale that more of it is than the frames above hold.
	copied, stale bool
}

// scanLog reads the write-ahead log of the store at path and what its index says. Neither
// may be open in SQLite. That there is none is no error.
//
// SQLite stops at the first frame whose sum is wrong, and takes it for the end: rightly,
// when the power failed before that transaction was acknowledged. A frame is written only
// when all transactions before it were made durable. So a good frame after the end of the
// transaction that is broken shows that it had been acknowledged. And the index, which
// lives in shared memory and outlives the process, says how many frames were.
func scanLog(path string) (walScan, error) {
	scan, salts, err := scanFrames(path + "-wal")
	if err != nil {
		return scan, err
	}
	index, known := readIndex(path + "-shm")
	switch {
	case !known || index.frames == 0:
	case scan.present && index.salts != salts:
		// The log was begun anew, or is another's: they say nothing of each other.
	case index.copied >= index.frames && scan.frames == 0:
		scan.copied = true
	case scan.frames < index.frames:
		scan.copied = index.copied >= index.frames
		scan.stale = scan.frames < index.copied
		if !scan.copied && scan.lost == "" {
			scan.lost = fmt.Sprintf("its log ends after %d of %d pages", scan.frames, index.frames)
		}
	}
	if scan.copied {
		scan.lost = ""
	}
	return scan, nil
}

// scanFrames reads a log.
func scanFrames(path string) (scan walScan, salts [2]uint32, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return scan, salts, nil
	}
	if err != nil {
		return scan, salts, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return scan, salts, err
	}
	header := make([]byte, walHeaderSize)
	if _, err := io.ReadFull(f, header); err != nil {
		return scan, salts, short(err)
	}
	magic := binary.BigEndian.Uint32(header)
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 != 0 {
		order = binary.BigEndian
	}
	scan.pageSize = int64(binary.BigEndian.Uint32(header[8:]))
	salts = [2]uint32{binary.BigEndian.Uint32(header[16:]), binary.BigEndian.Uint32(header[20:])}
	sum := walSum(order, [2]uint32{}, header[:24])
	good := sum == [2]uint32{binary.BigEndian.Uint32(header[24:]), binary.BigEndian.Uint32(header[28:])}
	if magic&^1 != walMagic || !plausiblePage(scan.pageSize) || !good {
		if info.Size() >= walHeaderSize+walFrameSize {
			scan.lost = "the header of its log is broken"
		}
		return scan, salts, nil
	}
	scan.present, scan.pages = true, map[uint32]int64{}
	return scan, salts, scan.read(f, order, salts, sum)
}

// read reads the frames.
func (s *walScan) read(f io.Reader, order binary.ByteOrder, salts, sum [2]uint32) error {
	frame := make([]byte, walFrameSize+s.pageSize)
	open := map[uint32]int64{} // of the transaction that is read
	broken, ended := false, false
	for n := int64(0); ; n++ {
		if _, err := io.ReadFull(f, frame); err != nil {
			return short(err)
		}
		page, size := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:])
		ours := salts == [2]uint32{binary.BigEndian.Uint32(frame[8:]), binary.BigEndian.Uint32(frame[12:])}
		sum = walSum(order, walSum(order, sum, frame[:8]), frame[walFrameSize:])
		said := [2]uint32{binary.BigEndian.Uint32(frame[16:]), binary.BigEndian.Uint32(frame[20:])}
		good := ours && page > 0 && sum == said
		sum = said // so that a good frame is known after a bad one
		switch {
		case !broken && good:
			open[page] = walHeaderSize + n*int64(len(frame)) + walFrameSize
			if size > 0 {
				for p, at := range open {
					s.pages[p] = at
				}
				clear(open)
				s.frames, s.size = n+1, size
			}
		case !broken && !ours && len(open) == 0:
			return nil // an older log's rest
		case !broken:
			broken = true
			ended = ours && size > 0 && size < 1<<31
		case good && ended:
			s.lost = "a page of its log is broken before others that are whole"
			return nil
		case ours && size > 0:
			ended = ended || good
		}
	}
}

// short makes the end of a file no error.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func plausiblePage(size int64) bool { return size >= 512 && size <= 65536 && size&(size-1) == 0 }

// walSum goes on with the sum of a log over b.
func walSum(order binary.ByteOrder, sum [2]uint32, b []byte) [2]uint32 {
	for i := 0; i+8 <= len(b); i += 8 {
		sum[0] += order.Uint32(b[i:]) + sum[1]
		sum[1] += order.Uint32(b[i+4:]) + sum[0]
	}
	return sum
}

// walIndex is what the index says of its log.
type walIndex struct {
	salts          [2]uint32
	frames, copied int64 // committed; and copied to the database
}

// readIndex reads the index at path. It reports false if there is none or it is not whole.
func readIndex(path string) (walIndex, bool) {
	f, err := os.Open(path)
	if err != nil {
		return walIndex{}, false
	}
	defer f.Close()
	b := make([]byte, 2*shmHeaderSize+8)
	if _, err := io.ReadFull(f, b); err != nil {
		return walIndex{}, false
	}
	order := binary.NativeEndian
	h := b[:shmHeaderSize]
	sum := walSum(order, [2]uint32{}, h[:40])
	if string(h) != string(b[shmHeaderSize:2*shmHeaderSize]) || h[12] != 1 ||
		sum != [2]uint32{order.Uint32(h[40:]), order.Uint32(h[44:])} {
		return walIndex{}, false
	}
	// The salts are as they stand in the log, which is big-endian.
	return walIndex{
		salts:  [2]uint32{binary.BigEndian.Uint32(h[32:]), binary.BigEndian.Uint32(h[36:])},
		frames: int64(order.Uint32(h[16:])),
		copied: int64(order.Uint32(b[2*shmHeaderSize:])),
	}, true
}
