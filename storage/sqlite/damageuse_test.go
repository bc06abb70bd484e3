//go:build unix

package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// asideFile says, in the environment of a test binary that is to be killed while it sets a
// store aside, at which step, and which store.
const asideFile = "PERIGEE_TEST_ASIDE"

// asideVictim opens a damaged store and kills itself at a step.
func asideVictim(what string) error {
	step, path, _ := strings.Cut(what, "|")
	sqlite.AtStep(func(at string) {
		if at == step {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				panic(err)
			}
		}
	})
	l := newListener()
	store, err := healing(path, l.say)
	if err != nil {
		return err
	}
	for text := range l.c {
		if strings.Contains(text, "carried over from") {
			return errors.Join(store.Close(), errors.New("it was never at step "+step))
		}
	}
	return nil
}

// A process is killed at each step of setting a store aside and at some of carrying over
// from it. The next goes on, and all is there once.
func TestKillsWhileSettingAside(t *testing.T) {
	// A store with a log: it was killed before.
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := healing(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := fillForDamage(t, store, damageWindows)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"noted", "renamed", "renamed-wal", "renamed-shm", "renamed.spare", "built", "placed", "carried 1", "carried 2", "carried 4", "carried 6"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			path := copied(t, dir)
			tear(t, path, 1, true)
			// Page 1 is in the log too, or it would be whole: the log is what is read of it.
			overwrite(t, path, 0, make([]byte, 100))
			killed(t, fmt.Sprintf("%s=%s|%s", asideFile, step, path), -1, 0)
			l := newListener()
			store := openHealing(t, path, l)
			l.await(t, "carried over from")
			examine(t, store, h, expectations{aside: true})
			if list, err := sqlite.Asides(path); err != nil || len(list) != 1 {
				t.Errorf("set aside: %v, %v, want one", list, err)
			}
		})
	}
}

// A file is damaged while it is in use. Whoever writes goes on without an error, and finds
// all that it had stored.
func TestDamageInUse(t *testing.T) {
	defer sqlite.Look(20 * time.Millisecond)()
	dir, h, pages := closedStore(t)
	for name, test := range map[string]struct {
		damage func(t *testing.T, path string)
		lost   int
		any    bool
	}{
		"header":           {func(t *testing.T, path string) { overwrite(t, path, 0, make([]byte, 100)) }, 0, false},
		"garbage":          {func(t *testing.T, path string) { damageCases["garbage"].damage(t, path, pages) }, 2 * damageWindows, true},
		"leaf":             {func(t *testing.T, path string) { damageCases["leaf_of_windows"].damage(t, path, pages) }, 20, false},
		"account_of_bytes": {func(t *testing.T, path string) { damageCases["account_of_bytes"].damage(t, path, pages) }, 0, false},
		"cut":              {func(t *testing.T, path string) { damageCases["cut_short"].damage(t, path, pages) }, 110, false},
		"replaced":         {replaced, 2 * damageWindows, true},
		"removed":          {func(t *testing.T, path string) { errorless(t, os.Remove(path)) }, 2 * damageWindows, true},
		"removed_with_logs": {func(t *testing.T, path string) {
			errorless(t, os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
		}, 2 * damageWindows, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := copied(t, dir)
			l := newListener()
			store := openHealing(t, path, l)
			g := storagetest.NewGenerator(5)
			stored := map[string]bool{}
			at := h.next
			goOn := func() {
				s := g.Sample(damageStreams[1], at)
				put(t, store, s)
				stored[keyOf(s)] = true
				at = at.Add(g.Window)
			}
			goOn()
			provokeReads(t, store)
			test.damage(t, path)
			for try := 0; !l.heard("set aside as"); try++ {
				goOn()
				provoke(t, store, try)
			}
			goOn()
			if l.heard("can be read of it is carried over") {
				l.await(t, "carried over from")
			}
			found := map[string]int{}
			for _, s := range read(t, store, perigee.Query{}) {
				found[keyOf(s)]++
			}
			missing := 0
			for key := range h.samples {
				missing += 1 - min(found[key], 1)
			}
			for key := range stored {
				missing += 1 - min(found[key], 1)
			}
			for key, n := range found {
				if n > 1 {
					t.Errorf("%s is there %d times", key, n)
				}
			}
			lost := test.lost
			if test.any {
				lost += len(stored) - 1 // what came after is there in any case
			}
			if missing > lost {
				t.Errorf("%d of %d windows are missing, want %d at most", missing, len(h.samples)+len(stored), lost)
			}
			if sums, err := store.Traffic(t.Context(), "home", "a", time.Time{}, time.Time{}); err != nil || sums[perigee.PurposeProbing] != h.moved && !test.any {
				t.Errorf("%d bytes were moved, %v, want %d", sums[perigee.PurposeProbing], err, h.moved)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		})
	}
}

func provokeReads(t *testing.T, store *sqlite.Store) {
	for _, err := range store.Samples(t.Context(), perigee.Query{}) {
		errorless(t, err)
	}
}

func errorless(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// replaced puts another file in the place of one that is in use.
func replaced(t *testing.T, path string) {
	t.Helper()
	write(t, path+".other", strings.Repeat("something else ", 1000))
	errorless(t, os.Rename(path+".other", path))
}

// Files that are damaged one after another are set aside, of which two are kept, and what
// was in the first is in the last.
func TestDamagedAgainAndAgain(t *testing.T) {
	dir, h, _ := closedStore(t)
	path := copied(t, dir)
	for n := range 3 {
		overwrite(t, path, 0, make([]byte, 100))
		l := newListener()
		store, err := healing(path, l.say)
		errorless(t, err)
		l.await(t, "carried over from")
		if n == 2 {
			examine(t, store, h, expectations{aside: true})
		}
		errorless(t, store.Close())
	}
	list, err := sqlite.Asides(path)
	if err != nil || len(list) != 2 {
		t.Errorf("set aside: %v, %v, want two", list, err)
	}
}

// A file that is damaged before all was carried over to it from another leaves both to be
// carried over from.
func TestDamagedWhileCarryingOver(t *testing.T) {
	dir, h, _ := closedStore(t)
	path := copied(t, dir)
	overwrite(t, path, 0, make([]byte, 100))
	killed(t, fmt.Sprintf("%s=carried 2|%s", asideFile, path), -1, 0)
	overwrite(t, path, 0, make([]byte, 100))
	l := newListener()
	store := openHealing(t, path, l)
	l.await(t, "carried over from")
	l.await(t, "carried over from")
	examine(t, store, h, expectations{aside: true})
}

// Memory or a disk that fails all the time does not have files set aside without end.
func TestSettingAsideIsBounded(t *testing.T) {
	defer sqlite.Look(time.Millisecond)()
	path := filepath.Join(t.TempDir(), "perigee.db")
	l := newListener()
	store := openHealing(t, path, l)
	g := storagetest.NewGenerator(5)
	var err error
	n := 0
	for ; err == nil && n < 5000; n++ {
		if b, failed := os.ReadFile(path); failed == nil {
			_ = os.WriteFile(path, make([]byte, len(b)), 0o600)
			_ = os.Truncate(path+"-wal", 0) // which may just have been set aside
		}
		_ = store.Append(t.Context(), perigee.Batch{Samples: []perigee.Sample{g.Sample(damageStreams[0], healTime.Add(time.Duration(n)*g.Window))}})
		err = store.Unhealed()
	}
	if perigee.CodeOf(err) != perigee.CodeUnavailable || !strings.Contains(fmt.Sprint(err), "memory or disk are to be doubted") {
		t.Errorf("after %d times: %v", n, err)
	}
}
