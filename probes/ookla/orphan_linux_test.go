package ookla_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoOrphan kills the parent and sees the child die.
func TestNoOrphan(t *testing.T) {
	for _, kind := range []string{"child", "stuck"} {
		t.Run(kind, func(t *testing.T) {
			s := local(t, nil)
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
			cmd.Env = append(os.Environ(), parentVariable+"="+kind, parentVariable+"_SERVER="+s.address)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			child, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(child)
			cmd.Process.Kill()
			cmd.Wait()
			// Readable when it has ended, whoever has yet to wait for it.
			fds := []unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}
			for {
				n, err := unix.Poll(fds, int(time.Minute.Milliseconds()))
				if errors.Is(err, unix.EINTR) {
					continue
				}
				if err != nil || n != 1 {
					unix.PidfdSendSignal(child, unix.SIGKILL, nil, 0)
					t.Fatalf("the child outlives its parent: %d, %v", n, err)
				}
				return
			}
		})
	}
}
