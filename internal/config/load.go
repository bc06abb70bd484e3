package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"

	"perigee"
)

// Load reads the configuration at path and checks the files that it names.
//
// The error is an *Error with everything that is wrong. Its code is CodeInvalid, or
// CodePermission if the system does not let the file be read; fs.ErrNotExist is in its
// chain if there is no such file.
func Load(path string) (Config, error) {
	data, err := read(path)
	if err != nil {
		return Config{}, unreadable(path, err)
	}
	return parse(path, data, os.Stat)
}

// Parse reads a configuration from data as if it stood in a file of the given name,
// which appears in errors as it is, and which relative paths are relative to the
// directory of. It looks at no file, not even at those that the configuration names.
//
// The error is an *Error with CodeInvalid, every Problem of which has a line.
func Parse(filename string, data []byte) (Config, error) {
	return parse(filename, data, nil)
}

// read returns the content of path, or enough of it to see that it is too large.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// unreadable puts err, why path could not be read, in words.
func unreadable(path string, err error) error {
	e := &Error{code: perigee.CodeInvalid, cause: err}
	say := func(format string, args ...any) {
		e.Problems = []Problem{{File: path, Message: fmt.Sprintf(format, args...)}}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		say("there is no such file; check the name, or begin with a copy of deploy/perigee.yaml")
	case errors.Is(err, fs.ErrPermission):
		e.code = perigee.CodePermission
		say("may not be read by this user; run \"chmod u+r\" on it as its owner, or run perigee as a user who may read it")
	case errors.Is(err, syscall.EISDIR):
		say("is a directory; name the file in it, e.g. %s", filepath.Join(path, "perigee.yaml"))
	default:
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		say("cannot be read (%v); check the name and the disk", err)
	}
	return e
}

// A reader understands one file.
type reader struct {
	file     string
	stat     func(path string) (fs.FileInfo, error) // nil: files are not looked at
	problems []Problem
	warnings []Problem

	// meant holds the paths of keys that are probably there, misspelt: they
	// are not reported as missing.
	meant map[string]bool
}

// problem notes what is wrong with field.
func (r *reader) problem(at position, field, message string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: at.line, Column: at.column, Field: field, Message: message})
}

// warning notes what the user should know of field although it is not wrong.
func (r *reader) warning(at position, field, message string) {
	r.warnings = append(r.warnings, Problem{File: r.file, Line: at.line, Column: at.column, Field: field, Message: message})
}

// reported reports whether something is wrong with field.
func (r *reader) reported(field string) bool {
	for _, p := range r.problems {
		if p.Field == field {
			return true
		}
	}
	return false
}

func parse(filename string, data []byte, stat func(string) (fs.FileInfo, error)) (Config, error) {
	r := newReader(filename, stat)
	c := r.config(data)
	warnings, err := r.verdict()
	if err != nil {
		return Config{}, err
	}
	c.Warnings = warnings
	return c, nil
}

func newReader(filename string, stat func(string) (fs.FileInfo, error)) *reader {
	return &reader{file: filename, stat: stat, meant: make(map[string]bool)}
}

// verdict returns the warnings, or everything that is wrong.
func (r *reader) verdict() ([]string, error) {
	if len(r.problems) > 0 {
		sortProblems(r.problems)
		return nil, &Error{Problems: r.problems, code: perigee.CodeInvalid}
	}
	sortProblems(r.warnings)
	var warnings []string
	for _, w := range r.warnings {
		warnings = append(warnings, w.String())
	}
	return warnings, nil
}

// grammar reads the keys and the shape of data. It reports false if nothing else can be
// said of it.
func (r *reader) grammar(data []byte) (raw rawFile, ok bool) {
	root := r.parseTree(data)
	if root == nil {
		if len(r.problems) == 0 {
			r.problem(start, "", "the file holds no configuration; begin with a copy of deploy/perigee.yaml")
		}
		return raw, false
	}
	if len(r.problems) > 0 {
		return raw, false
	}
	r.bind(root, "", start, reflect.ValueOf(&raw).Elem())
	return raw, raw.given // else it is not a mapping
}

// config reads the whole file. The result means something only if no problem was
// found.
func (r *reader) config(data []byte) Config {
	raw, ok := r.grammar(data)
	if !ok {
		return Config{}
	}
	c := Config{Site: r.site(raw.Site)}
	c.Links = r.links(raw.Links, c.Site)
	c.Targets, c.Reflectors = r.targets(raw.Targets)
	r.families(raw.Links, c.Links, c.Targets)
	c.Probes.ICMP = r.icmp(raw.Probes.ICMP, c.Links, c.Targets, raw.Targets)
	c.FirstHops = r.firstHops(raw.Links, c.Links)
	c.Budgets, c.Metered = r.budgets(raw.Links, c.Links)
	c.Transfer = r.transfer(raw.Probes.Transfer, c.Reflectors)
	r.unbudgeted(raw, c)
	c.Storage = r.storage(raw.Storage, ways{raw.Links, c.Links})
	c.API = r.api(raw.API)
	return c
}
