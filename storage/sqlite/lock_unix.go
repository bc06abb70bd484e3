//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"perigee"
)

// lockFile takes the lock that makes this process the only writer of the store at
// path. It is held on a file beside the store, which stays behind: the kernel lets go
// of the lock when the process ends, however it ends.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, openFailed(path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		who, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close()
		return nil, &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf(
			"store %s: another perigee (process %s) writes to it: stop that one or give this one another path", path, strings.TrimSpace(string(who)))}
	}
	if err != nil {
		f.Close()
		return nil, fail(path, "lock", err)
	}
	// The holder's number is only for the message above.
	if f.Truncate(0) == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}

// readOnly reports whether err says that the disk cannot be written.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// full reports whether err says that the disk has no room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
