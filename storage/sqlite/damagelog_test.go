package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

const (
	logHeader = 32
	logFrame  = 24 + sheetSize
)

// crashed is a store as a kill leaves it, its log full of what was acknowledged last.
type crashed struct {
	dir    string
	stored []perigee.Sample // in order
	before int64            // frames of the log before the last transaction
	frames int64            // of the log
}

// frames returns how many frames of the current log there are.
func frames(t *testing.T, log string) (n int64) {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for at := logHeader; at+logFrame <= len(b) && string(b[at+8:at+16]) == string(b[16:24]); at += logFrame {
		n++
	}
	return n
}

// crashedStore stores windows one after another and copies the files while they are in use.
func crashedStore(t *testing.T) (c crashed) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "perigee.db")
	store, err := healing(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, _, err := store.Begin(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	g := storagetest.NewGenerator(4)
	for range 40 {
		c.before = frames(t, path+"-wal")
		s := g.Sample(damageStreams[0], start.Add(time.Duration(len(c.stored))*g.Window))
		put(t, store, s)
		s.Singletons = nil
		c.stored = append(c.stored, s)
	}
	c.frames = frames(t, path+"-wal")
	c.dir = t.TempDir()
	if err := os.CopyFS(c.dir, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	return c
}

// The log of a store that was killed is cut or broken: what it says of transactions that
// were acknowledged is found, and is on record; what never was acknowledged is no damage.
func TestBrokenLogs(t *testing.T) {
	c := crashedStore(t)
	if c.frames < 100 || c.frames > 900 {
		t.Fatalf("the log has %d frames: it was emptied meanwhile, or is too short to break", c.frames)
	}
	cut := func(size int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path+"-wal", size); err != nil {
				t.Fatal(err)
			}
		}
	}
	noIndex := func(t *testing.T, path string) {
		if err := os.Remove(path + "-shm"); err != nil {
			t.Fatal(err)
		}
	}
	garble := func(frame int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			overwrite(t, path+"-wal", logHeader+frame*logFrame+24+100, []byte("garbage in the middle of a page"))
		}
	}
	both := func(fs ...func(t *testing.T, path string)) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			for _, f := range fs {
				f(t, path)
			}
		}
	}
	for name, test := range map[string]struct {
		damage  func(t *testing.T, path string)
		noticed string // part of the event; "" if there is none
		least   int    // windows that are there
		most    int
	}{
		"whole":                          {func(*testing.T, string) {}, "", 40, 40},
		"without_its_index":              {noIndex, "", 40, 40},
		"cut_within_a_frame":             {cut(logHeader + c.frames/2*logFrame + 77), "its log ends after", 10, 39},
		"cut_between_frames":             {cut(logHeader + c.frames/2*logFrame), "its log ends after", 10, 39},
		"last_transaction_cut":           {cut(logHeader + c.before*logFrame), "its log ends after", 39, 39},
		"last_frame_cut":                 {cut(logHeader + (c.frames-1)*logFrame), "its log ends after", 39, 39},
		"gone":                           {cut(0), "its log ends after 0 of", 0, 0},
		"garbled":                        {garble(c.frames / 2), "of its log", 10, 39},
		"garbled_without_its_index":      {both(garble(c.frames/2), noIndex), "broken before others that are whole", 10, 39},
		"last_garbled":                   {garble(c.frames - 1), "its log ends after", 39, 39},
		"header":                         {func(t *testing.T, path string) { overwrite(t, path+"-wal", 8, make([]byte, 20)) }, "its log", 0, 0},
		"never_acknowledged":             {func(t *testing.T, path string) { unacknowledged(t, path, c) }, "", 39, 39},
		"cut_without_its_index_unseen":   {both(cut(logHeader+c.before*logFrame), noIndex), "", 39, 39},
		"last_garbled_no_index_unseen":   {both(garble(c.frames-1), noIndex), "", 39, 39},
		"index_of_another_log_is_no_say": {func(t *testing.T, path string) { overwrite(t, path+"-shm", 32, make([]byte, 8)) }, "", 40, 40},
	} {
		t.Run(name, func(t *testing.T) {
			path := copied(t, c.dir)
			test.damage(t, path)
			log, err := os.ReadFile(path + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			l := newListener()
			store := openHealing(t, path, l)
			got := read(t, store, perigee.Query{})
			if len(got) < test.least || len(got) > test.most {
				t.Errorf("%d windows are there, want %d to %d", len(got), test.least, test.most)
			}
			for i := range got { // it is the beginning of what was stored
				if d := storagetest.Diff(got[i], c.stored[i], storagetest.Tolerances{}); d != "" {
					t.Error(d)
				}
			}
			events, err := store.Events(t.Context(), perigee.Query{})
			if err != nil {
				t.Fatal(err)
			}
			said := ""
			for _, e := range events {
				if e.Kind == perigee.EventStoreDamaged {
					said += e.Detail
				}
			}
			if test.noticed == "" && said != "" || !strings.Contains(said, test.noticed) {
				t.Errorf("the event says %q, want %q in it", said, test.noticed)
			}
			asides, err := filepath.Glob(path + ".damaged-*-wal")
			if err != nil || len(asides) != min(len(test.noticed), 1) {
				t.Errorf("set aside: %q, %v", asides, err)
			}
			for _, file := range asides {
				if b, err := os.ReadFile(file); err != nil || string(b) != string(log) {
					t.Errorf("%s holds %d bytes, %v, want the %d of the log as it was", file, len(b), err, len(log))
				}
			}
			previous, _, err := store.Begin(t.Context(), healTime)
			last := start
			if n := len(got); n > 0 {
				last = got[n-1].End()
			}
			// From here on the next life records a gap.
			if err != nil || len(got) > 0 && !previous.Last.Equal(last) {
				t.Errorf("the last result that is known ended at %v, %v, want %v", previous.Last, err, last)
			}
		})
	}
}

