package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"time"
)

// pages is a reader of rows that come page by page, by start and stream number.
type pages[T any] interface {
	// next reads the next page.
	next(ctx context.Context, tx *sql.Tx) ([]T, error)

	// ended reports whether that was the last.
	ended() bool
}

// yieldPages yields all rows until yield returns false. Those of equal start, of which
// there are as many as streams at most, are put in order here.
func yieldPages[T any](ctx context.Context, s *Store, r pages[T], start func(*T) time.Time, order func(a, b T) int, yield func(T, error) bool) error {
	var group []T
	flush := func() bool {
		slices.SortFunc(group, order)
		for i := range group {
			if ctx.Err() != nil || !yield(group[i], nil) {
				return false
			}
		}
		group = group[:0]
		return true
	}
	for reads := s.reader(); !r.ended(); {
		var found []T
		err := snapshotOf(ctx, reads, func(ctx context.Context, tx *sql.Tx) (err error) {
			found, err = r.next(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		for i := range found {
			if len(group) > 0 && !start(&group[0]).Equal(start(&found[i])) && !flush() {
				return ctx.Err()
			}
			group = append(group, found[i])
		}
	}
	flush()
	return ctx.Err()
}
