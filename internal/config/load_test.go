package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"perigee"
)

const minimal = `links:
  - {name: fibre, orbit: terrestrial, interface: eth0}
targets:
  - {name: cloudflare, address: 1.1.1.1}
`

// write puts content into a file of the given mode and returns its path.
func write(t *testing.T, name, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have taken bits away
		t.Fatal(err)
	}
	return path
}

func TestUnreadableFiles(t *testing.T) {
	pathError := func(err error) error { return &fs.PathError{Op: "open", Path: "perigee.yaml", Err: err} }
	var all strings.Builder
	for _, test := range []struct {
		name string
		err  error
		code perigee.Code
	}{
		{"missing", pathError(syscall.ENOENT), perigee.CodeInvalid},
		{"a component is no directory", pathError(syscall.ENOTDIR), perigee.CodeInvalid},
		{"not permitted", pathError(syscall.EACCES), perigee.CodePermission},
		{"directory", pathError(syscall.EISDIR), perigee.CodeInvalid},
		{"disk", pathError(syscall.EIO), perigee.CodeInvalid},
	} {
		err := unreadable("perigee.yaml", test.err)
		fmt.Fprintf(&all, "# %s\n%v\n", test.name, err)
		if code := perigee.CodeOf(err); code != test.code {
			t.Errorf("%s: code = %q, want %q", test.name, code, test.code)
		}
		if !errors.Is(err, test.err) {
			t.Errorf("%s: the cause is not in the chain", test.name)
		}
	}
	golden(t, "testdata/unreadable.golden", all.String())
}

