package sqlite

import (
	"context"
	"time"

	"perigee"
)

const (
	hour = int64(time.Hour)
	day  = 24 * hour
)

const (
	insertSingletons = "INSERT INTO singletons (start_ns, stream, packed) VALUES (?, ?, ?)"
	insertDirty      = "INSERT INTO dirty (length_ns, bucket_ns, stream) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
	insertWaiting    = "INSERT INTO waiting (stream, bucket_ns, windows) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET windows = windows + excluded.windows"
	insertOutage     = `INSERT INTO outages (start_ns, stream, end_ns, open, probes, reason) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET end_ns = excluded.end_ns, open = excluded.open, probes = excluded.probes, reason = excluded.reason
		WHERE (end_ns, open, probes, reason) IS NOT (excluded.end_ns, excluded.open, excluded.probes, excluded.reason)`
	insertGap    = "INSERT INTO gaps (start_ns, end_ns, site, link, reason, detail) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
	insertEvent  = "INSERT INTO events (time_ns, site, link, kind, detail) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
	extendStream = "UPDATE streams SET first_ns = min(coalesce(first_ns, ?1), ?1), last_ns = max(coalesce(last_ns, ?2), ?2) WHERE id = ?3"

	// An hour is sealed once its windows have expired: its row in hours is all
	// that is known of it, and cannot be merged again.
	hourSealed = `SELECT EXISTS (SELECT 1 FROM hours WHERE bucket_ns = ?1 AND stream = ?2)
		AND NOT EXISTS (SELECT 1 FROM windows WHERE start_ns >= ?1 AND start_ns < ?1 + 3600000000000 AND stream = ?2)`
)

var insertWindow = "INSERT INTO windows (" + columnList + ") VALUES (" + placeholders + ") ON CONFLICT (start_ns, stream) DO NOTHING"

// Append implements perigee.Store. A window that comes when the windows of its hour
// have expired already is acknowledged and dropped, as if it had expired with them.
func (s *Store) Append(ctx context.Context, b perigee.Batch) error {
	if err := check(b); err != nil {
		return err
	}
	packed, err := packAll(b.Samples)
	if err != nil {
		return err
	}
	return s.write(ctx, "append", func(ctx context.Context, w *writer) error {
		if err := w.samples(ctx, b.Samples, packed); err != nil {
			return err
		}
		for i := range b.Throughputs {
			if err := w.throughput(ctx, &b.Throughputs[i]); err != nil {
				return err
			}
		}
		for i := range b.Outages {
			if err := w.outage(ctx, &b.Outages[i]); err != nil {
				return err
			}
		}
		for _, g := range b.Gaps {
			if _, err := w.exec(ctx, insertGap, g.Start.UnixNano(), g.End.UnixNano(), g.Site, string(g.Link), string(g.Reason), g.Detail); err != nil {
				return err
			}
		}
		for _, e := range b.Events {
			if _, err := w.exec(ctx, insertEvent, e.Time.UnixNano(), e.Site, string(e.Link), string(e.Kind), e.Detail); err != nil {
				return err
			}
		}
		return nil
	})
}

// packAll packs the singletons of each sample, outside of the transaction.
func packAll(samples []perigee.Sample) ([][]byte, error) {
	all := make([][]byte, len(samples))
	for i := range samples {
		if len(samples[i].Singletons) == 0 {
			continue
		}
		packed, err := pack(samples[i].Singletons)
		if err != nil {
			return nil, invalid("sample of link %q refused: %v", samples[i].Stream.Link, err)
		}
		all[i] = packed
	}
	return all, nil
}

// bucket is an hour or a day of one stream.
type bucket struct {
	length, start, stream int64
}

// samples inserts the windows that are not there yet, counts them as waiting to be
// forwarded, and marks their hours and days.
func (w *writer) samples(ctx context.Context, samples []perigee.Sample, packed [][]byte) error {
	dirty := map[bucket]int64{} // with the number of new windows
	type reach struct{ first, last int64 }
	reached := map[int64]reach{}
	for i := range samples {
		s := &samples[i]
		stream, err := w.stream(ctx, s.Stream)
		if err != nil {
			return err
		}
		inserted, err := w.window(ctx, s, stream, packed[i])
		if err != nil {
			return err
		}
		if !inserted {
			continue
		}
		start, end := s.Start.UnixNano(), s.End().UnixNano()
		dirty[bucket{hour, floor(start, hour), stream}]++
		dirty[bucket{day, floor(start, day), stream}]++
		r, ok := reached[stream]
		if !ok {
			r = reach{start, end}
		}
		reached[stream] = reach{min(r.first, start), max(r.last, end)}
	}
	for b, windows := range dirty {
		if _, err := w.exec(ctx, insertDirty, b.length, b.start, b.stream); err != nil {
			return err
		}
		if b.length != hour {
			continue
		}
		if _, err := w.exec(ctx, insertWaiting, b.stream, b.start, windows); err != nil {
			return err
		}
	}
	for stream, r := range reached {
		if _, err := w.exec(ctx, extendStream, r.first, r.last, stream); err != nil {
			return err
		}
	}
	return nil
}

// window inserts one window and reports whether it was new.
func (w *writer) window(ctx context.Context, s *perigee.Sample, stream int64, packed []byte) (bool, error) {
	start := s.Start.UnixNano()
	sealed, err := w.number(ctx, hourSealed, floor(start, hour), stream)
	if err != nil || sealed > 0 {
		return false, err
	}
	proof, err := w.proof(ctx, s.Proof)
	if err != nil {
		return false, err
	}
	result, err := w.exec(ctx, insertWindow, sampleValues(s, stream, proof)...)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	if packed != nil {
		_, err = w.exec(ctx, insertSingletons, start, stream, packed)
	}
	return true, err
}

func (w *writer) outage(ctx context.Context, o *perigee.Outage) error {
	stream, err := w.stream(ctx, o.Stream)
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, insertOutage, o.Start.UnixNano(), stream, o.End.UnixNano(), o.Open, o.Probes, o.Reason)
	return err
}

// floor returns the last multiple of length that is not after ns.
func floor(ns, length int64) int64 {
	return ns - ((ns%length)+length)%length
}
