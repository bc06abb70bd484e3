package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"perigee"
)

// fail wraps err, met while doing what to the file at path, in a *perigee.Error that
// says what can be done. An error that is one already passes unchanged; nil is nil.
func fail(path, what string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*perigee.Error](err); ok {
		return e
	}
	code, remedy := classify(err)
	message := fmt.Sprintf("store %s: %s", path, what)
	if remedy != "" {
		message += ": " + remedy
	}
	return &perigee.Error{Code: code, Message: message, Err: err}
}

// fail is fail for what s reads: damage that it meets is looked into.
func (s *Store) fail(what string, err error) error {
	if damaged(err) {
		s.heal.suspect(err)
	}
	return fail(s.path, what, err)
}

// damaged reports whether err says that what lies on the disk is not what was written.
func damaged(err error) bool {
	if _, ok := errors.AsType[errUnsound](err); ok {
		return true
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return false
	}
	switch e.Code() {
	case lib.SQLITE_IOERR_SHORT_READ, lib.SQLITE_IOERR_DATA, lib.SQLITE_IOERR_CORRUPTFS:
		return true
	}
	primary := e.Code() & 0xff
	return primary == lib.SQLITE_CORRUPT || primary == lib.SQLITE_NOTADB
}

// refused reports whether err says that a row is not one that the layout takes.
func refused(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	primary := 0
	if ok {
		primary = e.Code() & 0xff
	}
	return primary == lib.SQLITE_CONSTRAINT || primary == lib.SQLITE_MISMATCH || primary == lib.SQLITE_TOOBIG
}

// Damaged reports whether err says that the file is damaged. A store that was opened with
// Options.Heal has it set aside before it is closed.
func Damaged(err error) bool { return damaged(err) }

// errNoFile is why nothing can be stored while a damaged file could not be replaced.
var errNoFile = errors.New("the damaged file was set aside and no new one could be made yet")

// damagedRemedy is what is done about a damaged file by those that may not touch it.
const damagedRemedy = "the file is damaged; perigee run sets it aside, carries over what can be read and goes on (by hand: sqlite3 FILE .recover)"

// closedPool is what database/sql says of reads in a file that was just set aside.
const closedPool = "sql: database is closed"

// classify maps what SQLite and the system say to a code and a remedy.
func classify(err error) (perigee.Code, string) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return perigee.CodeUnavailable, ""
	}
	if errors.Is(err, errNoFile) || errors.Is(err, errTooOften) {
		return perigee.CodeUnavailable, ""
	}
	if strings.HasSuffix(err.Error(), closedPool) || errors.Is(err, sql.ErrConnDone) {
		return perigee.CodeUnavailable, "the file was just set aside because it is damaged, try again"
	}
	if _, ok := errors.AsType[errUnsound](err); ok {
		return perigee.CodeInternal, damagedRemedy
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return perigee.CodeInternal, ""
	}
	switch e.Code() & 0xff { // the primary code; higher bits tell details
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return perigee.CodeUnavailable, "another program holds it locked, try again"
	case lib.SQLITE_FULL:
		return perigee.CodeUnavailable, "the disk is full, free some space"
	case lib.SQLITE_IOERR:
		return perigee.CodeUnavailable, "the disk failed or is full, see the system's log"
	case lib.SQLITE_INTERRUPT:
		return perigee.CodeUnavailable, "interrupted"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return perigee.CodePermission, "it cannot be written, check the owner and mode of the file and its directory"
	case lib.SQLITE_CANTOPEN:
		return perigee.CodePermission, "it cannot be opened, check the owner and mode of the file and its directory"
	case lib.SQLITE_CORRUPT:
		return perigee.CodeInternal, damagedRemedy
	case lib.SQLITE_NOTADB:
		return perigee.CodeInternal, "this is not an SQLite file: perigee run sets it aside if it was a store; else move it away or give another path"
	default:
		return perigee.CodeInternal, ""
	}
}

func invalid(format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
