package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/internal/lab"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets the test binary be perigee when the demo or a test runs it again, so
// that what is tested is the whole program, processes and signals included.
func TestMain(m *testing.M) {
	if os.Getenv(demoEnv) != "" || os.Getenv(beProgram) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	// Tests that run beside others mostly wait, for clocks and processes: more of them than
	// there are processors. With the race detector in them they compute more than they wait.
	// The flag, if given, overrides it.
	parallel := "6"
	if raced {
		parallel = "3"
	}
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// beProgram is the variable that makes the test binary the program.
const beProgram = "PERIGEE_TEST_BE_PROGRAM"

// perigee runs the program in this process and returns what it wrote and its exit
// status.
func perigeeRun(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, err log // parts of the program may speak at once
	status = run(t.Context(), args, strings.NewReader(""), &out, &err)
	return out.String(), err.String(), status
}

// beside lets the calling test run beside others: it has a network of its own, and mostly
// waits. In its own namespaces it is alone in its process, and may change its directory and
// environment. The tests that are not beside others come before all that are.
func beside(t *testing.T) {
	t.Helper()
	if !lab.Isolated() {
		t.Parallel()
	}
}

// isolated runs the calling test again in namespaces of its own and reports whether
// it must do nothing further here. Inside, it reports false at once.
func isolated(t *testing.T) (done bool) {
	t.Helper()
	if lab.Isolated() {
		return false
	}
	child, err := lab.Command(t.Context(), []string{"-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=5m"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	err = child.Run()
	if err != nil && strings.Contains(err.Error(), lab.ErrForbidden.Error()) {
		t.Skip(err)
	}
	if err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) && !strings.Contains(out.String(), "--- SKIP: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
	return true
}

// golden compares got with testdata/name, or rewrites that with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n got:\n%s\nwant:\n%s", file, got, want)
	}
}
