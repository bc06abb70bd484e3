package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"perigee"
)

// Instance returns the identity of this store, 8 hexadecimal digits: made at random with
// the file, and the same for as long as that lives.
func (s *Store) Instance(ctx context.Context) (id string, err error) {
	err = s.reader().QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'instance'").Scan(&id)
	return id, s.fail("read the instance", err)
}

// Pending tells what waits to be forwarded: how many entries, the earliest time among
// them (zero if there are none), and how many were set aside.
func (s *Store) Pending(ctx context.Context) (entries int64, oldest time.Time, deadLetters int64, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var first, bucket sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(windows), 0) FROM waiting) + (SELECT count(*) FROM pending), (SELECT count(*) FROM dead_letters),
			(SELECT min(time_ns) FROM pending), (SELECT min(bucket_ns) FROM waiting)`).Scan(&entries, &deadLetters, &first, &bucket)
		if err != nil {
			return err
		}
		if bucket.Valid {
			var start int64
			err := tx.QueryRowContext(ctx, firstWaiting, bucket.Int64, bucket.Int64+hour).Scan(&start)
			if err != nil {
				return err
			}
			if !first.Valid || start < first.Int64 {
				first = sql.NullInt64{Int64: start, Valid: true}
			}
		}
		if first.Valid {
			oldest = moment(first.Int64)
		}
		return nil
	})
	return entries, oldest, deadLetters, s.fail("read what is pending", err)
}

// firstWaiting finds the start of the first window in a range of starts that waits.
const firstWaiting = `SELECT start_ns FROM windows WHERE start_ns >= ? AND start_ns < ?
	AND id > coalesce((SELECT last_id FROM forwarded WHERE first_id <= id ORDER BY first_id DESC LIMIT 1), 0) ORDER BY start_ns LIMIT 1`

// Oldest returns up to n pending entries. Hours come first, those of a stream in order
// of time, and only when none of its windows that start before the hour's end waits;
// then windows, throughputs, outages, gaps and events in the order in which they were
// stored.
func (s *Store) Oldest(ctx context.Context, n int) ([]perigee.Entry, error) {
	return s.entries(ctx, n, false)
}

// Newest returns up to n pending windows, throughputs, outages, gaps and events, those
// stored last first.
func (s *Store) Newest(ctx context.Context, n int) ([]perigee.Entry, error) {
	return s.entries(ctx, n, true)
}

func (s *Store) entries(ctx context.Context, n int, newest bool) ([]perigee.Entry, error) {
	if n <= 0 {
		return nil, nil
	}
	var list []perigee.Entry
	reads := s.reader()
	err := snapshotOf(ctx, reads, func(ctx context.Context, tx *sql.Tx) error {
		r, err := s.entryReader(ctx, reads, tx)
		if err != nil {
			return err
		}
		defer s.release(r)
		if !newest {
			if list, err = r.hours(ctx, tx, n); err != nil {
				return err
			}
		}
		records, after, err := r.records(ctx, tx, n-len(list), newest)
		if err != nil {
			return err
		}
		windows, err := r.windows(ctx, tx, n-len(list), newest)
		if err != nil {
			return err
		}
		for len(list) < n && len(windows)+len(records) > 0 {
			// A record comes after the windows that were stored before it.
			if len(records) == 0 || len(windows) > 0 && (windows[0].ID <= after[0]) != newest {
				list, windows = append(list, windows[0]), windows[1:]
			} else {
				list, records, after = append(list, records[0]), records[1:], after[1:]
			}
		}
		return nil
	})
	return list, s.fail("read what is pending", err)
}

// entryReader reads entries. It keeps the names that it has read from one use to the
// next: nothing that an entry costs may grow with the file.
type entryReader struct {
	reads  *sql.DB // what the names are of
	names  *names
	orbits map[orbitKey][]orbitSince
}

type orbitKey struct {
	site string
	link perigee.LinkID
}

// orbitSince is in effect for windows with a greater id than after.
type orbitSince struct {
	after int64
	orbit perigee.Orbit
}

// entryReader returns a reader that knows all names of tx; it is to be released.
func (s *Store) entryReader(ctx context.Context, reads *sql.DB, tx *sql.Tx) (*entryReader, error) {
	r := &entryReader{reads: reads, orbits: map[orbitKey][]orbitSince{}}
	s.entryNamesMutex.Lock()
	if s.entryNamesOf == reads {
		r.names, s.entryNames = s.entryNames, nil
	}
	s.entryNamesMutex.Unlock()
	if r.names == nil { // the first, or another uses it
		r.names = newNames()
	}
	if err := r.names.update(ctx, tx); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT site, link, after_id, orbit FROM link_orbits ORDER BY site, link, after_id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k orbitKey
		var o orbitSince
		if err := rows.Scan(&k.site, &k.link, &o.after, &o.orbit); err != nil {
			return nil, err
		}
		r.orbits[k] = append(r.orbits[k], o)
	}
	return r, rows.Err()
}

// release lets the next reader have the names of r.
func (s *Store) release(r *entryReader) {
	s.entryNamesMutex.Lock()
	s.entryNames, s.entryNamesOf = r.names, r.reads
	s.entryNamesMutex.Unlock()
}

// orbit returns the orbit in effect when window id was stored.
func (r *entryReader) orbit(stream perigee.Stream, id int64) (orbit perigee.Orbit) {
	for _, o := range r.orbits[orbitKey{stream.Site, stream.Link}] {
		if id > o.after {
			orbit = o.orbit
		}
	}
	return orbit
}

// windows returns up to n windows that wait.
func (r *entryReader) windows(ctx context.Context, tx *sql.Tx, n int, newest bool) ([]perigee.Entry, error) {
	order := " ORDER BY id"
	if newest {
		order += " DESC"
	}
	var list []perigee.Entry
	row := newSampleRow()
	err := unforwarded(ctx, tx, newest, func(ids idRange) (bool, error) {
		rows, err := tx.QueryContext(ctx, "SELECT id, "+columnList+" FROM windows WHERE id >= ? AND id <= ?"+order+" LIMIT ?", ids.first, ids.last, n-len(list))
		if err != nil {
			return false, err
		}
		defer rows.Close()
		for rows.Next() {
			e := perigee.Entry{Kind: perigee.EntryWindow}
			if err := r.sample(rows, row, &e); err != nil {
				return false, err
			}
			e.Orbit = r.orbit(e.Sample.Stream, e.ID)
			list = append(list, e)
		}
		return len(list) < n, rows.Err()
	})
	return list, err
}

// sample scans an id and a sample into e, and more columns where further says.
func (r *entryReader) sample(rows *sql.Rows, row *sampleRow, e *perigee.Entry, further ...any) error {
	if err := rows.Scan(slices.Concat([]any{&e.ID}, row.columns, further)...); err != nil {
		return err
	}
	sample, err := row.decode(r.names)
	e.Sample = &sample
	return err
}

// hours returns up to n hours that wait and of whose stream no earlier window does.
func (r *entryReader) hours(ctx context.Context, tx *sql.Tx, n int) ([]perigee.Entry, error) {
	streams, err := hourStreams(ctx, tx)
	if err != nil {
		return nil, err
	}
	var list []perigee.Entry
	for _, stream := range streams {
		if list, err = r.streamHours(ctx, tx, list, stream, n); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b perigee.Entry) int {
		return cmp.Or(a.Time().Compare(b.Time()), a.Sample.Stream.Compare(b.Sample.Stream))
	})
	return list[:min(n, len(list))], nil
}

// hourStreams returns the streams that hours wait of. There may be thousands of streams,
// and mostly no hour of any.
func hourStreams(ctx context.Context, tx *sql.Tx) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT stream FROM pending WHERE kind = 'hour' GROUP BY stream")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var streams []int64
	for rows.Next() {
		var stream int64
		if err := rows.Scan(&stream); err != nil {
			return nil, err
		}
		streams = append(streams, stream)
	}
	return streams, rows.Err()
}

func (r *entryReader) streamHours(ctx context.Context, tx *sql.Tx, list []perigee.Entry, stream int64, n int) ([]perigee.Entry, error) {
	rows, err := tx.QueryContext(ctx, hoursDue, stream, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	row := newSampleRow()
	for rows.Next() {
		e := perigee.Entry{Kind: perigee.EntryHour}
		if err := r.sample(rows, row, &e, &e.Orbit); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// hoursDue finds the hours of a stream that may be forwarded. Start and bucket of an
// hour lie within one hour, in which nothing else of the stream starts.
var hoursDue = `SELECT p.id, ` + qualify("h", sampleColumns) + `, h.orbit FROM pending p
	JOIN hours h ON h.stream = p.stream AND h.bucket_ns = p.time_ns - ((p.time_ns % 3600000000000) + 3600000000000) % 3600000000000
	WHERE p.stream = ?1 AND p.kind = 'hour'
		AND p.time_ns < coalesce((SELECT bucket_ns FROM waiting WHERE stream = ?1 ORDER BY bucket_ns LIMIT 1), 9223372036854775807)
	ORDER BY p.time_ns LIMIT ?2`

// recordsWaiting selects the throughputs, outages, gaps and events that wait.
const recordsWaiting = `SELECT p.id, p.kind, p.after_id, p.time_ns, p.stream, p.site, p.link, p.end_ns, p.name, p.detail, coalesce(o.orbit, p.orbit, ''),
		o.end_ns, o.open, o.probes, o.reason, t.packed
	FROM pending p LEFT JOIN outages o ON p.kind = 'outage' AND o.start_ns = p.time_ns AND o.stream = p.stream
	LEFT JOIN throughputs t ON p.kind = 'throughput' AND t.start_ns = p.time_ns AND t.stream = p.stream
	WHERE p.kind <> 'hour'`

// records returns up to n throughputs, outages, gaps and events that wait, and for each
// the id of the last window that was stored before it.
func (r *entryReader) records(ctx context.Context, tx *sql.Tx, n int, newest bool) (list []perigee.Entry, after []int64, err error) {
	order := " ORDER BY p.id"
	if newest {
		order += " DESC"
	}
	rows, err := tx.QueryContext(ctx, recordsWaiting+order+" LIMIT ?", n)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e perigee.Entry
		var afterID, at int64
		var stream, end, outageEnd, probes sql.NullInt64
		var site, link, name, detail, reason sql.NullString
		var open sql.NullBool
		var packed sql.RawBytes
		if err := rows.Scan(&e.ID, &e.Kind, &afterID, &at, &stream, &site, &link, &end, &name, &detail, &e.Orbit, &outageEnd, &open, &probes, &reason, &packed); err != nil {
			return nil, nil, err
		}
		switch e.Kind {
		case perigee.EntryThroughput:
			t, err := r.names.throughput(stream.Int64, at, packed)
			if err != nil {
				return nil, nil, err
			}
			e.Throughput = &t
		case perigee.EntryOutage:
			e.Outage = &perigee.Outage{Stream: r.names.streams[stream.Int64], Start: moment(at), End: moment(outageEnd.Int64), Open: open.Bool, Probes: probes.Int64, Reason: reason.String}
		case perigee.EntryGap:
			e.Gap = &perigee.Gap{Site: site.String, Link: perigee.LinkID(link.String), Start: moment(at), End: moment(end.Int64), Reason: perigee.GapReason(name.String), Detail: detail.String}
		case perigee.EntryEvent:
			e.Event = &perigee.Event{Site: site.String, Link: perigee.LinkID(link.String), Time: moment(at), Kind: perigee.EventKind(name.String), Detail: detail.String}
		default:
			return nil, nil, errors.New("unknown kind " + string(e.Kind) + " in table pending")
		}
		list, after = append(list, e), append(after, afterID)
	}
	return list, after, rows.Err()
}

// Forwarded records that the sink acknowledged entries: they are pending no more. An
// outage or hour that was replaced since it was handed out stays pending, and what is
// not pending, link states included, changes nothing.
func (s *Store) Forwarded(ctx context.Context, entries []perigee.Entry) error {
	var windows []int64
	for _, e := range entries {
		if e.Kind == perigee.EntryWindow {
			windows = append(windows, e.ID)
		}
	}
	slices.Sort(windows)
	return s.write(ctx, "record what was forwarded", func(ctx context.Context, w *writer) error {
		for i := 0; i < len(windows); {
			r := idRange{windows[i], windows[i]}
			for i++; i < len(windows) && windows[i] <= r.last+1; i++ {
				r.last = windows[i]
			}
			if _, err := w.forward(ctx, r); err != nil {
				return err
			}
		}
		for _, e := range entries {
			if e.Kind == perigee.EntryWindow {
				continue
			}
			if _, err := w.exec(ctx, "DELETE FROM pending WHERE id = ? AND kind = ?", e.ID, string(e.Kind)); err != nil {
				return err
			}
		}
		return nil
	})
}
