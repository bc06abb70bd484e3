package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressIsDrawnAnewOnATerminalAlone(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{true, "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"},
		{false, "one\ntwo\n"},
	} {
		var b bytes.Buffer
		p := progressLine{w: &b, terminal: c.terminal}
		p.show("one")
		p.show("two")
		p.every = time.Hour
		p.show("a moment later")
		p.end()
		p.end()
		if b.String() != c.want {
			t.Errorf("on a terminal %v: got %q, want %q", c.terminal, b.String(), c.want)
		}
	}
	if newProgressLine(&bytes.Buffer{}).terminal {
		t.Error("a buffer is taken for a terminal")
	}
}
