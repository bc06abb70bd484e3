package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progressLine tells how far a long task has come: on a terminal in one line that is
// drawn anew, elsewhere in a line now and then.
type progressLine struct {
	w        io.Writer
	terminal bool
	every    time.Duration
	last     time.Time
	drawn    bool
}

func newProgressLine(w io.Writer) progressLine {
	p := progressLine{w: w, every: 30 * time.Second, last: time.Now()}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.terminal, p.every = true, 200*time.Millisecond
		}
	}
	return p
}

// show says how far it is, unless that was said a moment ago.
func (p *progressLine) show(text string) {
	now := time.Now()
	if now.Sub(p.last) < p.every {
		return
	}
	p.last = now
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, text)
}

// end clears the line, so that something else can be written.
func (p *progressLine) end() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
