package main

import (
	"net/http"
	"strings"
	"testing"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/ookla"
)

// TestOoklaChildIsThisProgram runs a measurement through the program itself, against a
// port where nobody listens. The answer must come from the child: it says which link the
// server could not be reached over.
func TestOoklaChildIsThisProgram(t *testing.T) {
	t.Setenv(beProgram, "1")
	_, err := ookla.Run(t.Context(), ookla.Options{
		Stream:  perigee.Stream{Load: perigee.LoadDown},
		Binding: bind.Options{Interface: "lo"},
		Server:  "127.0.0.1:1",
		Command: newOoklaChild,
	})
	if perigee.CodeOf(err) != perigee.CodeUnavailable {
		t.Errorf("got %v, want an error with code %q", err, perigee.CodeUnavailable)
	}
	t.Log(err)
}

// TestProgramKeepsItsDefaultClient: linking speedtest-go makes http.DefaultClient send
// through the library unless package ookla gives it back.
func TestProgramKeepsItsDefaultClient(t *testing.T) {
	if got := http.DefaultClient.Transport; got != nil {
		t.Errorf("http.DefaultClient has transport %T, want none", got)
	}
	if _, ok := http.DefaultTransport.(*http.Transport); !ok {
		t.Errorf("http.DefaultTransport is %T", http.DefaultTransport)
	}
}

// TestOoklaChildIsHidden: the command is for the program alone, and says so to people.
func TestOoklaChildIsHidden(t *testing.T) {
	stdout, _, _ := perigeeRun(t, "--help")
	if strings.Contains(stdout, ooklaChild) {
		t.Errorf("the help shows %s:\n%s", ooklaChild, stdout)
	}
	if _, stderr, status := perigeeRun(t, ooklaChild); status != exitFailed || !strings.Contains(stderr, "perigee's own use") {
		t.Errorf("without a request: status %d, %q", status, stderr)
	}
}
