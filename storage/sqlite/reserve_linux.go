package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// allocate gives f size bytes of the disk, where the file system can without writing
// them.
func allocate(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return occupy(f, size)
	}
	return err
}
