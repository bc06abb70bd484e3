package main

import (
	"context"
	"fmt"
	"time"
)

// service is what the daemon has to say. It is stuck if a part of it hangs and does not end:
// a page that answers slowly is no reason to lose what is being measured, one that has not
// answered for minutes is.
func (d *daemon) service() service {
	return service{
		progress: func(context.Context) error { return d.watch.lostPart() },
		status:   d.status,
	}
}

// answeredWithin is how recent a reply must be for its stream to count as answered;
// longer where probes are seldom.
const answeredWithin = time.Minute

// status says in a line how measuring goes: how many streams were answered lately, and
// the first that was not.
func (d *daemon) status() string {
	now, recent := d.now(), max(answeredWithin, 3*d.current().plan.interval)
	answered, total, begun, silent := 0, 0, false, ""
	for _, st := range d.runner.Status() {
		if st.Paused {
			continue
		}
		total++
		begun = begun || !st.LastSingleton.IsZero()
		switch {
		case now.Sub(st.LastReceived) < recent:
			answered++
		case silent == "":
			silent = fmt.Sprintf("; not %s to %s", st.Stream.Link, st.Stream.Target)
			if st.LastError != "" {
				silent += " (" + st.LastError + ")"
			}
		}
	}
	if !begun {
		return fmt.Sprintf("starting: %d streams", total)
	}
	text := fmt.Sprintf("measuring: %d of %d streams answered within %v%s", answered, total, recent, silent)
	if err := d.runner.StoreError(); err != nil {
		text += "; results are not stored: " + err.Error()
	}
	return text
}
