package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// An injury is what is wrong with a store that nobody has open.
type injury struct {
	file string // what is wrong with the file; "" if nothing is seen
	log  walScan

	unclean bool // it was not closed properly
}

// inspect looks at the files of the store at path, which must not be open in SQLite. It
// finds what SQLite would not say, or take for the end of what was written. That there is
// no file is no error.
//
// A file that does not begin as SQLite's do is a damaged store if perigee has kept one
// there, which its spare or its reserve beside it tell, or if it has a log or pages of
// SQLite's. Anything else was never a store, and an error: whoever named it did so by
// mistake, and it is not touched.
func inspect(path string) (injury, error) {
	var j injury
	var err error
	if j.log, err = scanLog(path); err != nil {
		return j, openFailed(path, err)
	}
	j.unclean = j.log.present || j.log.lost != ""
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if j.log.frames > 0 {
			j.file = "it is gone, and its log is still there"
		}
		return j, nil
	}
	if err != nil {
		return j, openFailed(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return j, openFailed(path, err)
	}
	if !info.Mode().IsRegular() {
		return j, invalid("store %s: this is not a file: give another path", path)
	}
	header := make([]byte, 100)
	n, err := io.ReadFull(f, header)
	switch {
	case n == 0 && short(err) == nil:
		if j.log.frames > 0 || exists(path+spareSuffix) && readSpare(path+spareSuffix).roots != nil {
			j.file = "it is empty"
		}
		return j, nil
	case short(err) != nil:
		return j, openFailed(path, err)
	case n == len(header) && string(header[:16]) == sqliteMagic:
		j.file = j.truncated(header, info.Size())
		return j, nil
	}
	if exists(path+spareSuffix) || exists(path+".reserve") || j.log.present || hasPages(f) {
		j.file = "its header is broken"
		return j, nil
	}
	return j, invalid("store %s: this is not an SQLite file and never was a store: move it away or give another path", path)
}

// truncated says what is missing of a file of a size, "" if nothing is.
func (j injury) truncated(header []byte, size int64) string {
	page := int64(binary.BigEndian.Uint16(header[16:]))
	if page == 1 {
		page = 65536
	}
	// A count of pages that another program than SQLite's own did not bring up to date
	// is not to be believed.
	pages := int64(binary.BigEndian.Uint32(header[28:]))
	if !plausiblePage(page) || string(header[24:28]) != string(header[92:96]) {
		return ""
	}
	if j.log.frames > 0 && j.log.pageSize == page {
		pages = int64(j.log.size)
	}
	have := size / page
	for number := have + 1; number <= pages; number++ {
		if _, logged := j.log.pages[uint32(number)]; !logged {
			return fmt.Sprintf("it ends after %d of %d pages", have, pages)
		}
	}
	return ""
}

// hasPages reports whether f has pages of SQLite's trees where a file of ours would.
func hasPages(f *os.File) bool {
	const looks = 64
	b := make([]byte, usualPage)
	for n := int64(1); n <= looks; n++ {
		if _, err := f.ReadAt(b, n*usualPage); err != nil {
			return false
		}
		cells := int(binary.BigEndian.Uint16(b[3:]))
		content := int(binary.BigEndian.Uint16(b[5:]))
		tree := b[0] == leafTable || b[0] == leafIndex || b[0] == interiorTable || b[0] == interiorIndex
		if tree && cells > 0 && 8+2*cells <= content && content < usualPage && b[7] <= 60 {
			return true
		}
	}
	return false
}
