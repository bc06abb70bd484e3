package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"time"
)

// State is how large a store is and how far it reaches.
type State struct {
	File, Log int64 // bytes of the file and of the write-ahead log beside it
	Free      int64 // bytes of the file that are not in use

	// Windows is how many windows are kept at most: the number of the newest less that
	// of the oldest. They expire in the order of their starts, which is that of their
	// numbers but for imports of old results.
	Windows int64

	Oldest, Newest time.Time // starts of windows; zero if there are none

	// Full tells that the disk was when last written to: singletons are given up for
	// new results.
	Full bool

	// Damaged is how often a damaged file was set aside since the store was opened, Asides
	// how many such there are.
	Damaged, Asides int64
}

// windowEnds asks for the first and last start and number of windows. Each is the end of an
// index.
const windowEnds = `SELECT (SELECT min(start_ns) FROM windows), (SELECT max(start_ns) FROM windows),
	(SELECT min(id) FROM windows), (SELECT max(id) FROM windows)`

// State tells it. It looks up the ends of two indexes and the sizes in the file's header,
// however large the file is.
func (s *Store) State(ctx context.Context) (State, error) {
	st := State{Full: s.tight.Load()}
	err := s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var oldest, newest, first, last sql.NullInt64
		if err := tx.QueryRowContext(ctx, windowEnds).Scan(&oldest, &newest, &first, &last); err != nil {
			return err
		}
		if first.Valid {
			st.Windows, st.Oldest, st.Newest = last.Int64-first.Int64+1, moment(oldest.Int64), moment(newest.Int64)
		}
		return tx.QueryRowContext(ctx, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size").Scan(&st.Free)
	})
	if err == nil {
		st.File, err = sizeOf(s.path)
	}
	if err == nil {
		st.Log, err = sizeOf(s.path + "-wal")
	}
	if s.heal != nil {
		st.Damaged = s.heal.number.Load()
	}
	if err == nil {
		var asides []Aside
		asides, err = Asides(s.path)
		st.Asides = int64(len(asides))
	}
	return st, s.fail("tell its state", err)
}

// sizeOf returns the size of a file, 0 if there is none.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
