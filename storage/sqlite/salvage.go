package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
