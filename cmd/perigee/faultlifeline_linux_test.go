package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A lifeline keeps a program running as a service manager would: when it ends it is started
// again after a second, unless it is kept down or ended with a status after which
// perigee.service is not started again either.
type lifeline struct {
	prepare func() *exec.Cmd
	start   func(*exec.Cmd) error

	mu    sync.Mutex
	cmd   *exec.Cmd     // nil while it does not run
	ended chan struct{} // of cmd, closed when it has ended
	lives int
	down  bool
	up    chan struct{} // closed when it need not stay down any more
}

// restartAfter is what perigee.service has as RestartSec, shortened: that time is the
// manager's, not the program's.
const restartAfter = time.Second

// newLifeline starts a program and keeps it running until the test ends. What it says is
// appended to file.
func newLifeline(t *testing.T, file string, prepare func() *exec.Cmd, start func(*exec.Cmd) error) *lifeline {
	t.Helper()
	words, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l := &lifeline{prepare: prepare, start: start}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx, words) })
	t.Cleanup(func() {
		cancel()
		l.signal(unix.SIGCONT)
		l.signal(unix.SIGKILL)
		running.Wait()
		words.Close()
	})
	return l
}

func (l *lifeline) run(ctx context.Context, words *os.File) {
	for ctx.Err() == nil {
		l.mu.Lock()
		if up := l.up; l.down {
			l.mu.Unlock()
			select {
			case <-up:
			case <-ctx.Done():
			}
			continue
		}
		cmd := l.prepare()
		cmd.Stdout, cmd.Stderr = words, words
		fmt.Fprintf(words, "--- %s: life %d\n", time.Now().UTC().Format(time.RFC3339Nano), l.lives+1)
		if err := l.start(cmd); err != nil {
			fmt.Fprintln(words, "---", err)
			l.mu.Unlock()
			wait(ctx, restartAfter)
			continue
		}
		l.cmd, l.ended = cmd, make(chan struct{})
		l.lives++
		ended := l.ended
		l.mu.Unlock()
		err := cmd.Wait()
		fmt.Fprintf(words, "--- %s: ended: %v\n", time.Now().UTC().Format(time.RFC3339Nano), err)
		l.mu.Lock()
		l.cmd = nil
		if status := cmd.ProcessState.ExitCode(); !l.down && (status == exitUsage || status == exitPermission) {
			fmt.Fprintln(words, "--- not started again: of this status perigee.service says that only a person can mend it")
			l.down, l.up = true, make(chan struct{})
		}
		l.mu.Unlock()
		close(ended)
		wait(ctx, restartAfter)
	}
}

// pid returns the number of the process; false if none runs.
func (l *lifeline) pid() (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cmd == nil {
		return 0, false
	}
	return l.cmd.Process.Pid, true
}

// signal signals the process, if it runs.
func (l *lifeline) signal(s unix.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cmd != nil {
		_ = l.cmd.Process.Signal(s)
	}
}

// lived returns how many lives the program has begun.
func (l *lifeline) lived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lives
}

// kill kills the process, as kill -9 does, and waits until it has ended.
func (l *lifeline) kill() {
	l.mu.Lock()
	cmd, ended := l.cmd, l.ended
	l.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-ended
}

// keepDown kills the process, and has it not started again until the returned function is
// called.
func (l *lifeline) keepDown() (letUp func()) {
	l.mu.Lock()
	if !l.down {
		l.down, l.up = true, make(chan struct{})
	}
	l.mu.Unlock()
	l.kill()
	return l.letUp
}

// letUp has the program started again if it is kept down.
func (l *lifeline) letUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		l.down = false
		close(l.up)
	}
}
