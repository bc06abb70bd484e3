//go:build !unix

package ookla

import "os/exec"

// isolate does nothing. If the parent dies the child's standard input ends, and the
// child with it.
func isolate(*exec.Cmd) {}

// kill ends the child at once.
func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