// unacknowledged leaves the last transaction as a power cut may: without its first frame,
// and the index as it was before it.
func unacknowledged(t *testing.T, path string, c crashed) {
	t.Helper()
	overwrite(t, path+"-wal", logHeader+c.before*logFrame, make([]byte, logFrame))
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
}

// What was never a store is an error, and left as it is.
func TestWhatWasNeverAStoreIsNotTouched(t *testing.T) {
	for name, lay := range map[string]func(t *testing.T, path string){
		"text":      func(t *testing.T, path string) { write(t, path, strings.Repeat("dear diary, ", 10_000)) },
		"short":     func(t *testing.T, path string) { write(t, path, "x") },
		"zeros":     func(t *testing.T, path string) { write(t, path, string(make([]byte, 100_000))) },
		"directory": func(t *testing.T, path string) { makeDirectory(t, path) },
		"anothers":  func(t *testing.T, path string) { execute(t, foreign(t, path), "CREATE TABLE mine (x)") },
		"later_versions": func(t *testing.T, path string) {
			execute(t, foreign(t, path), "PRAGMA application_id = 0x50524745; PRAGMA user_version = 99; CREATE TABLE a (x)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "perigee.db")
			lay(t, path)
			before := listing(t, filepath.Dir(path))
			store, err := healing(path, nil)
			if err == nil {
				store.Close()
				t.Fatal("it is opened")
			}
			if perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), "another path") && !strings.Contains(err.Error(), "update perigee") && !strings.Contains(err.Error(), "give the path of a file") {
				t.Errorf("the error says %v", err)
			}
			if after := listing(t, filepath.Dir(path)); after != before {
				t.Errorf("there is now\n%sand was\n%s", after, before)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func makeDirectory(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// listing returns the names and sizes of the files in dir, locks aside.
func listing(t testing.TB, dir string) (text string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil && !strings.HasSuffix(e.Name(), ".lock") {
			text += fmt.Sprintln(e.Name(), info.Size())
		}
	}
	return text
}

// Whoever only reads says what is wrong, and touches nothing.
func TestReadersTouchNoDamage(t *testing.T) {
	dir, _, pages := closedStore(t)
	for _, name := range []string{"header_zeroed", "first_page", "root_of_windows", "cut_short", "garbage"} {
		t.Run(name, func(t *testing.T) {
			path := copied(t, dir)
			damageCases[name].damage(t, path, pages)
			before := listing(t, filepath.Dir(path))
			store, err := sqlite.OpenReader(t.Context(), path)
			if err == nil {
				for _, err = range store.Samples(t.Context(), perigee.Query{}) {
				}
				store.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "perigee run sets it aside") {
				t.Errorf("the error says %v", err)
			}
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil && name != "root_of_windows" {
				t.Error("whoever does not heal opens it")
			}
			for _, left := range []string{"-wal", "-shm", ".reserve"} {
				os.Remove(path + left)
			}
			if after := listing(t, filepath.Dir(path)); strings.ReplaceAll(before, "perigee.db.reserve 4194304\n", "") != after {
				t.Errorf("there is now\n%sand was\n%s", after, before)
			}
		})
	}
}
