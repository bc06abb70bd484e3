package ookla_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"perigee"
	"perigee/probes/ookla"
)

// remember makes o keep the command it starts, and returns how to ask for it.
func remember(o *ookla.Options) func() *exec.Cmd {
	var mu sync.Mutex
	var last *exec.Cmd
	command := o.Command
	o.Command = func() *exec.Cmd {
		mu.Lock()
		defer mu.Unlock()
		last = command()
		return last
	}
	return func() *exec.Cmd {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

// gone fails t if a child is still there, or nobody has waited for it.
func gone(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState == nil {
		t.Error("nobody waited for the child")
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child's group is still there: %v", err)
	}
}

// TestStuckChild: whatever the library does, Run ends, and the child with it. This one
// hears neither orders nor signals.
func TestStuckChild(t *testing.T) {
	o := options(perigee.LoadDown, "127.0.0.1:1")
	o.Command = childLike("stuck")
	o.MaxDuration, o.Setup = 100*time.Millisecond, 100*time.Millisecond
	started := remember(&o)
	fails(t, o, perigee.CodeInternal, "killed")
	gone(t, started())
}

// TestBrokenChild: a crash of the library is an error with its first line, not the
// daemon's.
func TestBrokenChild(t *testing.T) {
	for kind, words := range map[string]string{"panic": "panic: out of order", "garbage": "message", "silence": "without a result"} {
		t.Run(kind, func(t *testing.T) {
			o := options(perigee.LoadUp, "127.0.0.1:1")
			o.Command = childLike(kind)
			started := remember(&o)
			fails(t, o, perigee.CodeInternal, words)
			gone(t, started())
		})
	}
	t.Run("absent", func(t *testing.T) {
		o := options(perigee.LoadUp, "127.0.0.1:1")
		o.Command = func() *exec.Cmd { return exec.Command("/nosuch") }
		fails(t, o, perigee.CodeInternal, "/nosuch")
	})
}

// parentVariable makes the test binary a parent that runs a child of the kind named.
const parentVariable = "PERIGEE_TEST_OOKLA_PARENT"

// beParent measures until it is killed, and tells its child's number.
func beParent(kind string) {
	o := options(perigee.LoadDown, os.Getenv(parentVariable+"_SERVER"))
	o.Command = childLike(kind)
	started := remember(&o)
	told := false
	o.OnProgress = func(ookla.Progress) {
		if !told {
			fmt.Println(started().Process.Pid)
			told = true
		}
	}
	if _, err := ookla.Run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
