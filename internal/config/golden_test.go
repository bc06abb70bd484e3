package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"perigee"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with the file of the given name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

// TestInvalid reads every testdata/invalid-*.yml and compares the error, word for word,
// with the golden file beside it.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 60 {
		t.Fatalf("%d cases found, want at least 60", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		t.Run(strings.TrimPrefix(name, "invalid-"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("perigee.yaml", data)
			if err == nil {
				t.Fatal("no error")
			}
			if code := perigee.CodeOf(err); code != perigee.CodeInvalid {
				t.Errorf("code = %q, want %q", code, perigee.CodeInvalid)
			}
			golden(t, strings.TrimSuffix(file, ".yml")+".golden", err.Error()+"\n")
			checkPlaces(t, data, err)
		})
	}
}

// checkPlaces fails unless every problem stands in the file, in order, at the beginning
// of a word: neither on a blank nor inside a name. Positions come from the YAML library
// and are looked up here in the bytes.
func checkPlaces(t *testing.T, data []byte, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%T is not an *Error", err)
	}
	lines := strings.Split(strings.ToValidUTF8(string(data), "?"), "\n")
	last := position{}
	for _, p := range e.Problems {
		if p.Line < 1 || p.Column < 1 || p.Line > len(lines) {
			t.Errorf("%v: not in the file, which has %d lines", p, len(lines))
			continue
		}
		if p.Line < last.line || p.Line == last.line && p.Column < last.column {
			t.Errorf("%v: after %v", p, last)
		}
		last = position{p.Line, p.Column}
		if p.Line == 1 && p.Column == 1 || strings.Contains(p.Message, "has no value") || strings.Contains(p.Message, "is empty;") ||
			strings.Contains(p.Message, "UTF-8") || strings.Contains(p.Message, "control character") || strings.Contains(p.Message, "a tab indents") {
			continue
		}
		line := []rune(lines[p.Line-1])
		if p.Column > len(line) {
			t.Errorf("%v: the line has %d columns", p, len(line))
			continue
		}
		at := line[p.Column-1]
		before := ' '
		if p.Column > 1 {
			before = line[p.Column-2]
		}
		if unicode.IsSpace(at) || unicode.IsLetter(at) && unicode.IsLetter(before) {
			t.Errorf("%v: stands inside %q", p, string(line))
		}
	}
}
