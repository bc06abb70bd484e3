package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// open returns a new store in a directory of the test's.
func open(t *testing.T) *sqlite.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "perigee.db"))
}

func openAt(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

func TestStoreConforms(t *testing.T) {
	storagetest.RunStore(t, func(t *testing.T) perigee.Store { return open(t) },
		storagetest.Properties{SingletonResolution: 500 * time.Nanosecond}) // rounded to 1 µs
}
