package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// content is a file of a test's evidence.
type content struct {
	name string
	data bool
	text string
}

// sampleFiles are contents that compress, that do not, and that are empty.
func sampleFiles() []content {
	random := rand.New(rand.NewPCG(1, 2))
	var noise strings.Builder
	for range 12 {
		fmt.Fprintf(&noise, "{\"rtt_seconds\":%v}\n", random.Float64())
	}
	return []content{
		{"samples.jsonl", true, strings.Repeat("{\"link\":\"geo\"}\n", 50)},
		{"outages.jsonl", true, ""},
		{"links.jsonl", true, "{\"link\":\"geo\"}\n"},
		{"singletons.jsonl", false, noise.String()},
	}
}

// pack writes an evidence file of the contents.
func pack(t testing.TB, files []content) (zipped []byte, manifestHash string) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, f := range files {
		err := w.Add(f.name, f.data, func(to io.Writer) error {
			_, err := io.WriteString(to, f.text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hash, err := w.Close(Manifest{DataFormat: 1, Perigee: "test", Question: Question{Site: "home", Links: []string{"geo"}, Timezone: "UTC"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), hash
}

func check(t testing.TB, zipped []byte) Result {
	t.Helper()
	r, err := Verify(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEvidenceVerifies(t *testing.T) {
	zipped, hash := pack(t, sampleFiles())
	r := check(t, zipped)
	if len(r.Findings) != 0 || r.ManifestSHA256 != hash {
		t.Fatalf("%+v, want no findings and manifest %s", r, hash)
	}
	again, _ := pack(t, sampleFiles())
	if !bytes.Equal(zipped, again) {
		t.Error("the same contents gave other bytes")
	}
	// As sha256sum prints it, of the data files alone, in order of name.
	lines := ""
	for _, name := range []string{"links.jsonl", "outages.jsonl", "samples.jsonl"} {
		for _, f := range sampleFiles() {
			if f.name == name {
				lines += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(f.text)), name)
			}
		}
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(lines))); r.Manifest.DataSHA256 != want {
		t.Errorf("data hash %s, want %s", r.Manifest.DataSHA256, want)
	}
	hashing := NewWriter(nil)
	for _, f := range sampleFiles() {
		if err := hashing.Add(f.name, f.data, func(w io.Writer) error {
			if !f.data {
				t.Errorf("%s was read to be hashed, which needs data alone", f.name)
			}
			_, err := io.WriteString(w, f.text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if hashing.DataHash() != r.Manifest.DataSHA256 {
		t.Errorf("hash without a zip is %s, with it %s", hashing.DataHash(), r.Manifest.DataSHA256)
	}
	if f := r.Manifest.Files[0]; f.Rows != 50 || f.Bytes != 50*15 {
		t.Errorf("%+v, want 50 rows of 15 bytes", f)
	}
}

// Every single bit of the file matters, and the file that it belongs to is named.
func TestEveryFlippedBitIsFoundAndNamed(t *testing.T) {
	zipped, _ := pack(t, sampleFiles())
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	holder := func(at int64) string { // the file in whose deflated bytes at lies
		for _, f := range z.File {
			begin, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			if at >= begin && at < begin+int64(f.CompressedSize64) {
				return f.Name
			}
		}
		return ""
	}
	for at := range zipped {
		bits := []int{0, 1, 2, 3, 4, 5, 6, 7}
		if holder(int64(at)) == ManifestName {
			bits = []int{at % 8} // a checksum of 32 bits finds any of them
		}
		for _, bit := range bits {
			flipped := bytes.Clone(zipped)
			flipped[at] ^= 1 << bit
			r := check(t, flipped)
			if len(r.Findings) == 0 {
				t.Fatalf("bit %d of byte %d of %d (%s) was flipped and nothing found", bit, at, len(zipped), holder(int64(at)))
			}
			if name := holder(int64(at)); name != "" && r.Findings[0].File != name {
				t.Fatalf("bit %d of byte %d of %s was flipped: found %+v", bit, at, name, r.Findings)
			}
		}
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	zipped, _ := pack(t, sampleFiles())
	for n := range zipped {
		if r := check(t, zipped[:n]); len(r.Findings) == 0 {
			t.Fatalf("cut off at %d of %d bytes and nothing found", n, len(zipped))
		}
	}
	for _, more := range []string{"x", strings.Repeat("x", 70_000)} {
		if r := check(t, append(bytes.Clone(zipped), more...)); len(r.Findings) == 0 {
			t.Fatalf("%d bytes added behind and nothing found", len(more))
		}
		if r := check(t, append([]byte(more), zipped...)); len(r.Findings) == 0 {
			t.Fatalf("%d bytes added before and nothing found", len(more))
		}
	}
}

// entry is a file of a zip that somebody else made.
type entry struct {
	name   string
	text   string
	method uint16
}

// forge makes a zip of entries.
func forge(t testing.TB, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(header(e.name, e.method))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack reads the entries of a zip.
func unpack(t testing.TB, zipped []byte) []entry {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{f.Name, string(b), f.Method})
	}
	return entries
}

func TestWhatWasDoneToEvidenceIsSaid(t *testing.T) {
	zipped, _ := pack(t, sampleFiles())
	manifest := func(change func(*Manifest)) string {
		var m Manifest
		entries := unpack(t, zipped)
		if err := json.Unmarshal([]byte(entries[len(entries)-1].text), &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		name    string
		change  func([]entry) []entry
		file    string
		problem string
	}{
		{"a_row_changed", func(e []entry) []entry { e[0].text = strings.Replace(e[0].text, "geo", "leo", 1); return e }, "samples.jsonl", "was changed: its SHA-256"},
		{"a_row_left_out", func(e []entry) []entry { e[0].text = e[0].text[15:]; return e }, "samples.jsonl", "the manifest says 750"},
		{"a_row_added", func(e []entry) []entry { e[0].text += "x\n"; return e }, "samples.jsonl", "longer than the 750 bytes"},
		{"a_file_left_out", func(e []entry) []entry { return e[1:] }, "samples.jsonl", "is missing"},
		{"a_file_added", func(e []entry) []entry { return append(e, entry{"more.jsonl", "x", zip.Deflate}) }, "more.jsonl", "was added"},
		{"a_file_twice", func(e []entry) []entry { return append(e, e[0]) }, "samples.jsonl", "twice"},
		{"files_in_other_order", func(e []entry) []entry { e[0], e[1] = e[1], e[0]; return e }, "samples.jsonl", "differs at byte"},
		{"stored_plain", func(e []entry) []entry { e[0].method = zip.Store; return e }, "samples.jsonl", "is stored by method 0"},
		{"no_manifest", func(e []entry) []entry { return e[:len(e)-1] }, ManifestName, "is missing"},
		{"manifest_of_other_rows", func(e []entry) []entry {
			e[4].text = manifest(func(m *Manifest) { m.Files[0].Rows++ })
			return e
		}, "samples.jsonl", "has 50 rows, the manifest says 51"},
		{"manifest_of_another_hash", func(e []entry) []entry {
			e[4].text = manifest(func(m *Manifest) { m.Files[0].SHA256 = strings.Repeat("0", 64) })
			return e
		}, "samples.jsonl", "was changed"},
		{"manifest_without_the_data_hash", func(e []entry) []entry {
			e[4].text = manifest(func(m *Manifest) { m.DataSHA256 = "" })
			return e
		}, ManifestName, "says that the data's hash is \"\""},
		{"manifest_with_a_path", func(e []entry) []entry {
			e[4].text = manifest(func(m *Manifest) { m.Files[0].Name = "../../etc/passwd" })
			return e
		}, ManifestName, "not a plain name"},
		{"manifest_with_more_keys", func(e []entry) []entry {
			e[4].text = strings.Replace(e[4].text, "{", "{\n  \"note\": \"x\",", 1)
			return e
		}, ManifestName, "not as perigee writes it"},
		{"manifest_of_a_later_format", func(e []entry) []entry {
			e[4].text = strings.Replace(e[4].text, "\"format\": 1", "\"format\": 2", 1)
			return e
		}, ManifestName, "is of format 2"},
		{"manifest_is_no_json", func(e []entry) []entry { e[4].text = "hello"; return e }, ManifestName, "is not JSON"},
		{"manifest_is_huge", func(e []entry) []entry { e[4].text = strings.Repeat(" ", maxManifestBytes+1); return e }, ManifestName, "is larger"},
		{"manifest_compressed", func(e []entry) []entry { e[4].method = zip.Deflate; return e }, ManifestName, "is compressed"},
		{"too_many_files", func(e []entry) []entry {
			for i := range maxFiles {
				e = append(e, entry{fmt.Sprintf("f%d", i), "", zip.Deflate})
			}
			return e
		}, "", "more than evidence has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := check(t, forge(t, c.change(unpack(t, zipped))))
			if len(r.Findings) == 0 {
				t.Fatal("nothing found")
			}
			if f := r.Findings[0]; f.File != c.file || !strings.Contains(f.Problem, c.problem) {
				t.Errorf("found %+v, want %s: %s", r.Findings, c.file, c.problem)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if r := check(t, forge(t, nil)); len(r.Findings) != 1 || r.Findings[0].File != ManifestName {
			t.Errorf("found %+v of an empty zip", r.Findings)
		}
	})
}

// A changed manifest that fits changed contents is evidence of something else: only its
// hash, which the report has, tells.
func TestConsistentChangeHasAnotherManifestHash(t *testing.T) {
	files := sampleFiles()
	_, hash := pack(t, files)
	files[0].text = strings.ToUpper(files[0].text)
	forged, _ := pack(t, files)
	if r := check(t, forged); len(r.Findings) != 0 || r.ManifestSHA256 == hash {
		t.Errorf("%+v, want no findings and a hash other than %s", r, hash)
	}
}

func TestAnExplodingFileIsReadNoFurtherThanItsSize(t *testing.T) {
	zipped, _ := pack(t, sampleFiles())
	entries := unpack(t, zipped)
	entries[0].text = strings.Repeat("0", 64<<20)
	bomb := forge(t, entries)
	counted := &reads{r: bytes.NewReader(bomb)}
	r, err := Verify(counted, int64(len(bomb)))
	if err != nil || len(r.Findings) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	// 750 bytes of the 64 MB were wanted: a buffer or two of the deflated 64 KB.
	if counted.bytes > 32<<10 {
		t.Errorf("read %d of %d bytes", counted.bytes, len(bomb))
	}
}

// reads counts what is read, and fails at failAt if it is not 0.
type reads struct {
	r      io.ReaderAt
	bytes  int
	failAt int64
}

func (r *reads) ReadAt(b []byte, at int64) (int, error) {
	if r.failAt > 0 && at >= r.failAt {
		return 0, errors.New("input/output error")
	}
	n, err := r.r.ReadAt(b, at)
	r.bytes += n
	return n, err
}

func TestAFailingDiskIsNoFinding(t *testing.T) {
	zipped, _ := pack(t, sampleFiles())
	_, err := Verify(&reads{r: bytes.NewReader(zipped), failAt: 100}, int64(len(zipped)))
	if err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("%v, want the disk's error", err)
	}
}

func TestWriterRefusesPathsAndPassesErrorsOn(t *testing.T) {
	w := NewWriter(io.Discard)
	for _, name := range []string{"", "../x", "a/b", "A.jsonl", ".hidden", "x\x1b[2J", strings.Repeat("x", 101)} {
		if err := w.Add(name, true, func(io.Writer) error { return nil }); err == nil {
			t.Errorf("took a file called %q", name)
		}
	}
	broken := errors.New("store is gone")
	if err := w.Add("samples.jsonl", true, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want the cause", err)
	}
}

// Evidence of yesterday must verify for good, whatever archive/zip writes by then.
func TestEvidenceOfFormat1Verifies(t *testing.T) {
	name := filepath.Join("testdata", "format1.zip")
	if *update {
		zipped, _ := pack(t, sampleFiles())
		if err := os.WriteFile(name, zipped, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	zipped, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := check(t, zipped)
	if len(r.Findings) != 0 || r.Manifest.Files[0].Rows != 50 {
		t.Errorf("%+v", r)
	}
}

// More than 4 GB take the other of the two layouts that zip has.
func TestEvidenceOfMoreThan4GB(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("deflates 4.3 GB; set PERIGEE_LONG=1")
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := NewWriter(f)
	block := bytes.Repeat([]byte("{\"link\":\"geo\"}\n"), 1<<16)
	for _, n := range []int{4400, 1} {
		if err := w.Add(fmt.Sprintf("samples-%d.jsonl", n), true, func(to io.Writer) error {
			for range n {
				if _, err := to.Write(block); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := w.Close(Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(f, info.Size())
	if err != nil || len(r.Findings) != 0 || r.ManifestSHA256 != hash || r.Manifest.Files[0].Bytes <= 1<<32 {
		t.Errorf("%+v, %v", r, err)
	}
}

// FuzzVerify: whatever the file, Verify ends, and what it finds nothing in holds what its
// manifest says.
func FuzzVerify(f *testing.F) {
	zipped, _ := pack(f, sampleFiles())
	f.Add(zipped)
	f.Add(zipped[:len(zipped)-30])
	empty, _ := pack(f, nil)
	f.Add(empty)
	f.Add(forge(f, []entry{{"../../etc/passwd", "x", zip.Deflate}, {ManifestName, "{\"format\":1}", zip.Store}}))
	f.Add(forge(f, []entry{{"samples.jsonl", strings.Repeat("0", 1<<20), zip.Deflate}, {ManifestName, "{\"format\":1,\"files\":[{\"name\":\"samples.jsonl\",\"bytes\":9223372036854775807}]}", zip.Store}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Verify(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("memory failed: %v", err)
		}
		if len(r.Findings) > 0 {
			return
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range r.Manifest.Files {
			content, err := z.File[i].Open()
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			n, err := io.Copy(h, content)
			if err != nil || n != want.Bytes || hex.EncodeToString(h.Sum(nil)) != want.SHA256 || z.File[i].Name != want.Name {
				t.Errorf("file %d is %s with %d bytes (%v), the manifest says %+v, and nothing was found", i, z.File[i].Name, n, err, want)
			}
		}
	})
}

// FuzzManifest gives the reader of manifests bytes without the zip around them, whose
// checksums a fuzzer seldom gets right: what is taken is what would be written.
func FuzzManifest(f *testing.F) {
	for _, m := range []Manifest{
		{Format: Format},
		{Format: Format, Perigee: "v1 <b>", Question: Question{Links: []string{"geo", ""}}, Files: []File{{Name: "samples.jsonl", Data: true, Rows: 3, Bytes: 9, SHA256: "00"}, {Name: "report.html"}}},
		{Format: Format, Files: []File{{Name: "../x"}, {Name: "a", Bytes: -1}}},
	} {
		b, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"files":null} `))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("says %d bytes", len(err.Error()))
			}
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q would be written as %q, %v", b, again, err)
		}
		names := map[string]bool{ManifestName: true}
		for _, file := range m.Files {
			if names[file.Name] || strings.ContainsAny(file.Name, "/\\") || strings.HasPrefix(file.Name, ".") || file.Name == "" || file.Bytes < 0 || file.Rows < 0 {
				t.Errorf("file %+v is taken", file)
			}
			names[file.Name] = true
		}
	})
}
