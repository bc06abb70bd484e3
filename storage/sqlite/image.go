package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// SQLite's file format is told by https://www.sqlite.org/fileformat2.html.

const (
	sqliteMagic = "SQLite format 3\x00"
	usualPage   = 4096 // bytes, of every file that this package makes

	interiorIndex = 0x02
	interiorTable = 0x05
	leafIndex     = 0x0a
	leafTable     = 0x0d
)

// An image is the file of a store as its pages lie on the disk, those that wait in its log
// included, read without SQLite: so that one page which cannot be read costs what is in it,
// and nothing else. It changes nothing.
type image struct {
	file, log *os.File // log is nil if there is none
	pageSize  int64
	pages     uint32 // how many there are
	scan      walScan
	roots     map[string]uint32 // of tables and indexes, by name
}

// openImage opens the image of the file at path. known are roots of tables for the case
// that the file's own list of them cannot be read; they may be nil.
func openImage(path string, known map[string]uint32) (*image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m := &image{file: f, pageSize: usualPage, roots: map[string]uint32{}}
	if err := m.open(path); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	for name, root := range known {
		if _, ok := m.roots[name]; !ok {
			m.roots[name] = root
		}
	}
	return m, nil
}

func (m *image) open(path string) (err error) {
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	if m.scan, _, err = scanFrames(path + "-wal"); err != nil {
		return err
	}
	header := make([]byte, 100)
	if _, err := m.file.ReadAt(header, 0); err == nil && string(header[:16]) == sqliteMagic {
		if size := int64(binary.BigEndian.Uint16(header[16:])); plausiblePage(size) {
			m.pageSize = size
		}
	} else if m.scan.present {
		m.pageSize = m.scan.pageSize
	}
	m.pages = uint32(min(info.Size()/m.pageSize, 1<<32-2))
	if m.scan.present && m.scan.pageSize == m.pageSize && m.scan.frames > 0 {
		if m.log, err = os.Open(path + "-wal"); err != nil {
			return err
		}
		m.pages = max(m.pages, m.scan.size)
	}
	m.schema()
	return nil
}

// Close closes the files.
func (m *image) Close() error {
	err := m.file.Close()
	if m.log != nil {
		err = errors.Join(err, m.log.Close())
	}
	return err
}

// page reads a page, its last version. It reports false if it cannot be read whole.
func (m *image) page(number uint32) ([]byte, bool) {
	if number == 0 || number > m.pages {
		return nil, false
	}
	from, at := m.file, (int64(number)-1)*m.pageSize
	if m.log != nil {
		if logged, ok := m.scan.pages[number]; ok {
			from, at = m.log, logged
		}
	}
	b := make([]byte, m.pageSize)
	if n, err := from.ReadAt(b, at); err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, false
	}
	return b, true
}

// schema reads where tables have their roots.
func (m *image) schema() {
	w := walk{image: m, rows: func(_ int64, values []any) bool {
		if len(values) < 4 || values[0] != "table" && values[0] != "index" {
			return true
		}
		name, named := values[1].(string)
		root, rooted := values[3].(int64)
		if named && rooted && root > 1 && root <= int64(m.pages) {
			m.roots[name] = uint32(root)
		}
		return true
	}}
	w.table(1)
}

// walk visits the rows of a table.
type walk struct {
	*image
	newest bool // from the greatest key

	// rows is given the key of a row, 0 of a table without row ids, and its values as
	// they stand in the record. It returns false to end the walk.
	rows func(id int64, values []any) bool

	bad  []idRange // ids that were below pages which cannot be read; any of a table without
	seen map[uint32]bool
	over bool
}

// table visits all rows below a root, as far as they can be read.
func (w *walk) table(root uint32) {
	w.seen = map[uint32]bool{}
	w.visit(root, idRange{-1 << 63, 1<<63 - 1}, 0, 0)
}

// deepest is more than any tree can be deep.
const deepest = 40

// visit visits the rows below a page, whose ids lie in ids. kind is that of the pages above
// it, 0 for the root.
func (w *walk) visit(number uint32, ids idRange, kind byte, depth int) {
	if w.over {
		return
	}
	b, ok := w.page(number)
	if !ok || depth > deepest || w.seen[number] || !w.node(number, b, ids, kind, depth) {
		w.bad = append(w.bad, ids)
	}
}

