package sqlite

import (
	"context"
	"slices"

	"perigee"
)

// Each kind of row is carried over in its own way.

// rollups carries hours or days over, those that ended before the damage.
func (v *salvager) rollups(ctx context.Context, r rollup) error {
	_, err := v.walk(ctx, r.table, func(id int64, row []any) {
		start, ok := row[0].(int64)
		if !ok || start%r.length != 0 || start+r.length > v.job.cut {
			return
		}
		v.mendProof(row[1:])
		if s, ok := v.sample(v.row, row[1:]); ok {
			v.batch = append(v.batch, carried{id, row, s})
		}
	}, func(ctx context.Context, w *writer) error {
		for _, row := range v.batch {
			before, err := w.lastPending(ctx)
			if err != nil {
				return err
			}
			put, err := v.put(ctx, w, r.table, row.values)
			if err != nil || !put {
				if err != nil {
					return err
				}
				continue
			}
			v.job.rows++
			if r.table != "hours" {
				continue
			}
			stream := row.values[1].(int64)
			if _, err := w.exec(ctx, "UPDATE hours SET orbit = ? WHERE bucket_ns = ? AND stream = ?", row.values[len(row.values)-1], row.values[0], stream); err != nil && !refused(err) {
				return err
			}
			if err := v.waits(ctx, w, before, pendingKey{"hour", stream, row.sample.Start.UnixNano()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || r.table != "days" {
		return err
	}
	return v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		_, err := w.exec(ctx, dirtyDays)
		return err
	})
}

// dirtyDays marks days that are not there, of which hours are.
const dirtyDays = `INSERT INTO dirty (length_ns, bucket_ns, stream)
	SELECT DISTINCT 86400000000000, h.bucket_ns - h.bucket_ns % 86400000000000, h.stream FROM hours h
	WHERE NOT EXISTS (SELECT 1 FROM days d WHERE d.bucket_ns = h.bucket_ns - h.bucket_ns % 86400000000000 AND d.stream = h.stream)
	ON CONFLICT DO NOTHING`

// mendProof names the proof of a sample that is lost as one that says nothing.
func (v *salvager) mendProof(row []any) {
	const place = 5 // of sampleColumns
	id, ok := row[place].(int64)
	if _, known := v.names.proofs[id]; ok && known {
		return
	}
	v.names.proofs[v.noProof] = perigee.Proof{}
	row[place] = v.noProof
}

// transfers carries throughputs over.
func (v *salvager) transfers(ctx context.Context) error {
	_, err := v.walk(ctx, "throughputs", func(id int64, row []any) {
		stream, ok := row[1].(int64)
		start, timed := row[2].(int64)
		packed, whole := row[len(row)-1].([]byte)
		if !ok || !timed || !whole || !plausibleTime(start) {
			return
		}
		t, err := v.names.throughput(stream, start, packed)
		if err != nil || checkThroughput(&t) != nil {
			return
		}
		v.batch = append(v.batch, carried{id: id, values: row})
	}, func(ctx context.Context, w *writer) error {
		for _, row := range v.batch {
			before, err := w.lastPending(ctx)
			if err != nil {
				return err
			}
			put, err := v.put(ctx, w, "throughputs", row.values)
			if err != nil {
				return err
			}
			if !put {
				continue
			}
			v.job.rows++
			if err := v.waits(ctx, w, before, pendingKey{"throughput", row.values[1].(int64), row.values[2].(int64)}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// account carries over what was moved before what was carried over at once.
func (v *salvager) account(ctx context.Context) error {
	_, err := v.walk(ctx, "traffic_quarters", func(_ int64, row []any) {
		if at, ok := moved(row); ok && at < v.recent() {
			v.batch = append(v.batch, carried{values: row})
		}
	}, func(ctx context.Context, w *writer) error {
		for _, row := range v.batch {
			put, err := v.put(ctx, w, "traffic_quarters", row.values)
			if err != nil {
				return err
			}
			if put {
				v.job.rows++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		return v.owedTraffic(ctx, w, func(day int64) bool { return day < v.recent() })
	})
}

// windows carries windows over, and records what is lost of them.
func (v *salvager) windows(ctx context.Context) error {
	v.lost = nil
	came := v.job.at // the least id that was carried over in an earlier life
	take := func(id int64, row []any) bool {
		v.mendProof(row[1:])
		s, ok := v.sample(v.row, row[1:])
		if ok = ok && id > 0; ok {
			v.batch = append(v.batch, carried{id, row, s})
		}
		return ok
	}
	bad, err := v.walk(ctx, "windows", func(id int64, row []any) {
		if came > 0 && id >= came {
			return
		}
		if !take(id, row) {
			v.lost = append(v.lost, idRange{id, id})
		}
	}, v.storeWindows)
	if err != nil {
		return err
	}
	v.lost = merged(append(v.lost, bad...))
	if err := v.orphans(ctx, take); err != nil {
		return err
	}
	return v.recordLost(ctx)
}

// orphans carries over windows that lie below a page which cannot be read: whole leaves
// that nothing points to any more. A leaf of windows is known by its rows: they have as
// many columns, the first of which is empty, as it is the row's number, and no other table
// has such. Windows never change, so that an older version of a page is as good, and what
// had expired will again.
func (v *salvager) orphans(ctx context.Context, take func(int64, []any) bool) error {
	if len(v.lost) == 0 {
		return nil
	}
	t := v.tables["windows"]
	lost := func(id int64) bool {
		return slices.ContainsFunc(v.lost, func(r idRange) bool { return r.first <= id && id <= r.last })
	}
	at := v.job.at
	for number := v.pages; number > 1; number-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, ok := v.page(number)
		if !ok || b[0] != leafTable {
			continue
		}
		w := walk{image: v.image, seen: map[uint32]bool{}, rows: func(id int64, values []any) bool {
			if row, ok := t.row(id, values); ok && len(values) == len(t.columns) && values[0] == nil && lost(id) {
				take(id, row)
			}
			return true
		}}
		w.node(number, b, idRange{1, 1<<63 - 1}, 0, 0)
		if len(v.batch) >= salvageBatch {
			if err := v.flush(ctx, v.storeWindows); err != nil {
				return err
			}
		}
	}
	err := v.flush(ctx, v.storeWindows)
	v.job.at = at // it is looked for again if that is interrupted
	return err
}

// storeWindows stores the batch as windows.
func (v *salvager) storeWindows(ctx context.Context, w *writer) error {
	waiting := map[bucket]int64{}
	dirty := map[bucket]bool{}
	type reach struct{ first, last int64 }
	reached := map[int64]reach{}
	for _, row := range v.batch {
		v.job.at = row.id
		put, err := v.put(ctx, w, "windows", row.values)
		if err != nil {
			return err
		}
		if !put {
			continue
		}
		v.job.windows, v.job.rows = v.job.windows+1, v.job.rows+1
		stream, start, end := row.values[1].(int64), row.sample.Start.UnixNano(), row.sample.End().UnixNano()
		b := bucket{hour, floor(start, hour), stream}
		if !v.forwarded(row.id) {
			waiting[b]++
		}
		if _, known := dirty[b]; !known {
			rolled, err := w.number(ctx, "SELECT count(*) FROM hours WHERE bucket_ns = ? AND stream = ?", b.start, stream)
			if err != nil {
				return err
			}
			dirty[b] = rolled == 0 || v.hours[b] || b.start+hour > v.job.cut
		}
		r, ok := reached[stream]
		if !ok {
			r = reach{start, end}
		}
		reached[stream] = reach{min(r.first, start), max(r.last, end)}
	}
	for b, n := range waiting {
		if _, err := w.exec(ctx, insertWaiting, b.stream, b.start, n); err != nil {
			return err
		}
	}
	for b, is := range dirty {
		if !is {
			continue
		}
		for _, length := range []int64{hour, day} {
			if _, err := w.exec(ctx, insertDirty, length, floor(b.start, length), b.stream); err != nil {
				return err
			}
		}
	}
	for stream, r := range reached {
		if _, err := w.exec(ctx, extendStream, r.first, r.last, stream); err != nil {
			return err
		}
	}
	return nil
}

// singletons carries single probes over, those of windows that are there.
func (v *salvager) singletons(ctx context.Context) error {
	_, err := v.walk(ctx, "singletons", func(_ int64, row []any) {
		packed, ok := row[2].([]byte)
		if !ok || !plausible(row[0]) {
			return
		}
		if _, err := unpack(packed); err == nil {
			v.batch = append(v.batch, carried{values: row})
		}
	}, func(ctx context.Context, w *writer) error {
		for _, row := range v.batch {
			n, err := w.number(ctx, "SELECT count(*) FROM windows WHERE start_ns = ? AND stream = ?", row.values[0], row.values[1])
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			put, err := v.put(ctx, w, "singletons", row.values)
			if err != nil {
				return err
			}
			if put {
				v.job.rows++
			}
		}
		return nil
	})
	return err
}
