package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"perigee"
)

// The bulk of a damaged store is carried over in the background, a few hundred rows at a
// time between other writes: hours and days first, which answer most questions, then
// transfers, windows from the newest on, and single probes from the newest on. How far it
// has come is on record in the new store, so that it goes on after a restart.

const (
	// salvageBatch is how many rows are carried over in one transaction.
	salvageBatch = 500

	// salvageRoom is how much of the disk must stay free for it to go on: the room is for
	// new results. It is looked at after each roomBatches transactions.
	salvageRoom = 64 << 20
	roomBatches = 100

	// jobPrefix begins the names of records in table meta of what is to be carried over.
	jobPrefix = "salvage "
)

// errNoRoom ends carrying over until the store is opened again.
var errNoRoom = errors.New("there is too little room on the disk")

// A salvageJob is the record of what is carried over from one damaged store.
type salvageJob struct {
	name  string // base name of the file
	phase int    // of phases
	cut   int64  // hours and days that end later are merged anew, from windows
	at    int64  // how far it came in the phase

	rows, windows, broken int64 // carried; of them windows; and pages that could not be read
}

func (j salvageJob) value() string {
	return fmt.Sprintf("%d %d %d %d %d %d", j.phase, j.cut, j.at, j.rows, j.windows, j.broken)
}

func (j salvageJob) save(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", jobPrefix+j.name, j.value())
	return err
}

