package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A damaged store is set aside whole: its files are renamed, under the name
// <path>.damaged-<UTC time>, before a new one is made. A note beside it, written first,
// says what is being done, so that whoever starts next after a kill goes on with it.

const (
	asideInfix  = ".damaged-"
	noteSuffix  = ".setaside"
	newSuffix   = ".new"
	asideLayout = "20060102T150405Z"

	// noteVersion begins a note.
	noteVersion = "perigee sets a damaged store aside, version 1"
)

// asideSuffixes are those of the files that are one store, in the order in which they are
// renamed: the file first, or what starts after a kill would open it without its log.
var asideSuffixes = []string{"", "-wal", "-shm", "-journal", spareSuffix}

// setAside is what a note says.
type setAside struct {
	name  string // the path that the file is renamed to
	found string // what is wrong
	files []string
}

// atStep is told of each step of setting aside. Tests kill the process there.
var atStep = func(string) {}

// newSetAside returns how to set the store at path aside.
func newSetAside(path, found string, now time.Time) (setAside, error) {
	a := setAside{found: found}
	stamp := path + asideInfix + now.UTC().Format(asideLayout)
	for n := 1; ; n++ {
		a.name = stamp
		if n > 1 {
			a.name = fmt.Sprintf("%s-%d", stamp, n)
		}
		taken, err := filepath.Glob(globEscape(a.name) + "*")
		if err != nil {
			return a, err
		}
		if !slices.ContainsFunc(taken, func(f string) bool { return slices.Contains(asideSuffixes, strings.TrimPrefix(f, a.name)) }) {
			break
		}
	}
	for _, suffix := range asideSuffixes {
		if exists(path + suffix) {
			a.files = append(a.files, suffix)
		}
	}
	return a, nil
}

// globEscape returns the pattern that matches path alone.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// exists reports whether there is a file at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writeNote writes the note beside path.
func (a setAside) writeNote(path string) error {
	text := fmt.Sprintf("%s\n%s\n%q\n%q\n", noteVersion, filepath.Base(a.name), a.found, strings.Join(a.files, " "))
	return writeWhole(path+noteSuffix, []byte(text))
}

// readNote returns what was being done when a process was killed. It reports false if
// nothing was.
func readNote(path string) (a setAside, ok bool, err error) {
	b, err := os.ReadFile(path + noteSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 4 || lines[0] != noteVersion || !strings.HasPrefix(lines[1], filepath.Base(path)+asideInfix) || filepath.Base(lines[1]) != lines[1] {
		return a, false, invalid("store %s: the note %s is not one of this version: remove it, and look whether %s and its -wal are there", path, path+noteSuffix, path)
	}
	a.name = filepath.Join(filepath.Dir(path), lines[1])
	a.found, _ = strconv.Unquote(lines[2])
	files, err := strconv.Unquote(lines[3])
	for _, suffix := range strings.Split(files, " ") {
		if slices.Contains(asideSuffixes, suffix) {
			a.files = append(a.files, suffix)
		}
	}
	return a, err == nil, err
}

// rename renames what was not yet.
func (a setAside) rename(path string) error {
	for _, suffix := range a.files {
		if exists(path+suffix) && !exists(a.name+suffix) {
			if err := os.Rename(path+suffix, a.name+suffix); err != nil {
				return err
			}
		}
		atStep("renamed" + suffix)
	}
	return syncDir(filepath.Dir(path))
}

// writeWhole writes a file so that there is the old one or the new one, whatever happens.
func writeWhole(path string, b []byte) error {
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path + newSuffix)
		return err
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Aside is a damaged store that was set aside.
type Aside struct {
	Path string
	At   time.Time // when; zero if its name does not tell
	Size int64     // bytes, of all its files
}

// Asides returns what was set aside of the store at path, oldest first.
func Asides(path string) ([]Aside, error) {
	found, err := filepath.Glob(globEscape(path) + asideInfix + "*")
	if err != nil {
		return nil, err
	}
	var list []Aside
	for _, file := range found {
		info, err := os.Stat(file)
		if err != nil {
			continue // it was just removed
		}
		name := file
		for _, suffix := range asideSuffixes {
			if suffix != "" {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		i := slices.IndexFunc(list, func(a Aside) bool { return a.Path == name })
		if i < 0 {
			i = len(list)
			stamp, _, _ := strings.Cut(strings.TrimPrefix(name, path+asideInfix), "-")
			at, _ := time.Parse(asideLayout, stamp)
			list = append(list, Aside{Path: name, At: at})
		}
		list[i].Size += info.Size()
	}
	slices.SortFunc(list, func(a, b Aside) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Path, b.Path)) })
	return list, nil
}

// mostAsides is how many damaged stores are kept: the newest, and the largest of those
// before it. A disk that damages its files again and again must not be filled up by them.
const mostAsides = 2

// prune removes damaged stores that are too many, and returns which.
func prune(path string) (removed []string, err error) {
	list, err := Asides(path)
	if err != nil || len(list) <= mostAsides {
		return nil, err
	}
	older := list[:len(list)-1]
	largest := slices.MaxFunc(older, func(a, b Aside) int { return cmp.Compare(a.Size, b.Size) })
	for _, a := range older {
		if a.Path == largest.Path {
			continue
		}
		for _, suffix := range asideSuffixes {
			if err := os.Remove(a.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return removed, err
			}
		}
		removed = append(removed, a.Path)
	}
	return removed, nil
}
