package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is one whose code is linked into the program.
type module struct {
	path, version, dir string
	licence            string
	texts              []string // of its licences and notices
}

// linkedModules asks Go which modules the program is linked of on every system that
// packages or images are made for, and the standard library, which comes last.
func linkedModules(t *testing.T) []module {
	t.Helper()
	all := map[string]module{}
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Module", ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if p.Module != nil && !p.Module.Main {
				all[p.Module.Path] = module{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir}
			}
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := slices.SortedFunc(maps.Values(all), func(a, b module) int { return strings.Compare(a.path, b.path) })
	modules = append(modules, module{path: "uplot, of npm, in the page", version: pageLibrary(t, "uplot"), dir: "../../deploy/licenses"})
	modules = append(modules, module{path: "Go's standard library", version: "that it is built with", dir: strings.TrimSpace(string(root))})
	for i := range modules {
		modules[i].read(t)
	}
	return modules
}

// pageLibrary returns the version of a library that the page is built with. Its license is
// kept in deploy/licenses, as the page is built elsewhere.
func pageLibrary(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../dashboards/web/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	if p.DevDependencies[name] == "" {
		t.Errorf("the page has no %s any more: take its license away too", name)
	}
	return p.DevDependencies[name]
}

// licences are told by words that only they have.
var licences = []struct {
	name string
	all  []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0, January 2004"}},
	{"MIT", []string{"Permission is hereby granted, free of charge", "THE SOFTWARE IS PROVIDED \"AS IS\""}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
}

// read reads the licence and the notices of a module from its own files.
func (m *module) read(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|uplot)`)
	var found []string
	for _, f := range files {
		if f.IsDir() || !names.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m.texts = append(m.texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r", "")))
		words := strings.Join(strings.Fields(string(text)), " ")
		for _, l := range licences {
			if !slices.ContainsFunc(l.all, func(w string) bool { return !strings.Contains(words, w) }) {
				if !slices.Contains(found, l.name) {
					found = append(found, l.name)
				}
				break
			}
		}
	}
	m.licence = strings.Join(found, ", ")
}

// TestLicensesAreComplete holds the list of licences, and the texts that go with every
// package, against what the program is linked of. go test -update writes them anew.
func TestLicensesAreComplete(t *testing.T) {
	modules := linkedModules(t)
	var list, texts strings.Builder
	list.WriteString("# Licenses\n\nWhat the program is linked of, on Linux, with the license that stands in each module. The texts are in [THIRD_PARTY.txt](../deploy/THIRD_PARTY.txt), which goes with every package.\n" +
		"`go test ./cmd/perigee -run Licenses -update` writes both; the same test fails when they are not complete, or when a license is none of those that are known here.\n\n| module | version | license |\n|---|---|---|\n")
	texts.WriteString("perigee is linked of the following modules. Each is used under its own license.\n")
	for _, m := range modules {
		if m.licence == "" {
			t.Errorf("%s: no license that is known here: look at it, and add it to licences if it may be used", m.path)
		}
		fmt.Fprintf(&list, "| %s | %s | %s |\n", m.path, m.version, m.licence)
		fmt.Fprintf(&texts, "\n%s\n%s %s\n\n%s\n", strings.Repeat("=", 80), m.path, m.version, strings.Join(m.texts, "\n\n"))
	}
	for name, want := range map[string]string{"../../docs/licenses.md": list.String(), "../../deploy/THIRD_PARTY.txt": texts.String()} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what the modules say (%v); go test ./cmd/perigee -run Licenses -update writes it", name, err)
		}
	}
}
