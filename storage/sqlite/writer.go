package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"perigee"
)

// writer is the one connection that writes, with its statements and what it knows of
// the tables of names. Whoever took it from Store.writer owns it.
type writer struct {
	db         *sql.DB              // of conn alone
	conn       *sql.Conn            // nil: there is no file, see healer
	statements map[string]*sql.Stmt // by their text

	// Row numbers of streams and proofs that are in the file, or will be once
	// the transaction commits.
	streams map[perigee.Stream]int64
	proofs  map[perigee.Proof]int64
	names   *names // of the rows that are read through conn

	run   int64 // the row of this life in table runs; 0 before Begin
	begun int64 // when that began

	tight *atomic.Bool // the store's: the disk was full, and the file may not grow
}

// proofsKnown bounds the memory of proofs; there are a few for a link that keeps its
// address, and a new one each time that it changes.
const proofsKnown = 1000

func newWriter(db *sql.DB, conn *sql.Conn, tight *atomic.Bool) *writer {
	w := &writer{db: db, conn: conn, tight: tight, statements: map[string]*sql.Stmt{}}
	w.forget()
	return w
}

// forget drops what w knows of the tables, after a transaction that failed.
func (w *writer) forget() {
	w.streams, w.proofs = map[perigee.Stream]int64{}, map[perigee.Proof]int64{}
	w.names = newNames()
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	var errs []error
	for _, statement := range w.statements {
		errs = append(errs, statement.Close())
	}
	err := errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
	w.db, w.conn, w.statements = nil, nil, map[string]*sql.Stmt{}
	return err
}

// write runs do in a transaction of its own, which is durable when write returns nil
// and has left nothing otherwise. ctx bounds the wait for other writes; do, which
// must be short, is not interrupted.
func (s *Store) write(ctx context.Context, what string, do func(ctx context.Context, w *writer) error) error {
	if s.writer == nil {
		return invalid("store %s: opened for reading, cannot %s", s.path, what)
	}
	if err := ctx.Err(); err != nil {
		return s.fail(what, err)
	}
	var w *writer
	select {
	case w = <-s.writer:
		defer func() { s.writer <- w }()
	case <-ctx.Done():
		return s.fail(what, ctx.Err())
	}
	ctx = context.WithoutCancel(ctx)
	err := s.writeOn(ctx, w, do)
	if s.heal.wanted(w, err) {
		if err = s.heal.now(ctx, w, err); err == nil {
			err = s.writeOn(ctx, w, do)
		}
	}
	return fail(s.path, what, err)
}

// writeOn is write for who owns w.
func (s *Store) writeOn(ctx context.Context, w *writer, do func(ctx context.Context, w *writer) error) error {
	if w.conn == nil {
		return errNoFile
	}
	err := w.attempt(ctx, do)
	if s.lacksRoom(err) {
		err = s.makeRoom(ctx, w, do)
	}
	return err
}

// attempt runs do in a transaction.
func (w *writer) attempt(ctx context.Context, do func(ctx context.Context, w *writer) error) error {
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do(ctx, w)
	if err == nil {
		_, err = w.exec(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite may have rolled back by itself, then this fails, and rightly.
		_, _ = w.exec(ctx, "ROLLBACK")
		w.forget()
	}
	return err
}

// prepare returns the statement of a text, compiled once.
func (w *writer) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if statement, ok := w.statements[text]; ok {
		return statement, nil
	}
	statement, err := w.conn.PrepareContext(ctx, text)
	if err == nil {
		w.statements[text] = statement
	}
	return statement, err
}

func (w *writer) exec(ctx context.Context, text string, values ...any) (sql.Result, error) {
	statement, err := w.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement.ExecContext(ctx, values...)
}

func (w *writer) query(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	statement, err := w.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, values...)
}

// number scans the single integer that a query yields.
func (w *writer) number(ctx context.Context, text string, values ...any) (n int64, err error) {
	statement, err := w.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	err = statement.QueryRowContext(ctx, values...).Scan(&n)
	return n, err
}

// stream returns the row number of a stream, new or known.
func (w *writer) stream(ctx context.Context, s perigee.Stream) (int64, error) {
	if id, ok := w.streams[s]; ok {
		return id, nil
	}
	id, err := w.intern(ctx,
		"SELECT id FROM streams WHERE site = ? AND link = ? AND target = ? AND method = ? AND family = ? AND load = ?",
		"INSERT INTO streams (site, link, target, method, family, load) VALUES (?, ?, ?, ?, ?, ?)",
		s.Site, string(s.Link), string(s.Target), string(s.Method), string(s.Family), string(s.Load))
	if err != nil {
		return 0, fmt.Errorf("stream: %w", err)
	}
	w.streams[s] = id
	return id, nil
}

// proof returns the row number of a proof, new or known.
func (w *writer) proof(ctx context.Context, p perigee.Proof) (int64, error) {
	if id, ok := w.proofs[p]; ok {
		return id, nil
	}
	id, err := w.intern(ctx,
		"SELECT id FROM proofs WHERE interface_index = ? AND interface_name = ? AND local = ? AND remote = ?",
		"INSERT INTO proofs (interface_index, interface_name, local, remote) VALUES (?, ?, ?, ?)",
		p.InterfaceIndex, p.InterfaceName, addressText(p.Local), addressText(p.Remote))
	if err != nil {
		return 0, fmt.Errorf("proof: %w", err)
	}
	if len(w.proofs) >= proofsKnown {
		clear(w.proofs)
	}
	w.proofs[p] = id
	return id, nil
}

func (w *writer) intern(ctx context.Context, find, insert string, values ...any) (int64, error) {
	id, err := w.number(ctx, find, values...)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	result, err := w.exec(ctx, insert, values...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}
