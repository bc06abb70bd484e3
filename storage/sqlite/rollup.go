package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"perigee"
)

// A rollup is a table of samples merged from shorter ones.
type rollup struct {
	table  string
	length int64 // nanoseconds

	// merge makes the sample of a bucket anew. It reports false if there is
	// nothing to make it from.
	merge func(context.Context, queryer, *names, bucket) (perigee.Sample, bool, error)
}

var (
	hours = rollup{table: "hours", length: hour, merge: mergeWindows}
	days  = rollup{table: "days", length: day, merge: mergeHours}
)

// mergeWindows merges an hour from its windows.
func mergeWindows(ctx context.Context, q queryer, n *names, b bucket) (perigee.Sample, bool, error) {
	return merge(ctx, q, n, "windows", "start_ns", b)
}

// mergeHours merges a day from its hours: those that are up to date as they are
// stored, the others from their windows.
func mergeHours(ctx context.Context, q queryer, n *names, b bucket) (merged perigee.Sample, any bool, err error) {
	dirty, err := dirtyBuckets(ctx, q, "stream = ? AND length_ns = ? AND bucket_ns >= ? AND bucket_ns < ? ORDER BY bucket_ns",
		b.stream, hour, b.start, b.start+b.length)
	if err != nil {
		return merged, false, err
	}
	for start := b.start; start < b.start+b.length; start += hour {
		part := bucket{hour, start, b.stream}
		table, column := "hours", "bucket_ns"
		if slices.Contains(dirty, part) {
			table, column = "windows", "start_ns"
		}
		sample, ok, err := merge(ctx, q, n, table, column, part)
		if err != nil {
			return merged, false, err
		}
		if ok {
			merged.Merge(sample)
			any = true
		}
	}
	return merged, any, nil
}

// merge merges the rows of a table whose column lies in b, in order of start.
func merge(ctx context.Context, q queryer, n *names, table, column string, b bucket) (merged perigee.Sample, any bool, err error) {
	rows, err := q.QueryContext(ctx, "SELECT "+columnList+" FROM "+table+" WHERE stream = ? AND "+column+" >= ? AND "+column+" < ? ORDER BY "+column,
		b.stream, b.start, b.start+b.length)
	if err != nil {
		return merged, false, err
	}
	defer rows.Close()
	row := newSampleRow()
	for rows.Next() {
		if err := rows.Scan(row.columns...); err != nil {
			return merged, false, err
		}
		sample, err := row.decode(n)
		if err != nil {
			return merged, false, err
		}
		merged.Merge(sample)
		any = true
	}
	return merged, any, rows.Err()
}

