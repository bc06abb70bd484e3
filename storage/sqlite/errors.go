package sqlite

import (
	"context"
	"errors"
	"fmt"

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

// classify maps what SQLite and the system say to a code and a remedy.
func classify(err error) (perigee.Code, string) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return perigee.CodeUnavailable, ""
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
		return perigee.CodeInternal, "the file is damaged, stop perigee, keep a copy, and recover what is left with: sqlite3 FILE .recover"
	case lib.SQLITE_NOTADB:
		return perigee.CodeInternal, "this is not an SQLite file, move it away or give another path"
	default:
		return perigee.CodeInternal, ""
	}
}

func invalid(format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
