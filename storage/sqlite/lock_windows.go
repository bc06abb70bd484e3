package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"perigee"
)

// lockFile takes the lock that makes this process the only writer of the store at
// path: a file beside it, opened so that nobody else can. The system closes it when
// the process ends, however it ends.
func lockFile(path string) (io.Closer, error) {
	const errorSharingViolation = syscall.Errno(32)
	name, err := syscall.UTF16PtrFromString(path + ".lock")
	if err != nil {
		return nil, openFailed(path, err)
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf(
			"store %s: another perigee writes to it: stop that one or give this one another path", path)}
	}
	if err != nil {
		return nil, openFailed(path, err)
	}
	return os.NewFile(uintptr(handle), path+".lock"), nil
}

// readOnly reports whether err says that the disk cannot be written.
func readOnly(err error) bool {
	const errorWriteProtect = syscall.Errno(19)
	return errors.Is(err, errorWriteProtect)
}

// full reports whether err says that the disk has no room.
func full(err error) bool {
	const errorDiskFull = syscall.Errno(112)
	return errors.Is(err, errorDiskFull)
}
