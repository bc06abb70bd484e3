package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"perigee/internal/lab"
)

// TestServiceManagerIsTold starts the commands that a service manager starts, with the
// sockets and variables that it gives them: ready is said when the page answers, the
// watchdog is fed while all is well, and stopping is said before the end.
func TestServiceManagerIsTold(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	newLab(t, quick("main"))
	dir := t.TempDir()
	file := filepath.Join(dir, "perigee.yaml")
	key := filepath.Join(dir, "key")
	text := fmt.Sprintf(`links:
  - {name: one, orbit: terrestrial, interface: main0}
targets:
  - {name: far, address: %s}
probes: {icmp: {interval: 20ms, window: 1s, loss_timeout: 100ms}}
storage:
  path: %s
  influxdb: {url: "http://127.0.0.1:1", bucket: perigee}
api: {listen: "127.0.0.1:0"}
`, lab.Target(), filepath.Join(dir, "store"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := perigeeRun(t, "reflect", "--new-key="+key); status != exitDone {
		t.Fatal(stderr)
	}
	for _, c := range []struct {
		args    []string
		health  bool // there is a page
		becomes string
	}{
		{[]string{"run", "--config=" + file}, true, "STATUS=measuring: 1 of 1 streams answered within 1m0s"},
		{[]string{"serve", "--config=" + file}, true, "STATUS=serving http://127.0.0.1:1, bucket perigee"},
		{[]string{"reflect", "--listen=127.0.0.1:0", "--key-file=" + key}, false, "STATUS=far end at 127.0.0.1:…"},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			socket := notifySocket(t, "200000")
			cmd := exec.Command("/proc/self/exe", c.args...)
			cmd.Env = append(os.Environ(), beProgram+"=1")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			first := receive(t, socket)
			if first[0] != "READY=1" || !strings.HasPrefix(first[1], "STATUS=") {
				t.Errorf("the first message is %q", first)
			}
			lines := bufio.NewScanner(stderr)
			if c.health {
				address := ""
				for address == "" && lines.Scan() {
					if m := regexp.MustCompile(`page and API at (http://[^/]+)`).FindStringSubmatch(lines.Text()); m != nil {
						address = m[1]
					}
				}
				if err := askHealth(t.Context(), address, "/healthz"); err != nil {
					t.Errorf("it said that it is ready: %v", err)
				}
			}
			before := until(t, socket, c.becomes)
			if c.args[0] == "run" && !slices.Contains(before, "WATCHDOG=1") {
				t.Errorf("before %q it said %q", c.becomes, before)
			}
			until(t, socket, "WATCHDOG=1")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			until(t, socket, "STOPPING=1")
			for lines.Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
