package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"perigee/internal/lab"
)

// TestDemoLeavesNothingBehind ends the demo in every way and looks for what is left:
// processes, devices, files.
func TestDemoLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the demo several times")
	}
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		status int // -1: killed
	}{
		{"interrupted", syscall.SIGINT, exitDone},
		{"terminated", syscall.SIGTERM, exitDone},
		{"killed", syscall.SIGKILL, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmp := t.TempDir()
			cmd := exec.Command("/proc/self/exe", "demo", "--listen=127.0.0.1:0")
			cmd.Env = append(os.Environ(), beProgram+"=1", "TMPDIR="+tmp)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			text := bufio.NewScanner(stderr)
			var said strings.Builder
			for text.Scan() {
				said.WriteString(text.Text() + "\n")
				if strings.Contains(text.Text(), "measuring until interrupted") {
					break
				}
			}
			if strings.Contains(said.String(), lab.ErrForbidden.Error()) {
				t.Skip(said.String())
			}
			children := childrenOf(t, cmd.Process.Pid)
			if len(children) != 1 {
				t.Fatalf("children %v, want the one in the lab\n%s", children, said.String())
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			go func() {
				for text.Scan() { // until both ends are closed
				}
			}()
			_ = cmd.Wait() // the status says it
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			within(t, "the child's end", func() bool { return syscall.Kill(children[0], 0) != nil })
			if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
			devices, err := os.ReadFile("/proc/net/dev")
			if err != nil {
				t.Fatal(err)
			}
			if regexp.MustCompile(`(?m)^ *(fibre|starlink|leo|geo)0:`).Match(devices) {
				t.Errorf("devices of the lab are in the host's namespace:\n%s", devices)
			}
		})
	}
}

// childrenOf returns the children of a process, of all its threads.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
