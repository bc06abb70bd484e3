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

	// Heal has a damaged file set aside, see Healing. Nil: its damage is an error.
	Heal *Healing
}

// Store is an open file. It implements perigee.Store.
type Store struct {
	path    string
	options Options

	readsMutex sync.RWMutex // guards reads, which changes when a damaged file is set aside
	reads      *sql.DB

	// entryNames is what the last reader of entries knew; nil while one reads.
	entryNamesMutex sync.Mutex
	entryNames      *names
	entryNamesOf    *sql.DB // the pool that they were read through

	lock io.Closer // nil in a store that OpenReader opened, as is all below

	reserve reserve
	tight   atomic.Bool // whether the disk was full when last written to

	// writer holds the one *writer while nobody writes; nil until there is one.
	writer chan *writer

	heal *healer // nil if damage is an error
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
	if options.Heal == nil && exists(path+noteSuffix) {
		return nil, &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("store %s: it is damaged, and was being set aside when perigee was killed: start perigee run, which goes on with that", path)}
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, options: options, lock: lock, reserve: reserve{path + ".reserve", reserveSize}}
	w, err := s.openAny(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.writer = make(chan *writer, 1)
	s.writer <- w
	s.heal.start()
	return s, nil
}

// openAny opens the file, and heals it if it is damaged and that is wanted.
func (s *Store) openAny(ctx context.Context) (*writer, error) {
	if s.options.Heal == nil {
		return s.openFile(ctx)
	}
	s.heal = newHealer(s, *s.options.Heal)
	return s.heal.open(ctx)
}

// openFile opens the file, on the room of the reserve if there is no other.
func (s *Store) openFile(ctx context.Context) (*writer, error) {
	w, err := s.tryFile(ctx)
	if s.lacksRoom(err) && s.reserve.release() {
		w, err = s.tryFile(ctx)
	}
	return w, err
}

// tryFile opens the file. It leaves nothing open if it fails.
func (s *Store) tryFile(ctx context.Context) (w *writer, err error) {
	if err := create(s.path); err != nil {
		return nil, openFailed(s.path, err)
	}
	if w, err = openWriter(ctx, s.path, s.options.busy(), &s.tight); err != nil {
		return nil, err
	}
	if full(s.reserve.make()) { // if it fails for another reason the store works as well, as long as there is room
		s.reserve.makeLess()
		w.settle(ctx, true)
	}
	if err := s.openReads(s.options.busy()); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// busy returns how long to wait for locks.
func (o Options) busy() time.Duration {
	if o.BusyTimeout == 0 {
		return defaultBusyTimeout
	}
	return o.BusyTimeout
}

// openWriter opens the file at path, which is there, for writing.
func openWriter(ctx context.Context, path string, busy time.Duration, tight *atomic.Bool) (*writer, error) {
	db, err := sql.Open("sqlite", source(path, busy, "mode=rw",
		"_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)",
		fmt.Sprintf("_pragma=journal_size_limit(%d)", walLimit)))
	if err != nil {
		return nil, fail(path, "open", err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fail(path, "open", err), db.Close())
	}
	if err := migrate(ctx, conn, path, migrations); err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	return newWriter(db, conn, tight), nil
}

// openReads opens the pool of read-only connections.
func (s *Store) openReads(busy time.Duration, parameters ...string) error {
	reads, err := sql.Open("sqlite", source(s.path, busy, append(parameters, "mode=ro", "_pragma=cache_size(-1000)")...))
	if err != nil {
		return fail(s.path, "open", err)
	}
	reads.SetMaxOpenConns(readers)
	reads.SetMaxIdleConns(readers)
	reads.SetConnMaxIdleTime(time.Minute)
	s.readsMutex.Lock()
	defer s.readsMutex.Unlock()
	s.reads = reads
	return nil
}

// reader returns the pool of read-only connections.
func (s *Store) reader() *sql.DB {
	s.readsMutex.RLock()
	defer s.readsMutex.RUnlock()
	return s.reads
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
	conn, err := s.reader().Conn(ctx)
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
	s.heal.stop()
	var errs []error
	if reads := s.reader(); reads != nil {
		errs = append(errs, reads.Close())
	}
	if s.writer != nil {
		errs = append(errs, (<-s.writer).close())
	}
	s.heal.release()
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return fail(s.path, "close", errors.Join(errs...))
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
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
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
	case readOnly(err):
		// The kernel makes a disk read-only when it has failed, and it may be mended: no
		// reason for a service manager to give up.
		e.Code, e.Message = perigee.CodeUnavailable, fmt.Sprintf("store %s: the disk is read-only: see the system's log, mount it writable or give another path", path)
	case errors.Is(err, fs.ErrPermission):
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
