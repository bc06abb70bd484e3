package evidence

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// A Writer writes an evidence file, one data file after the other. With no zip to write
// it only hashes.
type Writer struct {
	zip    *zip.Writer
	files  []File
	stored []hash.Hash // of each file as it is deflated, complete when the next has begun
}

// NewWriter returns a Writer to w, or one that only hashes if w is nil.
func NewWriter(w io.Writer) *Writer {
	e := &Writer{}
	if w == nil {
		return e
	}
	e.zip = zip.NewWriter(w)
	e.zip.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		h := sha256.New()
		e.stored = append(e.stored, h)
		return flate.NewWriter(io.MultiWriter(w, h), flate.BestSpeed)
	})
	return e
}

// Add writes a file with what write writes. data tells whether it is part of the data
// hash; what is not is not even produced if there is no zip to write.
func (e *Writer) Add(name string, data bool, write func(io.Writer) error) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	if len(e.files) == maxFiles {
		return errors.New("evidence: too many files")
	}
	if e.zip == nil && !data {
		return nil
	}
	to := io.Discard
	if e.zip != nil {
		w, err := e.zip.CreateHeader(header(name, zip.Deflate))
		if err != nil {
			return fmt.Errorf("evidence: %s: %w", name, err)
		}
		to = w
	}
	c := newCounter(to)
	if err := write(c); err != nil {
		return err
	}
	e.files = append(e.files, File{Name: name, Data: data, Rows: c.rows, Bytes: c.bytes, SHA256: sum(c.hash)})
	return nil
}

// Files returns what was added so far, without the hashes of what is stored.
func (e *Writer) Files() []File { return e.files }

// DataHash returns the hash of the data added so far.
func (e *Writer) DataHash() string { return DataHash(e.files) }

// Close writes the manifest, of which m says the perigee, the data format and the
// question, and ends the zip. It returns the hash of the manifest.
func (e *Writer) Close(m Manifest) (manifestSHA256 string, err error) {
	if e.zip == nil {
		return "", errors.New("evidence: there is no zip to close")
	}
	w, err := e.zip.CreateHeader(header(ManifestName, zip.Store))
	if err != nil {
		return "", fmt.Errorf("evidence: %s: %w", ManifestName, err)
	}
	m.Format, m.Files, m.DataSHA256 = Format, e.files, e.DataHash()
	for i, h := range e.stored {
		m.Files[i].StoredSHA256 = sum(h)
	}
	b, err := m.encode()
	if err != nil {
		return "", fmt.Errorf("evidence: %s: %w", ManifestName, err)
	}
	if _, err := w.Write(b); err != nil {
		return "", fmt.Errorf("evidence: %s: %w", ManifestName, err)
	}
	if err := e.zip.Close(); err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// header is that of every file: the time of making is not in it, or the same data would
// give other bytes.
func header(name string, method uint16) *zip.FileHeader {
	return &zip.FileHeader{Name: name, Method: method, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// counter hashes and counts what passes to another writer.
type counter struct {
	to          io.Writer
	hash        hash.Hash
	bytes, rows int64
}

func newCounter(to io.Writer) *counter { return &counter{to: to, hash: sha256.New()} }

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.hash.Write(b[:n])
	c.bytes += int64(n)
	for _, one := range b[:n] {
		if one == '\n' {
			c.rows++
		}
	}
	return n, err
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
