// Package webtest has the page looked at in a real Chromium by the checks in web/test,
// which Playwright drives. It starts nothing but that: what is served, and what it holds,
// is the test's. Nothing of it leaves the machine.
package webtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Check is one of the checks of web/test/checks by name, and what it is to be told; see
// there.
type Check map[string]any

// patience bounds a run of checks on a machine that is busy.
const patience = 10 * time.Minute

// Result is what came of a check.
type Result struct {
	Check    string
	Failures []string // what is wrong, in words
	Notes    []string // what was measured
}

// Run makes checks of the page at url, each as a subtest, as Look does.
func Run(t *testing.T, url string, answer func(ask string) error, checks ...Check) {
	t.Helper()
	for _, r := range Look(t, url, answer, checks...) {
		t.Run(r.Check, func(t *testing.T) {
			for _, n := range r.Notes {
				t.Log(n)
			}
			for _, f := range r.Failures {
				t.Error(f)
			}
		})
	}
}

// Look makes checks of the page at url and returns what came of each. answer does what a
// check asks for from outside; it may be nil if none does. With $PERIGEE_SHOTS set,
// pictures of what was seen are left in that directory. Look skips t where there is no
// browser to look with, and fails it if $CI is set.
func Look(t testing.TB, url string, answer func(ask string) error, checks ...Check) []Result {
	t.Helper()
	web, node, chromium := find(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(web, "test", "run.mjs"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its browser
	cmd.WaitDelay = 10 * time.Second
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	order, err := json.Marshal(map[string]any{"chromium": chromium, "url": url, "shots": os.Getenv("PERIGEE_SHOTS"), "checks": checks})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(in, "%s\n", order)
	results := follow(t, out, in, answer)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, complaints.String())
	}
	if len(results) != len(checks) {
		t.Errorf("%d of %d checks were made\n%s", len(results), len(checks), complaints.String())
	}
	return results
}

// follow does what checks ask for until there are no more, and returns their results.
func follow(t testing.TB, out io.Reader, in io.Writer, answer func(string) error) (results []Result) {
	t.Helper()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			Result
			Ask string
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("%v in %q", err, lines.Text())
			continue
		}
		if r.Ask == "" {
			results = append(results, r.Result)
			continue
		}
		if err := answer(r.Ask); err != nil {
			t.Errorf("%s asked for %s: %v", r.Check, r.Ask, err)
		}
		fmt.Fprintln(in, "done")
	}
	return results
}

// Need skips t as Look would. A test calls it before it makes at length what is to be
// looked at.
func Need(t testing.TB) {
	t.Helper()
	find(t)
}

// find returns the page's directory, and the programs that look at it.
func find(t testing.TB) (web, node, chromium string) {
	t.Helper()
	if raced {
		t.Skip("a browser has no races of ours: looked at without the race detector")
	}
	_, here, _, _ := runtime.Caller(0)
	web = filepath.Join(filepath.Dir(here), "..", "web")
	missing := func(what string) {
		text := what + ": run .ci/browser, which installs what the tests of the page need"
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("no node here")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if chromium, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		missing("no Chromium here")
	}
	for _, module := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join(web, "node_modules", module)); err != nil {
			missing(module + " is not installed")
		}
	}
	return web, node, chromium
}
