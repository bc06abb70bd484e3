package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"perigee"
)

// insertThroughput keeps what is there: a result never changes.
const insertThroughput = `INSERT INTO throughputs (stream, start_ns, length_ns, ramp_ns, bits_per_second, steady, error_ratio, whole_bits_per_second,
		bytes, wire_bytes, retransmitted_bytes, streams, congestion, server, stop, idle_p50, loaded_p50, packed)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (start_ns, stream) DO NOTHING`

// throughput inserts a result, unless it is there.
func (w *writer) throughput(ctx context.Context, t *perigee.Throughput) error {
	stream, err := w.stream(ctx, t.Stream)
	if err != nil {
		return err
	}
	median := func(l perigee.Latency) sql.NullFloat64 { return sql.NullFloat64{Float64: l.P50, Valid: l.Received > 0} }
	_, err = w.exec(ctx, insertThroughput, stream, t.Start.UnixNano(), int64(t.Length), int64(t.Ramp),
		t.Rate, t.Steady, sql.NullFloat64{Float64: t.Error, Valid: t.Error >= 0}, t.WholeRate,
		t.Bytes, t.WireBytes, sql.NullInt64{Int64: t.Retransmitted, Valid: t.Retransmitted >= 0},
		t.Streams, t.Congestion, t.Server, string(t.Stop), median(t.Idle), median(t.Loaded), t.Pack(nil))
	return err
}

// checkThroughput refuses what cannot be stored as it is.
func checkThroughput(t *perigee.Throughput) error {
	if err := storable("throughput", t.Start); err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("throughput of link %q at %s refused", t.Stream.Link, t.Start.UTC().Format(time.RFC3339Nano)), Err: err}
	}
	return nil
}

// Throughputs implements perigee.Store.
func (s *Store) Throughputs(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Throughput, error] {
	return func(yield func(perigee.Throughput, error) bool) {
		if err := s.throughputs(ctx, q, yield); err != nil {
			yield(perigee.Throughput{}, s.fail("read throughputs", err))
		}
	}
}

func (s *Store) throughputs(ctx context.Context, q perigee.Query, yield func(perigee.Throughput, error) bool) error {
	r := &throughputReader{query: q, names: newNames()}
	r.after.start, r.to = span(q)
	return yieldPages(ctx, s, r, func(t *perigee.Throughput) time.Time { return t.Start },
		func(a, b perigee.Throughput) int { return a.Stream.Compare(b.Stream) }, yield)
}

// throughputReader reads throughputs page by page.
type throughputReader struct {
	query perigee.Query
	names *names

	after struct{ start, stream int64 } // the last row read; stream 0 comes before all
	to    int64
	done  bool
}

func (r *throughputReader) ended() bool { return r.done }

// throughputsAfter begins the query of a page.
const throughputsAfter = "SELECT stream, start_ns, packed FROM throughputs WHERE (start_ns, stream) > (?, ?) AND start_ns < ?"

func (r *throughputReader) next(ctx context.Context, tx *sql.Tx) ([]perigee.Throughput, error) {
	if err := r.names.updateStreams(ctx, tx); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, throughputsAfter+r.names.condition(r.query)+" ORDER BY start_ns, stream LIMIT ?", r.after.start, r.after.stream, r.to, page)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []perigee.Throughput
	for rows.Next() {
		var packed sql.RawBytes
		if err := rows.Scan(&r.after.stream, &r.after.start, &packed); err != nil {
			return nil, err
		}
		t, err := r.names.throughput(r.after.stream, r.after.start, packed)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	r.done = len(list) < page
	return list, rows.Err()
}

// throughput returns the result of a row.
func (n *names) throughput(stream, start int64, packed []byte) (perigee.Throughput, error) {
	s, known := n.streams[stream]
	if !known {
		return perigee.Throughput{}, fmt.Errorf("stream %d is not in the table of streams", stream)
	}
	t := perigee.Throughput{Stream: s, Start: moment(start)}
	if err := t.Unpack(packed); err != nil {
		return t, fmt.Errorf("throughput of stream %d at %d: %w", stream, start, err)
	}
	return t, nil
}
