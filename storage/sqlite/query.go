package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"iter"
	"slices"
	"time"

	"perigee"
)

// page is how many windows are read at once, from one snapshot of the file. Between
// pages nothing is held, so that a slow caller delays nobody.
const page = 256

// Samples implements perigee.Store. An hour or day that has no up-to-date rollup yet,
// such as the current one, is merged as it is read.
func (s *Store) Samples(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		var err error
		switch q.Resolution {
		case perigee.Windows, "":
			err = s.windows(ctx, q, false, yield)
		case perigee.Hours:
			err = s.rollups(ctx, q, hours, yield)
		case perigee.Days:
			err = s.rollups(ctx, q, days, yield)
		default:
			err = invalid("unknown resolution %q: use window, hour or day", q.Resolution)
		}
		if err != nil {
			yield(perigee.Sample{}, s.fail("read samples", err))
		}
	}
}

// Singletons implements perigee.Store.
func (s *Store) Singletons(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		var err error
		if q.Resolution != "" && q.Resolution != perigee.Windows {
			err = invalid("singletons are kept with windows, not with resolution %q", q.Resolution)
		} else {
			err = s.windows(ctx, q, true, yield)
		}
		if err != nil {
			yield(perigee.Sample{}, s.fail("read singletons", err))
		}
	}
}

// windows yields the windows that q selects until yield returns false.
func (s *Store) windows(ctx context.Context, q perigee.Query, raw bool, yield func(perigee.Sample, error) bool) error {
	r := &windowReader{query: q, raw: raw, names: newNames(), row: newSampleRow()}
	r.after.start, r.to = span(q)
	return yieldPages(ctx, s, r, func(sample *perigee.Sample) time.Time { return sample.Start }, inOrder, yield)
}

func inOrder(a, b perigee.Sample) int {
	return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
}

// snapshot runs read on an unchanging view of the file. ctx bounds the wait for a
// connection; read, which must be short, is not interrupted: the driver would watch
// for it at each row.
func (s *Store) snapshot(ctx context.Context, read func(context.Context, *sql.Tx) error) error {
	return snapshotOf(ctx, s.reader(), read)
}

// snapshotOf is snapshot for who reads on where it read before: the numbers of streams of
// one file mean nothing in another.
func snapshotOf(ctx context.Context, reads *sql.DB, read func(context.Context, *sql.Tx) error) error {
	conn, err := reads.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return read(ctx, tx)
}

// windowReader reads windows page by page.
type windowReader struct {
	query perigee.Query
	raw   bool // with singletons, and only those that have them
	names *names
	row   *sampleRow

	after struct{ start, stream int64 } // the last row read; stream 0 comes before all
	to    int64
	done  bool
}

func (r *windowReader) ended() bool { return r.done }

func (r *windowReader) next(ctx context.Context, tx *sql.Tx) ([]perigee.Sample, error) {
	if err := r.names.update(ctx, tx); err != nil {
		return nil, err
	}
	text := "SELECT " + columnList + " FROM windows"
	columns := r.row.columns
	if r.raw {
		text = "SELECT " + columnList + ", packed FROM windows JOIN singletons USING (start_ns, stream)"
		columns = append(slices.Clip(columns), &r.row.packed)
	}
	text += " WHERE (start_ns, stream) > (?, ?) AND start_ns < ?" + r.names.condition(r.query) + " ORDER BY start_ns, stream LIMIT ?"
	rows, err := tx.QueryContext(ctx, text, r.after.start, r.after.stream, r.to, page)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	samples := make([]perigee.Sample, 0, page)
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return nil, err
		}
		sample, err := r.row.decode(r.names)
		if err != nil {
			return nil, err
		}
		if r.raw {
			if sample.Singletons, err = unpack(r.row.packed); err != nil {
				return nil, err
			}
		}
		samples = append(samples, sample)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	r.after.start, r.after.stream = r.row.start, r.row.stream
	r.done = len(samples) < page
	return samples, nil
}