// dirtyBuckets returns the buckets of table dirty that satisfy a condition.
func dirtyBuckets(ctx context.Context, q queryer, condition string, values ...any) ([]bucket, error) {
	rows, err := q.QueryContext(ctx, "SELECT length_ns, bucket_ns, stream FROM dirty WHERE "+condition, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []bucket
	for rows.Next() {
		var b bucket
		if err := rows.Scan(&b.length, &b.start, &b.stream); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// rollBatch is how many hours or days are merged in one transaction: other writes
// wait for it.
const rollBatch = 4

// Roll brings the rollups of hours and days that ended by now up to date. It may be
// interrupted at any point and repeated at any time: an hour is always merged anew
// from its windows, and marked as done in the same transaction.
func (s *Store) Roll(ctx context.Context, now time.Time) error {
	for _, r := range []rollup{hours, days} {
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return s.fail("roll up", err)
			}
			err := s.write(ctx, "roll up", func(ctx context.Context, w *writer) error {
				due, err := dirtyBuckets(ctx, w.conn, "length_ns = ? AND bucket_ns <= ? ORDER BY bucket_ns LIMIT ?", r.length, bound(now, 0)-r.length, rollBatch)
				if err != nil {
					return err
				}
				more = len(due) == rollBatch
				for _, b := range due {
					if err := w.roll(ctx, r, b); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// roll makes the row of one bucket and takes its mark away.
func (w *writer) roll(ctx context.Context, r rollup, b bucket) error {
	if err := w.names.update(ctx, w.conn); err != nil {
		return err
	}
	sample, ok, err := r.merge(ctx, w.conn, w.names, b)
	if err != nil {
		return err
	}
	if ok {
		proof, err := w.proof(ctx, sample.Proof)
		if err != nil {
			return err
		}
		values := append(sampleValues(&sample, b.stream, proof), b.start)
		if _, err := w.exec(ctx, "INSERT INTO "+r.table+" ("+columnList+", bucket_ns) VALUES ("+placeholders+", ?) ON CONFLICT (bucket_ns, stream) DO UPDATE SET "+assignments, values...); err != nil {
			return err
		}
	}
	_, err = w.exec(ctx, "DELETE FROM dirty WHERE length_ns = ? AND bucket_ns = ? AND stream = ?", b.length, b.start, b.stream)
	return err
}

// bucketPage is how many hours or days are read at once, each of all streams.
const bucketPage = 24

// rollups yields the hours or days that q selects until yield returns false.
func (s *Store) rollups(ctx context.Context, q perigee.Query, r rollup, yield func(perigee.Sample, error) bool) error {
	n := newNames()
	from, to := span(q)
	next := floor(max(from, math.MinInt64+r.length), r.length)
	for reads := s.reader(); ; {
		var samples []perigee.Sample
		var more bool
		cancelled := ctx.Err
		err := snapshotOf(ctx, reads, func(ctx context.Context, tx *sql.Tx) (err error) {
			if err := n.update(ctx, tx); err != nil {
				return err
			}
			starts, err := bucketStarts(ctx, tx, r, next, to)
			if err != nil || len(starts) == 0 {
				return err
			}
			first, last := starts[0], starts[len(starts)-1]
			next, more = last+r.length, len(starts) == bucketPage
			samples, err = readBuckets(ctx, tx, n, q, r, first, last, cancelled)
			return err
		})
		if err != nil {
			return err
		}
		for _, sample := range samples {
			if start := sample.Start.UnixNano(); start < from || start >= to {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(sample, nil) {
				return nil
			}
		}
		if !more {
			return ctx.Err()
		}
	}
}

// bucketStarts returns the next buckets that hold anything, of any stream.
func bucketStarts(ctx context.Context, q queryer, r rollup, from, to int64) ([]int64, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT * FROM (SELECT DISTINCT bucket_ns FROM `+r.table+` WHERE bucket_ns >= ?1 AND bucket_ns < ?2 ORDER BY bucket_ns LIMIT ?4)
		UNION
		SELECT * FROM (SELECT DISTINCT bucket_ns FROM dirty WHERE length_ns = ?3 AND bucket_ns >= ?1 AND bucket_ns < ?2 ORDER BY bucket_ns LIMIT ?4)
		ORDER BY 1 LIMIT ?4`, from, to, r.length, bucketPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var starts []int64
	for rows.Next() {
		var start int64
		if err := rows.Scan(&start); err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, rows.Err()
}

// readBuckets returns the samples of the buckets from first to last, in order: as
// stored where up to date, merged anew elsewhere, until cancelled returns an error.
func readBuckets(ctx context.Context, tx *sql.Tx, n *names, q perigee.Query, r rollup, first, last int64, cancelled func() error) ([]perigee.Sample, error) {
	streams := n.condition(q)
	dirty, err := dirtyBuckets(ctx, tx, "length_ns = ? AND bucket_ns >= ? AND bucket_ns <= ?"+streams, r.length, first, last)
	if err != nil {
		return nil, err
	}
	columns := columnList
	if q.Lean {
		columns = leanColumns
	}
	samples, err := readClean(ctx, tx, n, r, columns, first, last, streams)
	if err != nil {
		return nil, err
	}
	for _, b := range dirty {
		if err := cancelled(); err != nil {
			return nil, err
		}
		sample, ok, err := r.merge(ctx, tx, n, b)
		if err != nil {
			return nil, err
		}
		if ok {
			samples = append(samples, sample)
		}
	}
	slices.SortFunc(samples, inOrder)
	return samples, nil
}

// readClean returns the stored samples of buckets that are not dirty, of columns that are
// columnList or leanColumns.
func readClean(ctx context.Context, q queryer, n *names, r rollup, columns string, first, last int64, streams string) ([]perigee.Sample, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+columns+" FROM "+r.table+" t WHERE bucket_ns >= ?1 AND bucket_ns <= ?2"+streams+`
		AND NOT EXISTS (SELECT 1 FROM dirty d WHERE d.length_ns = ?3 AND d.bucket_ns = t.bucket_ns AND d.stream = t.stream)`, first, last, r.length)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var samples []perigee.Sample
	row := newSampleRow()
	for rows.Next() {
		if err := rows.Scan(row.columns...); err != nil {
			return nil, err
		}
		sample, err := row.decode(n)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample)
	}
	return samples, rows.Err()
}
