package main

import (
	"os"
	"os/exec"

	"perigee/probes/ookla"
)

// ooklaChild names the hidden command in which a test with a public server runs.
const ooklaChild = "ookla-child"

// ooklaChildCommand does one such test for the process that started it.
type ooklaChildCommand struct{}

// Run does the test.
func (ooklaChildCommand) Run(s streams) error { return ookla.Child(s.in, s.out) }

// newOoklaChild returns this program as such a child, not started yet.
func newOoklaChild() *exec.Cmd { return exec.Command(thisProgram(), ooklaChild) }

// thisProgram returns how to run this program again. On Linux that is the file that
// runs now, even if another one has its name by now.
func thisProgram() string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self
	}
	if name, err := os.Executable(); err == nil {
		return name
	}
	return os.Args[0]
}
