package evidence

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Finding is one thing that is not as the manifest says.
type Finding struct {
	File    string // in the zip; empty for the zip itself
	Problem string // a sentence's predicate: "is missing"
}

// Result is what Verify found.
type Result struct {
	Manifest       Manifest // meaningful if ManifestSHA256 is not empty
	ManifestSHA256 string   // empty if the manifest could not be read
	Findings       []Finding
}

func (r *Result) find(file, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{file, fmt.Sprintf(format, args...)})
}

// Verify checks an evidence file of size bytes: every byte of it is either content that
// a hash in the manifest covers, the manifest, covered by its checksum, or one that the
// format prescribes. Whoever changed all of these consistently is found out only by the
// hash of the manifest, which the report has.
//
// It fails only if r does.
func Verify(r io.ReaderAt, size int64) (Result, error) {
	reads := &failing{r: r, size: size}
	var result Result
	verify(reads, size, &result)
	return result, reads.err
}

// failing remembers the first failure of reading, which says nothing of the file.
type failing struct {
	r    io.ReaderAt
	size int64
	err  error
}

// ReadAt implements io.ReaderAt.
func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at > f.size {
		return 0, io.ErrUnexpectedEOF // a damaged directory sends readers anywhere
	}
	n, err := f.r.ReadAt(b, at)
	if err != nil && err != io.EOF && f.err == nil {
		f.err = err
	}
	return n, err
}

func verify(r io.ReaderAt, size int64, result *Result) {
	if err := checkEnd(r, size); err != nil {
		result.find("", "%v", err)
		return
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		result.find("", "its directory cannot be read (%v): it is cut off or damaged", err)
		return
	}
	byName := map[string]*zip.File{}
	for _, f := range z.File {
		if byName[f.Name] != nil {
			result.find(f.Name, "is there twice")
		}
		byName[f.Name] = f
	}
	m, ok := readManifest(byName[ManifestName], result)
	if !ok {
		return
	}
	named := map[string]bool{ManifestName: true}
	for _, want := range m.Files {
		named[want.Name] = true
		if f := byName[want.Name]; f != nil {
			checkFile(f, want, result)
		} else {
			result.find(want.Name, "is missing")
		}
	}
	for _, f := range z.File {
		if !named[f.Name] {
			result.find(f.Name, "was added: the manifest does not name it")
		}
	}
	if hash := DataHash(m.Files); hash != m.DataSHA256 {
		result.find(ManifestName, "says that the data's hash is %.64q, but of the files it names it is %s", m.DataSHA256, hash)
	}
	if len(result.Findings) == 0 {
		checkContainer(r, size, byName, m, result)
	}
}

// Of the end of a zip (APPNOTE.TXT 4.3.14 to 4.3.16).
const (
	endBytes     = 22
	locatorBytes = 20
	end64Bytes   = 56
	maxDirectory = 64 << 10
)

// checkEnd reads how large the directory is, because a reader takes the memory that it
// asks for.
func checkEnd(r io.ReaderAt, size int64) error {
	damaged := errors.New("it does not end as a zip does: it is cut off or damaged")
	tail := make([]byte, end64Bytes+locatorBytes+endBytes)
	tail = tail[:min(int64(len(tail)), size)]
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	if len(tail) < endBytes {
		return damaged
	}
	end, rest := tail[len(tail)-endBytes:], tail[:len(tail)-endBytes]
	if binary.LittleEndian.Uint32(end) != 0x06054b50 || binary.LittleEndian.Uint16(end[20:]) != 0 {
		return damaged
	}
	files, directory := uint64(binary.LittleEndian.Uint16(end[10:])), uint64(binary.LittleEndian.Uint32(end[12:]))
	if len(rest) == end64Bytes+locatorBytes && binary.LittleEndian.Uint32(rest) == 0x06064b50 {
		files, directory = binary.LittleEndian.Uint64(rest[32:]), binary.LittleEndian.Uint64(rest[40:])
	}
	if files > maxFiles+1 || directory > maxDirectory {
		return fmt.Errorf("its directory has %d files in %d bytes, more than evidence has: it is damaged, or no evidence file", files, directory)
	}
	return nil
}

// readManifest reads and checks the manifest. It reports false if it cannot be used.
func readManifest(f *zip.File, result *Result) (Manifest, bool) {
	if f == nil {
		result.find(ManifestName, "is missing: this is no evidence file of perigee")
		return Manifest{}, false
	}
	if f.Method != zip.Store {
		result.find(ManifestName, "is compressed, which perigee's is not: it was changed")
		return Manifest{}, false
	}
	content, err := f.Open()
	if err != nil {
		result.find(ManifestName, "is damaged (%v)", err)
		return Manifest{}, false
	}
	defer content.Close()
	b, err := io.ReadAll(io.LimitReader(content, maxManifestBytes+1))
	switch {
	case err != nil:
		result.find(ManifestName, "is damaged (%v)", err)
		return Manifest{}, false
	case len(b) > maxManifestBytes:
		result.find(ManifestName, "is larger than %d bytes", maxManifestBytes)
		return Manifest{}, false
	}
	m, err := decodeManifest(b)
	if err != nil {
		result.find(ManifestName, "%v", err)
		return Manifest{}, false
	}
	hash := sha256.Sum256(b)
	result.Manifest, result.ManifestSHA256 = m, hex.EncodeToString(hash[:])
	return m, true
}

