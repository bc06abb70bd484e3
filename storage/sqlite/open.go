package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"perigee"
)

const (
	// readers is how many reads run at once; more wait. An iterator takes one
	// only while it fetches a page.
	readers = 4

	// defaultBusyTimeout is how long a call waits for a lock that another
	// program holds, e.g. a backup or somebody's sqlite3 shell.
	defaultBusyTimeout = 5 * time.Second

	// walLimit is the size in bytes that the write-ahead log is cut down to
	// after a burst made it grow.
	walLimit = 16 << 20
)

// Options set a Store up. The zero value is right for the daemon.
type Options struct {
	// BusyTimeout is how long a call waits for a lock that another program
	// holds before it fails with CodeUnavailable; 5 s if zero.
	BusyTimeout time.Duration
}

// Store is an open file. It implements perigee.Store.
type Store struct {
	path  string
	reads *sql.DB

	// entryNames is what the last reader of entries knew; nil while one reads.
	entryNamesMutex sync.Mutex
	entryNames      *names

	// writes is nil in a store that OpenReader opened, as is all below.
	writes *sql.DB
	lock   io.Closer

	reserve reserve
	tight   atomic.Bool // whether the disk was full when last written to

	// writer holds the one *writer while nobody writes; nil until there is one.
	writer chan *writer
}

var _ perigee.Store = (*Store)(nil)

// Open opens the store in the file at path for reading and writing, and creates it,
// readable by its owner alone, and its directory if need be. An older layout is
// brought up to date.
//
// It fails with CodeUnavailable if another process has the file open for writing, with
// CodeInvalid if path is a directory or holds something that this version cannot read,
// and with CodePermission if the file cannot be written.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, openFailed(path, err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, lock: lock, reserve: reserve{path + ".reserve", reserveSize}}
	err = s.open(ctx, options)
	if s.lacksRoom(err) && s.reserve.release() {
		err = errors.Join(s.closeFile(), s.open(ctx, options))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, options Options) (err error) {
	if err := create(s.path); err != nil {
		return openFailed(s.path, err)
	}
	busy := options.BusyTimeout
	if busy == 0 {
		busy = defaultBusyTimeout
	}
	s.writes, err = sql.Open("sqlite", source(s.path, busy, "mode=rw",
		"_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)",
		fmt.Sprintf("_pragma=journal_size_limit(%d)", walLimit)))
	if err != nil {
		return fail(s.path, "open", err)
	}
	s.writes.SetMaxOpenConns(1)
	conn, err := s.writes.Conn(ctx)
	if err != nil {
		return fail(s.path, "open", err)
	}
	if err := migrate(ctx, conn, s.path, migrations); err != nil {
		return errors.Join(err, conn.Close())
	}
	w := newWriter(conn, &s.tight)
	if full(s.reserve.make()) { // if it fails for another reason the store works as well, as long as there is room
		s.reserve.makeLess()
		w.settle(ctx, true)
	}
	s.writer = make(chan *writer, 1)
	s.writer <- w
	return s.openReads(busy)
}

// openReads opens the pool of read-only connections.
func (s *Store) openReads(busy time.Duration, parameters ...string) (err error) {
	s.reads, err = sql.Open("sqlite", source(s.path, busy, append(parameters, "mode=ro", "_pragma=cache_size(-1000)")...))
	if err != nil {
		return fail(s.path, "open", err)
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	s.reads.SetConnMaxIdleTime(time.Minute)
	return nil
}

// OpenReader opens the store in the file at path for reading alone, also while a
// daemon writes to it or where nothing can be written. Methods that write fail with
// CodeInvalid.
//
// It fails with CodeNotFound if there is no file, and with CodeInvalid if the file is
// not a store of this version's layout.
func OpenReader(ctx context.Context, path string) (*Store, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, openFailed(path, err)
	}
	s := &Store{path: path}
	err = s.openReader(ctx)
	if perigee.CodeOf(err) == perigee.CodePermission && unlogged(path) {
		// The log's index cannot be made beside a file on a disk that cannot
		// be written; without a log it is not needed either.
		err = errors.Join(s.Close(), s.openReader(ctx, "immutable=1"))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openReader(ctx context.Context, parameters ...string) error {
	if err := s.openReads(defaultBusyTimeout, parameters...); err != nil {
		return err
	}
	conn, err := s.reads.Conn(ctx)
	if err != nil {
		return fail(s.path, "open", err)
	}
	defer conn.Close()
	version, err := checkVersion(ctx, conn, s.path, len(migrations))
	if err == nil && version < len(migrations) {
		err = invalid("store %s: layout version %d is older than %d: start perigee on it once to bring it up to date", s.path, version, len(migrations))
	}
	return err
}

// unlogged reports whether no committed data waits in a write-ahead log.
func unlogged(path string) bool {
	info, err := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// Path returns the absolute path of the file.
func (s *Store) Path() string { return s.path }

// Close waits for a write that is under way, closes the file and lets go of its lock.
// No other method may be called during or after it.
func (s *Store) Close() error {
	err := s.closeFile()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return fail(s.path, "close", err)
}

// closeFile closes what open has opened.
func (s *Store) closeFile() error {
	var errs []error
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.writer != nil {
		errs = append(errs, (<-s.writer).close())
	}
	if s.writes != nil {
		errs = append(errs, s.writes.Close())
	}
	s.reads, s.writer, s.writes = nil, nil, nil
	return errors.Join(errs...)
}

// absolute returns the absolute form of path, or a CodeInvalid error if it cannot be
// that of a file.
func absolute(path string) (string, error) {
	if path == "" {
		return "", invalid("store: no path given")
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return "", fail(path, "open", err)
	}
	if info, err := os.Stat(full); err == nil && info.IsDir() {
		return "", invalid("store %s: this is a directory: give the path of a file in it, such as %s", full, filepath.Join(full, "perigee.db"))
	}
	return full, nil
}

// create makes an empty file that only its owner can read, if there is none, and
// makes its name durable.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	// Not every system can sync a directory; where none can, names are durable.
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// openFailed says in a user's words why the system did not open the file.
func openFailed(path string, err error) error {
	e := &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("store %s: cannot be opened", path), Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code, e.Message = perigee.CodeNotFound, fmt.Sprintf("store %s: there is no such file: start perigee run first or give another path", path)
	case errors.Is(err, fs.ErrPermission) || readOnly(err):
		e.Code, e.Message = perigee.CodePermission, fmt.Sprintf("store %s: the directory cannot be written: check its owner, mode and disk", path)
	case full(err):
		e.Code, e.Message = perigee.CodeUnavailable, fmt.Sprintf("store %s: the disk is full: free some space", path)
	}
	return e
}

// source returns the driver's name for path.
func source(path string, busy time.Duration, parameters ...string) string {
	name := filepath.ToSlash(path)
	if !strings.HasPrefix(name, "/") { // a drive letter
		name = "/" + name
	}
	escaped := (&url.URL{Path: name}).EscapedPath()
	return fmt.Sprintf("file:%s?_busy_timeout=%d&_error_rc=1&%s", escaped, busy.Milliseconds(), strings.Join(parameters, "&"))
}
