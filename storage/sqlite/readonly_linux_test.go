package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"perigee"
	"perigee/storage/sqlite"
)

// A disk that the kernel made read-only may be mended: whoever starts the program again is
// not told to give up, as with a permission that is missing.
func TestAReadOnlyDiskIsUnavailable(t *testing.T) {
	onTinyDisk(t, 24<<20, func(t *testing.T, dir string) {
		path := filepath.Join(dir, "perigee.db")
		open := func() error {
			store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				return err
			}
			return store.Close()
		}
		if err := open(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		err := open()
		if e, ok := errors.AsType[*perigee.Error](err); !ok || e.Code != perigee.CodeUnavailable || !strings.Contains(err.Error(), "the disk is read-only") {
			t.Errorf("%v, want CodeUnavailable and that the disk is read-only", err)
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		if err := open(); err != nil {
			t.Errorf("writable again: %v", err)
		}
	})
}