// jobs returns what is to be carried over, the latest damage first.
func (s *Store) jobs(ctx context.Context) ([]salvageJob, error) {
	rows, err := s.reader().QueryContext(ctx, "SELECT name, value FROM meta WHERE name > ?1 AND name < ?1 || '~' ORDER BY name DESC", jobPrefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []salvageJob
	for rows.Next() {
		var j salvageJob
		var value string
		if err := rows.Scan(&j.name, &value); err != nil {
			return nil, err
		}
		j.name = strings.TrimPrefix(j.name, jobPrefix)
		if _, err := fmt.Sscanf(value, "%d %d %d %d %d %d", &j.phase, &j.cut, &j.at, &j.rows, &j.windows, &j.broken); err == nil && filepath.Base(j.name) == j.name {
			list = append(list, j)
		}
	}
	return list, rows.Err()
}

// A salvager carries over from one damaged store.
type salvager struct {
	*carrier
	store   *Store
	job     salvageJob
	row     *sampleRow
	noProof int64 // the proof of windows whose own is lost
	batches int
	lost    []idRange // of windows
	batch   []carried
}

// carried is a row on its way.
type carried struct {
	id     int64
	values []any
	sample perigee.Sample
}

// phases are the steps of a salvage.
var phases = []struct {
	table string
	step  func(*salvager, context.Context) error
}{
	{"hours", func(v *salvager, ctx context.Context) error { return v.rollups(ctx, hours) }},
	{"days", func(v *salvager, ctx context.Context) error { return v.rollups(ctx, days) }},
	{"throughputs", (*salvager).transfers},
	{"traffic_quarters", (*salvager).account},
	{"windows", (*salvager).windows},
	{"singletons", (*salvager).singletons},
}

// salvage carries over what is to be. It returns when all is, or ctx ends, or there is no
// room.
func (s *Store) salvage(ctx context.Context) error {
	list, err := s.jobs(ctx)
	if err != nil {
		return s.fail("read what is to be carried over", err)
	}
	for _, job := range list {
		if err := s.salvageOne(ctx, job); err != nil {
			return fmt.Errorf("carrying over from %s: %w", job.name, err)
		}
	}
	return nil
}

func (s *Store) salvageOne(ctx context.Context, job salvageJob) error {
	name := filepath.Join(filepath.Dir(s.path), job.name)
	if !exists(name) { // somebody removed it
		return s.carry(ctx, func(ctx context.Context, w *writer) error { return w.forgetJob(ctx, job) })
	}
	v := &salvager{store: s, job: job, row: newSampleRow()}
	var err error
	if v.carrier, err = newCarrier(name); err != nil {
		return err
	}
	defer v.image.Close()
	if err := v.begin(ctx); err != nil {
		return err
	}
	for ; v.job.phase < len(phases); v.job.phase++ {
		if err := phases[v.job.phase].step(v, ctx); err != nil {
			return err
		}
		v.job.at = 0
	}
	return v.end(ctx)
}

func (w *writer) forgetJob(ctx context.Context, j salvageJob) error {
	_, err := w.exec(ctx, "DELETE FROM meta WHERE name = ?", jobPrefix+j.name)
	return err
}

// carry is write for what is carried over: it gives nothing up for room, and it is not
// worth waiting for where there is no file.
func (s *Store) carry(ctx context.Context, do func(context.Context, *writer) error) error {
	var w *writer
	select {
	case w = <-s.writer:
		defer func() { s.writer <- w }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.conn == nil {
		return errNoFile
	}
	if w.tight.Load() {
		return errNoRoom
	}
	err := w.attempt(context.WithoutCancel(ctx), do)
	if damaged(err) {
		s.heal.suspect(err)
	}
	if s.lacksRoom(err) {
		err = errNoRoom
	}
	return err
}

// begin reads what carrying over needs.
func (v *salvager) begin(ctx context.Context) error {
	if err := v.store.carry(ctx, func(ctx context.Context, w *writer) (err error) {
		v.noProof, err = w.proof(ctx, perigee.Proof{})
		return err
	}); err != nil {
		return err
	}
	reads := v.store.reader() // others may write meanwhile: there may be much that waited
	for _, p := range phases {
		if _, err := v.describe(ctx, reads, p.table); err != nil {
			return err
		}
	}
	return v.know(ctx, reads)
}

// walk visits a table's rows as far as they can be read, the newest first. visit adds to
// the batch; what is in it is carried by flush.
func (v *salvager) walk(ctx context.Context, table string, visit func(id int64, row []any), flush func(context.Context, *writer) error) (bad []idRange, err error) {
	root, ok := v.roots[table]
	if !ok {
		return []idRange{{1, 1<<63 - 1}}, nil
	}
	t := v.tables[table]
	w := walk{image: v.image, newest: true, rows: func(id int64, values []any) bool {
		if row, ok := t.row(id, values); ok {
			visit(id, row)
		}
		if err = ctx.Err(); err == nil && len(v.batch) >= salvageBatch {
			err = v.flush(ctx, flush)
		}
		return err == nil
	}}
	w.table(root)
	if err == nil {
		err = v.flush(ctx, flush)
	}
	v.job.broken += int64(len(w.bad))
	return w.bad, err
}

// flush carries the batch over in a transaction of its own, and lets others have their
// turn: as long as it took.
func (v *salvager) flush(ctx context.Context, do func(context.Context, *writer) error) error {
	if err := ctx.Err(); err != nil || len(v.batch) == 0 {
		return err
	}
	if v.batches++; v.batches%roomBatches == 0 {
		room := reserve{v.store.path + ".room", salvageRoom}
		err := room.make()
		room.release()
		if full(err) {
			return errNoRoom
		}
	}
	began := time.Now()
	job := v.job
	err := v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		v.job = job // of an attempt that failed
		if err := do(ctx, w); err != nil {
			return err
		}
		return v.job.save(ctx, w)
	})
	if err != nil {
		v.job = job
		return err
	}
	v.batch = v.batch[:0]
	atStep(fmt.Sprint("carried ", v.batches))
	rest := time.NewTimer(time.Since(began))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// waits makes wait what waited of what was just stored, instead of all of it.
func (v *salvager) waits(ctx context.Context, w *writer, before int64, key pendingKey) error {
	if _, err := w.exec(ctx, "DELETE FROM pending WHERE id > ?", before); err != nil {
		return err
	}
	row, waited := v.pending[key]
	if !waited {
		return nil
	}
	if _, err := v.describe(ctx, w.conn, "pending"); err != nil {
		return err
	}
	_, err := v.put(ctx, w, "pending", row)
	return err
}

// lastPending returns the greatest id of what waits.
func (w *writer) lastPending(ctx context.Context) (int64, error) {
	return w.number(ctx, "SELECT coalesce(max(id), 0) FROM pending")
}

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

// linkSpan is a time of which results of a link are lost.
type linkSpan struct {
	site       string
	link       perigee.LinkID
	start, end int64
}

// recordLost records the time of windows that are lost as gaps.
func (v *salvager) recordLost(ctx context.Context) error {
	if len(v.lost) == 0 {
		return nil
	}
	var spans []linkSpan
	err := v.store.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, stream := range slices.Sorted(maps.Keys(v.names.streams)) {
			s := v.names.streams[stream]
			found, err := v.lostOf(ctx, tx, stream)
			if err != nil {
				return err
			}
			for _, r := range found {
				spans = append(spans, linkSpan{s.Site, s.Link, r.first, r.last})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		for _, g := range union(spans) {
			if _, err := w.exec(ctx, insertGap, g.start, g.end, g.site, string(g.link), string(perigee.GapStoreDamaged),
				"results of this time were lost with "+v.job.name); err != nil {
				return err
			}
		}
		return nil
	})
}

// lostOf returns the times of a stream that windows are lost of: what is between those that
// were carried over and whose numbers are next to what is lost.
func (v *salvager) lostOf(ctx context.Context, tx *sql.Tx, stream int64) (spans []idRange, err error) {
	known, ok := v.reach[stream]
	if !ok {
		return nil, nil
	}
	if first, ok := v.firstWindow(); ok { // what is older has expired
		known.first = max(known.first, first)
	}
	for _, lost := range v.lost {
		var before, after sql.NullInt64
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT id FROM windows WHERE id < ?1 AND stream = ?3 ORDER BY id DESC LIMIT 1),
			(SELECT id FROM windows WHERE id > ?2 AND stream = ?3 ORDER BY id LIMIT 1)`, lost.first, lost.last, stream).Scan(&before, &after); err != nil {
			return nil, err
		}
		first, last := lost.first, lost.last
		if before.Valid {
			first = before.Int64
		}
		if after.Valid {
			last = after.Int64
		}
		found, err := v.between(ctx, tx, stream, idRange{first, last}, known, before.Valid, after.Valid)
		if err != nil {
			return nil, err
		}
		spans = append(spans, found...)
	}
	return spans, nil
}

// firstWindow returns the first start of all windows, by their index. It reports false if
// that cannot be read.
func (v *salvager) firstWindow() (start int64, ok bool) {
	root, known := v.roots["sqlite_autoindex_windows_1"]
	if !known {
		return 0, false
	}
	w := walk{image: v.image, rows: func(_ int64, values []any) bool {
		if len(values) > 0 {
			start, ok = values[0].(int64)
		}
		return false
	}}
	w.table(root)
	return start, ok && plausibleTime(start)
}

// between returns the times within ids in which a stream has no windows. known is from when
// to when there were any.
func (v *salvager) between(ctx context.Context, tx *sql.Tx, stream int64, ids, known idRange, before, after bool) (spans []idRange, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT start_ns, length_ns FROM windows WHERE stream = ? AND id >= ? AND id <= ? ORDER BY start_ns", stream, ids.first, ids.last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	at := known.first
	add := func(to int64) {
		if to = min(to, known.last); to-at > int64(time.Millisecond) {
			spans = append(spans, idRange{at, to})
		}
	}
	for first := true; rows.Next(); first = false {
		var start, length int64
		if err := rows.Scan(&start, &length); err != nil {
			return nil, err
		}
		if !first || !before {
			add(start)
		}
		at = max(at, start+length)
	}
	if !after {
		add(known.last)
	}
	return spans, rows.Err()
}

// union joins the spans of each link that overlap.
func union(spans []linkSpan) (list []linkSpan) {
	slices.SortFunc(spans, func(a, b linkSpan) int {
		if c := strings.Compare(a.site+"\x00"+string(a.link), b.site+"\x00"+string(b.link)); c != 0 {
			return c
		}
		return int(min(max(a.start-b.start, -1), 1))
	})
	for _, s := range spans {
		if n := len(list); n > 0 && list[n-1].site == s.site && list[n-1].link == s.link && s.start <= list[n-1].end {
			list[n-1].end = max(list[n-1].end, s.end)
			continue
		}
		list = append(list, s)
	}
	return list
}

// end records what was carried over.
func (v *salvager) end(ctx context.Context) error {
	j := v.job
	detail := fmt.Sprintf("carried over from %s: %d windows, %d rows in all", j.name, j.windows, j.rows)
	if j.broken > 0 {
		detail += fmt.Sprintf("; %d pages could not be read", j.broken)
	}
	if n := len(v.lost); n > 0 {
		detail += ", what is lost of windows is recorded as gaps"
	}
	err := v.store.carry(ctx, func(ctx context.Context, w *writer) error {
		if err := w.event(ctx, v.store.heal.Site, v.store.heal.Now(), detail); err != nil {
			return err
		}
		return w.forgetJob(ctx, j)
	})
	if err == nil {
		v.store.heal.told(detail)
	}
	return err
}

// event stores an event store_damaged, at now or at the end of the last sample if the clock
// is behind that.
func (w *writer) event(ctx context.Context, site string, now time.Time, detail string) error {
	last, err := w.number(ctx, "SELECT coalesce(max(last_ns), 0) FROM streams")
	if err != nil {
		return err
	}
	_, err = w.exec(ctx, insertEvent, max(bound(now, 0), last), site, "", string(perigee.EventStoreDamaged), detail)
	return err
}
