package sqlite

import (
	"errors"
	"math/rand/v2"
	"os"
)

// reserveSize is the room that a store keeps for the time when there is none: enough for
// the write-ahead log to grow to the size of one transaction, and for the file to take in
// what waits in the log.
const reserveSize = 4 << 20

// reserve is a file beside the store that does nothing but take room. A full disk cannot
// even be tidied up: SQLite deletes by writing to its log.
type reserve struct {
	path string
	size int64
}

// make makes the reserve, if it is not there. It fails, and changes nothing, if there is
// not the room for it.
func (r reserve) make() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil || info.Size() >= r.size {
		return errors.Join(err, f.Close())
	}
	err = allocate(f, r.size)
	if err != nil {
		f.Truncate(info.Size()) // gives back what it got
	}
	err = errors.Join(err, f.Close())
	if err != nil && info.Size() == 0 {
		os.Remove(r.path)
	}
	return err
}

// makeLess makes as large a reserve as there is room for.
func (r reserve) makeLess() {
	for least := r.size / 8; r.size >= least && full(r.make()); {
		r.size -= r.size / 4
	}
}

// release gives the room back, and reports whether there was any.
func (r reserve) release() bool { return os.Remove(r.path) == nil }

// probeSize is less than any write of SQLite's that matters.
const probeSize = 256 << 10

// exhausted reports whether the disk has no room for a small file beside the reserve.
func (r reserve) exhausted() bool {
	probe := reserve{r.path + ".probe", probeSize}
	err := probe.make()
	probe.release()
	return full(err)
}

// occupy fills f with size bytes that no file system can store in less.
func occupy(f *os.File, size int64) error {
	random := rand.New(rand.NewPCG(uint64(size), 0))
	block := make([]byte, 64<<10)
	for ; size > 0; size -= int64(len(block)) {
		for i := range block {
			block[i] = byte(random.Uint32())
		}
		if _, err := f.Write(block[:min(size, int64(len(block)))]); err != nil {
			return err
		}
	}
	return f.Sync()
}
