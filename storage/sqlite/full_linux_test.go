package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// tinyDisk names a directory on which a test, run again in a mount namespace of its own,
// puts a small disk.
const tinyDisk = "PERIGEE_TEST_TINY_DISK"

// onTinyDisk runs test in a directory on a disk of so many bytes, in memory, or skips it
// where the system does not allow that.
func onTinyDisk(t *testing.T, size int, test func(t *testing.T, dir string)) {
	if dir := os.Getenv(tinyDisk); dir != "" {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil {
			err = syscall.Mount("tiny", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
		}
		if err != nil {
			t.Skip("no disk can be mounted here: ", err)
		}
		test(t, dir)
		return
	}
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), tinyDisk+"="+t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	output, err := command.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("no namespaces here: ", err)
	}
	switch {
	case err != nil:
		t.Fatalf("%v\n%s", err, output)
	case bytes.Contains(output, []byte("--- SKIP")):
		t.Skipf("%s", output)
	}
	t.Logf("%s", output)
}

// filler takes all room there is on a disk, each time that it is told to.
type filler struct {
	testing.TB
	file *os.File
}

func (f filler) fill() {
	f.Helper()
	for block := make([]byte, 1<<20); len(block) > 0; {
		_, err := f.file.Write(block)
		if errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			f.Fatal(err)
		}
	}
}

// On a disk that others have filled, and fill again at once, measuring goes on, and what
// is given up for it is on record.
func TestMeasuringGoesOnWhenTheDiskIsFull(t *testing.T) {
	onTinyDisk(t, 24<<20, func(t *testing.T, dir string) {
		path := filepath.Join(dir, "perigee.db")
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := storagetest.NewGenerator(1)
		streams := []perigee.Stream{storagetest.Stream("a", "x"), storagetest.Stream("b", "x"), storagetest.Stream("c", "x"), storagetest.Stream("d", "x")}
		at, stored := start, 0
		put := func(n, times int) {
			t.Helper()
			for range times {
				samples := g.Samples(at, n, streams...)
				if err := store.Append(t.Context(), perigee.Batch{Samples: samples}); err != nil {
					t.Fatalf("window %d: %v", stored, err)
				}
				at, stored = at.Add(time.Duration(n)*g.Window), stored+len(samples)
			}
		}
		put(10, 150)
		reserve, err := os.Stat(path + ".reserve")
		if err != nil || reserve.Sys().(*syscall.Stat_t).Blocks*512 < 4<<20 {
			t.Fatalf("the reserve does not take 4 MB of the disk: %+v, %v", reserve, err)
		}
		file, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		others := filler{t, file}
		for range 500 {
			others.fill()
			put(1, 1)
		}
		if !state(t, store).Full {
			t.Error("the store does not tell that the disk is full")
		}
		if _, err := os.Stat(path + ".reserve"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the reserve: %v, want it given back", err)
		}
		lost := wantLosses(t, store, stored)
		if lost == 0 {
			t.Fatal("nothing was given up, so the disk was never full")
		}
		// Rolling up and forwarding go on too.
		roll(t, store, at)
		expire(t, store, time.Time{}, start.Add(time.Hour))
		stored -= 4 * 360
		b := inbox{t, store}
		b.forwarded(b.oldest(1000)...)

		// With room again the reserve comes back, and nothing more is given up.
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		lost = wantGivenUp(t, store)
		put(10, 150)
		if again := wantGivenUp(t, store); again != lost {
			t.Errorf("%d windows more lost their singletons with room again", again-lost)
		}
		if state(t, store).Full {
			t.Error("the store tells that the disk is full with room again")
		}
		if _, err := os.Stat(path + ".reserve"); err != nil {
			t.Errorf("the reserve with room again: %v", err)
		}
		if n := len(read(t, store, perigee.Query{})); n != stored {
			t.Errorf("%d windows, want %d", n, stored)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		var integrity string
		if err := foreign(t, path).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
			t.Errorf("integrity check: %s, %v", integrity, err)
		}
	})
}

// A daemon that is started on a full disk measures, too: its reserve is all it needs.
func TestAStoreOpensOnAFullDisk(t *testing.T) {
	onTinyDisk(t, 16<<20, func(t *testing.T, dir string) {
		path := filepath.Join(dir, "perigee.db")
		g := storagetest.NewGenerator(2)
		samples := g.Samples(start, 3000, storagetest.Stream("a", "x"))
		first, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, first, samples[:2900]...)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			t.Fatal(err)
		}
		filler{t, file}.fill()
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for _, s := range samples[2900:] {
			filler{t, file}.fill()
			put(t, store, s)
		}
		// What was given up first is room for more than this.
		if lost := wantLosses(t, store, len(samples)); lost != 2000 {
			t.Errorf("%d windows gave up their singletons, want 2000", lost)
		}
	})
}

// wantLosses checks that of so many windows, none expired, all are there, and that just
// the oldest lack their singletons, as many as events say. It returns how many.
func wantLosses(t *testing.T, store *sqlite.Store, windows int) int {
	t.Helper()
	lost, all := wantGivenUp(t, store), read(t, store, perigee.Query{})
	if len(all) != windows {
		t.Errorf("%d windows are there, want %d", len(all), windows)
	}
	var raw []perigee.Sample
	for s, err := range store.Singletons(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, s)
	}
	if len(raw)+lost != windows {
		t.Errorf("%d windows have singletons and %d gave them up, want %d together", len(raw), lost, windows)
	}
	if len(raw) > 0 && len(all) == windows && !raw[0].Start.Equal(all[lost].Start) {
		t.Errorf("the first singletons are of %v, want %v", raw[0].Start, all[lost].Start)
	}
	return lost
}

// wantGivenUp returns how many windows gave their singletons up, and checks that events
// say so of ranges that follow each other.
func wantGivenUp(t *testing.T, store *sqlite.Store) (lost int) {
	t.Helper()
	events, err := store.Events(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, e := range events {
		var n int
		var from, to string
		_, rest, _ := strings.Cut(e.Detail, "raw singletons of ")
		if _, err := fmt.Sscanf(rest, "%d windows that start from %s to %s", &n, &from, &to); err != nil || e.Kind != perigee.EventStoreFailed || e.Site != "home" {
			t.Errorf("event %+v: %v", e, err)
		}
		if from < last || to < from {
			t.Errorf("an event from %s after one to %s", from, last)
		}
		last = to
		lost += n
	}
	t.Logf("%d windows gave up their singletons in %d events", lost, len(events))
	return lost
}
