//go:build unix

package main

import (
	"os"
	"syscall"
)

// takeGroup gives a file the group of its directory. Only root can, and only root's files
// are for other users.
func takeGroup(name, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(name, -1, int(owner.Gid))
	}
	return nil
}