// checkFile compares a file with what the manifest says of it.
func checkFile(f *zip.File, want File, result *Result) {
	if f.Method != zip.Deflate {
		result.find(want.Name, "is stored by method %d instead of %d: it was changed", f.Method, zip.Deflate)
		return
	}
	content, err := f.Open()
	if err != nil {
		result.find(want.Name, "is damaged (%v)", err)
		return
	}
	defer content.Close()
	c := newCounter(io.Discard)
	_, err = io.Copy(c, io.LimitReader(content, want.Bytes))
	if err == nil {
		// What follows must be the end; reading it checks the checksum.
		var more [1]byte
		if n, end := io.ReadFull(content, more[:]); n > 0 {
			result.find(want.Name, "was changed: it is longer than the %d bytes that the manifest says", want.Bytes)
			return
		} else if end != io.EOF {
			err = end
		}
	}
	hash := sum(c.hash)
	switch {
	case err != nil:
		result.find(want.Name, "is damaged after %d of %d bytes (%v)", c.bytes, want.Bytes, err)
	case c.bytes != want.Bytes:
		result.find(want.Name, "was changed: it has %d bytes, the manifest says %d", c.bytes, want.Bytes)
	case hash != want.SHA256:
		result.find(want.Name, "was changed: its SHA-256 is %s, the manifest says %.64s", hash, want.SHA256)
	case c.rows != want.Rows:
		result.find(want.Name, "has %d rows, the manifest says %d", c.rows, want.Rows)
	}
}

// checkContainer compares the zip, whose contents are known to be right, with the one
// that holds them: no byte of it may differ, or it could hold more than it shows.
func checkContainer(r io.ReaderAt, size int64, files map[string]*zip.File, m Manifest, result *Result) {
	same := &comparer{r: io.NewSectionReader(r, 0, size)}
	// failed tells of err, which befell the zip at file.
	failed := func(file string, err error) {
		if same.differs {
			result.find(file, "differs at byte %d of the zip from what perigee writes around contents", same.compared)
		} else {
			result.find(file, "is damaged (%v)", err)
		}
	}
	z := zip.NewWriter(same)
	for _, want := range append(append([]File{}, m.Files...), File{Name: ManifestName}) {
		f := files[want.Name]
		deflated, err := f.OpenRaw()
		if err != nil {
			failed(want.Name, err)
			return
		}
		stored := sha256.New()
		if err := copyRaw(z, f, io.TeeReader(deflated, stored)); err != nil {
			failed(want.Name, err)
			return
		}
		if hash := sum(stored); want.Name != ManifestName && hash != want.StoredSHA256 {
			result.find(want.Name, "is stored in other bytes than the manifest says (SHA-256 %s), though its contents are the same", hash)
			return
		}
	}
	if err := z.Close(); err != nil {
		failed("", err)
		return
	}
	if same.compared != size {
		result.find("", "has %d bytes more than perigee writes", size-same.compared)
	}
}

// copyRaw writes f as the Writer would have written it, with the deflated bytes given.
func copyRaw(z *zip.Writer, f *zip.File, deflated io.Reader) error {
	// What CreateHeader fills in, asked of a zip that nobody reads.
	h := header(f.Name, zip.Store)
	if _, err := zip.NewWriter(io.Discard).CreateHeader(h); err != nil {
		return err
	}
	h.Method = f.Method
	h.CRC32, h.CompressedSize64, h.UncompressedSize64 = f.CRC32, f.CompressedSize64, f.UncompressedSize64
	w, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	const zip64, version45 = 1<<32 - 1, 45
	if h.CompressedSize64 >= zip64 || h.UncompressedSize64 >= zip64 {
		h.ReaderVersion = version45 // known when the file is complete, so not in its own header
	}
	if _, err := io.Copy(w, deflated); err != nil {
		return err
	}
	return z.Flush()
}

// comparer compares what is written to it with what it reads.
type comparer struct {
	r        io.Reader
	buffer   [32 << 10]byte
	compared int64 // bytes found equal
	differs  bool
}

// Write implements io.Writer. It fails at the first difference.
func (c *comparer) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n, err := io.ReadFull(c.r, c.buffer[:min(len(b), len(c.buffer))])
		for i := range n {
			if c.buffer[i] != b[i] {
				c.compared += int64(i)
				c.differs = true
				return written, errDiffers
			}
		}
		c.compared += int64(n)
		written += n
		b = b[n:]
		if err != nil && len(b) > 0 || n == 0 {
			c.differs = true // it is cut off
			return written, errDiffers
		}
	}
	return written, nil
}

var errDiffers = errors.New("differs")
