// Package evidence writes and checks evidence files: a zip with the data behind a
// report, and a manifest of their hashes. docs/report.md draws the format.
//
// It owns the container alone: what the data files hold is the caller's. Both sides
// stream, so that memory does not grow with the data, and the same files and manifest
// give the same bytes whenever and wherever they are written by the same build.
//
// Verify is made for files of strangers: it extracts nothing, opens no path, and reads
// no more of a file than the manifest says it has.
package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Format is the version of the container and of the manifest.
const Format = 1

// ManifestName is the manifest's name in the zip. It is the last file.
const ManifestName = "manifest.json"

// Bounds of what is read as a manifest.
const (
	maxFiles         = 64
	maxManifestBytes = 1 << 20
	maxNameBytes     = 100
)

// Manifest says what an evidence file holds and which question it answers.
type Manifest struct {
	Format     int      `json:"format"`
	DataFormat int      `json:"data_format"` // version of the data files
	Perigee    string   `json:"perigee"`     // version that wrote it
	Question   Question `json:"question"`
	DataSHA256 string   `json:"data_sha256"` // see DataHash
	Files      []File   `json:"files"`
}

// Question is what the report was asked for. Times are RFC 3339 in UTC.
type Question struct {
	Site     string   `json:"site"`
	Links    []string `json:"links"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Timezone string   `json:"timezone"`
}

// File is one file of the zip.
type File struct {
	Name         string `json:"name"`
	Data         bool   `json:"data"` // whether it is part of DataSHA256
	Rows         int64  `json:"rows"` // lines
	Bytes        int64  `json:"bytes"`
	SHA256       string `json:"sha256"`        // of the contents
	StoredSHA256 string `json:"stored_sha256"` // of the bytes in the zip, deflated
}

// DataHash is the hash of the data behind a report: that of the lines "hash, two
// spaces, name", which sha256sum prints of the data files in order of their names.
func DataHash(files []File) string {
	data := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !f.Data })
	slices.SortFunc(data, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, f := range data {
		fmt.Fprintf(h, "%s  %s\n", f.SHA256, f.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// encode returns the bytes of the manifest.
func (m Manifest) encode() ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(m)
	return []byte(b.String()), err
}

// decodeManifest reads a manifest. Only the bytes that encode writes are one: whatever
// else they might say is not there.
func decodeManifest(b []byte) (Manifest, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return Manifest{}, fmt.Errorf("is not JSON: %w", err)
	}
	if version.Format != Format {
		return Manifest{}, fmt.Errorf("is of format %d, and this perigee knows %d: use the version that wrote it", version.Format, Format)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("does not say what a manifest says: %w", err)
	}
	if again, err := m.encode(); err != nil || string(again) != string(b) {
		return Manifest{}, fmt.Errorf("is not as perigee writes it: it was changed")
	}
	if len(m.Files) > maxFiles {
		return Manifest{}, fmt.Errorf("names %d files, more than %d", len(m.Files), maxFiles)
	}
	names := map[string]bool{ManifestName: true}
	for _, f := range m.Files {
		if err := checkName(f.Name); err != nil {
			return Manifest{}, err
		}
		if names[f.Name] {
			return Manifest{}, fmt.Errorf("names %s twice", f.Name)
		}
		names[f.Name] = true
		if f.Bytes < 0 || f.Rows < 0 {
			return Manifest{}, fmt.Errorf("says that %s has %d bytes and %d rows", f.Name, f.Bytes, f.Rows)
		}
	}
	return m, nil
}

// checkName refuses what is not a plain file name.
func checkName(name string) error {
	plain := name != "" && len(name) <= maxNameBytes && name[0] != '.'
	for _, c := range []byte(name) {
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	}
	if !plain {
		return fmt.Errorf("names a file %.120q, which is not a plain name", name)
	}
	return nil
}
