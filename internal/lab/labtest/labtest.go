// Package labtest runs a test binary inside a lab's namespaces.
//
// A package whose tests need emulated links has
//
//	func TestMain(m *testing.M) { labtest.Main(m) }
//
// and each of those tests begins with labtest.Need. The other tests run there too,
// and everywhere else.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"perigee/internal/lab"
)

// reason says why there is no lab, "" if there may be one.
var reason string

// Main runs the tests of m in a fresh network namespace, by running the test binary
// again with the same flags, and ends the process with its exit code. Where the
// system does not allow that it runs them here, and Need skips.
func Main(m *testing.M) {
	if lab.Isolated() {
		os.Exit(m.Run())
	}
	code, err := again()
	if errors.Is(err, lab.ErrForbidden) {
		reason = err.Error()
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// again runs this program with the same arguments in namespaces of its own.
func again() (code int, err error) {
	child, err := lab.Command(context.Background(), os.Args[1:])
	if err != nil {
		return 1, err
	}
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr

	// go test asks for stacks with SIGQUIT before it kills.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = child.Process.Signal(s)
		case err := <-done:
			if _, exited := errors.AsType[*exec.ExitError](err); exited {
				// Ended by a signal is -1, which os.Exit cannot tell.
				return max(1, child.ProcessState.ExitCode()), nil
			}
			if err != nil {
				return 1, err
			}
			return 0, nil
		}
	}
}

// Need skips t where the system allows no lab, with the reason.
func Need(t testing.TB) {
	t.Helper()
	if reason != "" {
		t.Skip("no lab: " + reason)
	}
	if !lab.Isolated() {
		t.Fatal("not isolated: the package needs a TestMain that calls labtest.Main")
	}
	if err := usable(); err != nil {
		t.Skip("no lab: " + err.Error())
	}
}

var usable = sync.OnceValue(lab.Usable)

// New makes a lab for t that keeps its truth and is closed when t ends. It skips t
// where the system allows none and fails it for any other reason.
func New(t testing.TB, seed uint64, links ...lab.Link) *lab.Lab {
	t.Helper()
	Need(t)
	l, err := lab.New(lab.Options{Seed: seed, Links: links, KeepTruth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := l.Dropped(); n != 0 {
			t.Errorf("the truth log lacks %d records", n)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