func TestLoadNamesTheFileAsTheUserDid(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if _, err := Load("nowhere/perigee.yaml"); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "nowhere/perigee.yaml: there is no such file") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load("."); err == nil || !strings.HasPrefix(err.Error(), ".: is a directory; name the file in it, e.g. perigee.yaml") {
		t.Errorf("directory: %v", err)
	}
	if err := os.WriteFile("bad.yaml", []byte("x: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load("./bad.yaml")
	if err == nil || !strings.HasPrefix(err.Error(), "./bad.yaml:1:1: ") {
		t.Errorf("invalid file: %v", err)
	}
}

func TestLoadRefusesLargeFiles(t *testing.T) {
	path := write(t, "perigee.yaml", minimal+strings.Repeat("#\n", maxSize/2), 0o600)
	_, err := Load(path)
	want := path + ":1:1: the file is larger than 1 MiB and is not read; is it the right one?"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestParserIsKeptFromLongFiles(t *testing.T) {
	for name, text := range map[string]string{
		"keys":    strings.Repeat("a: b\n", 30_000),
		"list":    "links: [" + strings.Repeat("x,", 30_000) + "]",
		"entries": strings.Repeat("- ", 5_000),
		"braces":  strings.Repeat("{a: ", 5_000),
	} {
		_, err := Parse("perigee.yaml", []byte(text))
		e, ok := errors.AsType[*Error](err)
		if !ok || len(e.Problems) != 1 {
			t.Errorf("%s: got %.300v, want one problem", name, err)
		}
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	var b strings.Builder
	b.WriteString(minimal)
	for i := range 100 {
		fmt.Fprintf(&b, "unknown%d: 1\n", i)
	}
	_, err := Parse("perigee.yaml", []byte(b.String()))
	lines := strings.Split(err.Error(), "\n")
	// 100 unknown keys: 50 in words and a line for the other 50.
	if len(lines) != maxProblems+1 || lines[maxProblems] != "perigee.yaml: 50 more errors are not shown" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if e, _ := errors.AsType[*Error](err); len(e.Problems) != 100 {
		t.Errorf("%d problems, want 100", len(e.Problems))
	}
}

func TestErrorTextReachesTheEdge(t *testing.T) {
	_, err := Parse("perigee.yaml", nil)
	coded, ok := errors.AsType[*perigee.Error](err)
	if !ok || coded.Code != perigee.CodeInvalid || coded.Error() != err.Error() {
		t.Errorf("coded = %v, want code %q and the text %q", coded, perigee.CodeInvalid, err)
	}
}

// secretFiles is a configuration whose secret files are the given one.
func secretFiles(path string) string {
	return minimal + fmt.Sprintf(`  - {name: far, reflector: "far.example.net:4862", key_file: %q}
storage:
  influxdb: {url: "http://127.0.0.1:8086", org: home, bucket: perigee, token_file: %q}
api: {tokens_file: %q}
`, path, path, path)
}

func TestSecretFiles(t *testing.T) {
	// The golden file holds no path: secretFile does not repeat it.
	var all strings.Builder
	dir := t.TempDir()
	for _, test := range []struct{ name, path string }{
		{"missing", filepath.Join(dir, "missing")},
		{"for the owner", write(t, "secret", "hunter2", 0o600)},
		{"for the group", write(t, "secret", "hunter2", 0o640)},
		{"readable by everybody", write(t, "secret", "hunter2", 0o644)},
		{"writable by everybody", write(t, "secret", "hunter2", 0o602)},
		{"a directory", dir},
		{"relative", "hunter2"},
	} {
		config, err := Load(write(t, "perigee.yaml", secretFiles(test.path), 0o600))
		text := strings.Join(config.Warnings, "\n")
		if err != nil {
			text = "error:\n" + err.Error()
		}
		fmt.Fprintf(&all, "# %s\n", test.name)
		for line := range strings.Lines(text + "\n") {
			if i := strings.Index(line, "perigee.yaml:"); i >= 0 {
				line = line[i:]
			}
			all.WriteString(line)
		}
	}
	golden(t, "testdata/secret-files.golden", all.String())
}

// TestSecretsNeverPrint writes a secret at every place where one belongs or may be put
// by mistake, and looks for it in everything that is ever printed.
func TestSecretsNeverPrint(t *testing.T) {
	const secret = "hunter2-correct-horse"
	file := write(t, "secret", secret, 0o600)
	open := write(t, "open", secret, 0o644)
	for name, text := range map[string]string{
		"in files":           secretFiles(file),
		"in an open file":    secretFiles(open),
		"instead of a file":  secretFiles(secret),
		"instead of a path":  secretFiles("/" + secret),
		"in the url":         minimal + "storage:\n  influxdb: {url: \"http://me:" + secret + "@db:8086\", bucket: b}\n",
		"in a bad url":       minimal + "storage:\n  influxdb: {url: \"me:" + secret + "@db:port/%zz\", bucket: b}\n",
		"as a token":         minimal + "storage:\n  influxdb: {url: \"http://db:8086\", bucket: b, token: " + secret + "}\n",
		"as a password":      minimal + "api: {password: " + secret + "}\n",
		"as a list":          minimal + "api: {tokens_file: [" + secret + "]}\n",
		"as a mapping":       minimal + "api: {tokens_file: {a: " + secret + "}}\n",
		"in broken YAML":     minimal + "api: {tokens_file: \"" + secret + "}\n",
		"in worse YAML":      minimal + "api:\n  tokens_file: " + secret + ": " + secret + "\n",
		"after a bad indent": minimal + "api:\n  listen: x\n    tokens_file: " + secret + "\n",
		"after a tag":        minimal + "api: {tokens_file: !!binary " + secret + "}\n",
	} {
		c, err := Load(write(t, "perigee.yaml", text, 0o600))
		var b strings.Builder
		if _, err := c.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		coded, _ := errors.AsType[*perigee.Error](err)
		fmt.Fprintf(&b, "%v %+v %#v %s %v %+v %#v %+v", c, c, c, c.Warnings, err, err, err, coded)
		if printed := b.String(); strings.Contains(printed, "hunter2") {
			t.Errorf("%s: printed in\n%s", name, printed)
		}
	}
}

func TestWriteToPassesErrorsOn(t *testing.T) {
	c, err := Parse("perigee.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	r.CloseWithError(syscall.ENOSPC)
	if _, err := c.WriteTo(w); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteTo = %v, want the writer's error", err)
	}
}