// node visits the rows below a page that was read. It reports false if it is not one of the
// tree.
func (w *walk) node(number uint32, b []byte, ids idRange, kind byte, depth int) bool {
	w.seen[number] = true
	at := 0
	if number == 1 {
		at = 100
	}
	head := 8
	this := b[at]
	switch this {
	case interiorIndex, interiorTable:
		head = 12
	case leafIndex, leafTable:
	default:
		return false
	}
	if tree := this | 8; kind != 0 && tree != kind|8 { // a leaf's kind is that of its parents, and 8
		return false
	}
	cells := int(binary.BigEndian.Uint16(b[at+3:]))
	if at+head+2*cells > len(b) {
		return false
	}
	places := make([]int, cells)
	for i := range places {
		places[i] = int(binary.BigEndian.Uint16(b[at+head+2*i:]))
		if places[i] < at+head+2*cells || places[i]+4 > len(b) {
			return false
		}
	}
	if head == 8 {
		return w.leaf(b, places, this == leafTable, ids)
	}
	return w.interior(b, at, places, this == interiorTable, ids, this, depth)
}

// interior visits what is below an interior page.
func (w *walk) interior(b []byte, at int, places []int, table bool, ids idRange, kind byte, depth int) bool {
	type child struct {
		page uint32
		ids  idRange
		cell int // its place, which holds a row that comes after it, of a table without row ids
	}
	children := make([]child, 0, len(places)+1)
	low := ids.first
	for _, place := range places {
		c := child{page: binary.BigEndian.Uint32(b[place:]), ids: idRange{low, ids.last}, cell: place}
		if table {
			key, n := varint(b[place+4:])
			if n == 0 || key < low || key > ids.last {
				return false
			}
			c.ids.last, low = key, key+1
			if key == 1<<63-1 {
				return false
			}
		}
		children = append(children, c)
	}
	children = append(children, child{page: binary.BigEndian.Uint32(b[at+8:]), ids: idRange{low, ids.last}})
	whole := true
	for i := range children {
		c := children[i]
		if w.newest {
			c = children[len(children)-1-i]
		}
		row := func() {
			if !table && c.cell > 0 && !w.over {
				whole = w.record(b, c.cell+4, 0, false) && whole
			}
		}
		if w.newest {
			row()
		}
		w.visit(c.page, c.ids, kind, depth+1)
		if !w.newest {
			row()
		}
	}
	return whole
}

// leaf visits the rows of a leaf. Those of one that is broken in part are given as far as
// they make sense.
func (w *walk) leaf(b []byte, places []int, table bool, ids idRange) bool {
	whole := true
	for i := range places {
		place := places[i]
		if w.newest {
			place = places[len(places)-1-i]
		}
		if w.over {
			break
		}
		if !table {
			whole = w.record(b, place, 0, false) && whole
			continue
		}
		_, n := varint(b[place:])
		id, m := varint(b[min(place+n, len(b)):])
		if n == 0 || m == 0 || id < ids.first || id > ids.last {
			whole = false
			continue
		}
		whole = w.record(b, place, id, true) && whole
	}
	return whole
}

// largest bounds what a record is taken to be: more than any that this package writes.
const largest = 8 << 20

// record gives the row of a cell. It reports false if it makes no sense.
func (w *walk) record(b []byte, place int, id int64, table bool) bool {
	size, n := varint(b[place:])
	if n == 0 || size < 0 || size > min(largest, int64(w.pages)*w.pageSize) {
		return false
	}
	place += n
	if table {
		_, n := varint(b[place:])
		place += n
	}
	payload, ok := w.payload(b, place, int(size), table)
	if !ok {
		return false
	}
	values, ok := decodeRecord(payload)
	if !ok {
		return false
	}
	w.over = !w.rows(id, values)
	return true
}

// payload returns size bytes that begin at a place of a page and go on in others.
func (w *walk) payload(b []byte, place, size int, table bool) ([]byte, bool) {
	usable := len(b) // no file of ours reserves bytes at the end of pages
	most := usable - 35
	least := (usable-12)*32/255 - 23
	if !table {
		most = (usable-12)*64/255 - 23
	}
	local := size
	if size > most {
		local = least + (size-least)%(usable-4)
		if local > most {
			local = least
		}
	}
	if place+local > len(b) || local < size && place+local+4 > len(b) {
		return nil, false
	}
	payload := b[place : place+local : place+local]
	if local == size {
		return payload, true
	}
	next := binary.BigEndian.Uint32(b[place+local:])
	for len(payload) < size {
		page, ok := w.page(next)
		if !ok {
			return nil, false
		}
		next = binary.BigEndian.Uint32(page)
		payload = append(payload, page[4:4+min(usable-4, size-len(payload))]...)
	}
	return payload, true
}

// varint reads SQLite's number of 1 to 9 bytes. n is 0 if b ends before it does.
func varint(b []byte) (v int64, n int) {
	var u uint64
	for i := range min(9, len(b)) {
		if i == 8 {
			return int64(u<<8 | uint64(b[i])), 9
		}
		u = u<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(u), i + 1
		}
	}
	return 0, 0
}
