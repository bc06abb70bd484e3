package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"perigee"
)

const (
	// runnerPatience is how long the loop that sends probes, the store's answer or a
	// prober may stay stuck, by probes.Runner.Stuck, before that is told.
	runnerPatience = 2 * watchEvery

	// lookAtPage is how often the page is asked whether it answers, pagePatience how
	// long it may not.
	lookAtPage   = 30 * time.Second
	pagePatience = 3 * time.Minute

	// reloadPatience is how long reading the configuration again may take: parts that
	// are replaced are waited for.
	reloadPatience = 2 * time.Minute

	// accountPatience is how long the store may take for the bytes of all links: where
	// it is locked, it refuses each after some seconds.
	accountPatience = 10 * time.Minute

	// movePatience is how long one transaction of held results may take.
	movePatience = 10 * time.Minute
)

// newDaemonWatch returns the watch of d's parts.
func (d *daemon) newDaemonWatch() *watch {
	w := newWatch()
	w.told = func(h *heart, text, stacks string) {
		d.s.notef("perigee: part %s hangs: %s\n%s", h.name, text, stacks)
		go d.recordHung(h, text) // the store may be what hangs
	}
	w.recovered = func(h *heart) {
		d.s.notef("perigee: part %s goes on", h.name)
		go d.forgetHung(h)
	}
	return w
}

// recordHung records that a part hangs: beside the store, for doctor and for the next start
// should this process be ended for it, and in it.
func (d *daemon) recordHung(h *heart, text string) {
	d.hungNote.Lock()
	if h.hangs() { // still
		if err := os.WriteFile(d.hungFile(), []byte(h.name+"\n"+text+"\n"), 0o600); err != nil {
			d.s.notef("perigee: %v", err)
		}
	}
	d.hungNote.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = d.record(ctx, perigee.Batch{Events: []perigee.Event{d.hungEvent(text)}})
}

// forgetHung takes back what stands beside the store of a part that goes on.
func (d *daemon) forgetHung(h *heart) {
	d.hungNote.Lock()
	defer d.hungNote.Unlock()
	if name, _, ok := readHung(d.current().plan.storePath); ok && name == h.name && !h.hangs() {
		_ = os.Remove(d.hungFile()) // what stays is told once too often
	}
}

func (d *daemon) hungEvent(text string) perigee.Event {
	return perigee.Event{Site: d.current().plan.site.Name, Time: d.clock.read().Wall, Kind: perigee.EventPartHung, Detail: text}
}

// hungFile says which part of the process hangs that uses the store, or did when it was
// ended.
func (d *daemon) hungFile() string { return hungFileIn(d.current().plan.storePath) }

func hungFileIn(dir string) string { return filepath.Join(dir, "hung") }

// readHung returns which part hangs, and how. It reports false if none does.
func readHung(dir string) (name, text string, ok bool) {
	b, err := os.ReadFile(hungFileIn(dir))
	if err != nil {
		return "", "", false
	}
	name, text, _ = strings.Cut(string(b), "\n")
	return name, strings.TrimSpace(text), name != ""
}

// tellHungBefore tells, and records, which part hung when the process before this one was
// ended for it.
func (d *daemon) tellHungBefore(ctx context.Context) error {
	name, text, ok := readHung(d.current().plan.storePath)
	if !ok {
		return nil
	}
	d.s.notef("perigee: before this start part %s hung: %s", name, text)
	_, _, err := d.append(ctx, perigee.Batch{Events: []perigee.Event{d.hungEvent("before this start: " + text)}})
	if removed := os.Remove(d.hungFile()); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// checkHung is what doctor says of parts that hang.
func checkHung(dir string) []finding {
	if name, text, ok := readHung(dir); ok {
		return []finding{hungFinding(name, text)}
	}
	return nil
}

// watchParts looks after all parts until ctx ends.
func (d *daemon) watchParts(ctx context.Context) error {
	runner := d.watch.heart("probing", "probes.(*Runner)")
	return d.watch.Run(ctx, func() {
		if d.runner.Stuck(stuckAfter) == nil {
			runner.Beat(runnerPatience)
		}
	})
}

// watchPage asks the page now and then whether it answers, whatever the answer: one that
// turns somebody away is well.
func (d *daemon) watchPage(ctx context.Context) error {
	page := d.watch.heart("page and API", "net/http.(*Server).Serve")
	defer page.end()
	page.Beat(pagePatience)
	ticker := time.NewTicker(lookAtPage)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := answers(ctx, d.current().plan.door.scheme()+"://"+d.listener.Addr().String())
		if !errors.Is(err, context.DeadlineExceeded) {
			page.Beat(pagePatience)
		}
	}
}
