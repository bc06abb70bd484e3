package influxtest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// Hang stops the server's process in the middle of whatever it does: its connections stay,
// and nothing is answered. Resume lets it go on.
func (s *Server) Hang(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
}

// Resume undoes Hang.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

// signal signals the server, which is the one child of the shell that guards it and is not
// the shell's own.
func (s *Server) signal(t testing.TB, what syscall.Signal) {
	t.Helper()
	shell := s.process.command.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", shell))
	if err != nil {
		t.Fatal(err)
	}
	pids := bytes.Fields(children)
	if len(pids) != 1 {
		t.Fatalf("the shell of influxd has %d children, want the server alone", len(pids))
	}
	pid, err := strconv.Atoi(string(pids[0]))
	if err == nil {
		err = syscall.Kill(pid, what)
	}
	if err != nil {
		t.Fatal(err)
	}
}
