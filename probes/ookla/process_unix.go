//go:build unix && !linux

package ookla

import (
	"os/exec"
	"syscall"
)

// isolate gives the child a process group. If the parent dies the child's standard
// input ends, and the child with it.
func isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
}

// kill ends the child's group at once. It must not have been waited for yet.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
