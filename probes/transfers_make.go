package probes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"perigee"
)

// perform makes one transfer: it looks whether the link is free, has probes marked while
// it lasts, and records what came of it.
func (t *Transfers) perform(ctx context.Context, job Transfer) (perigee.Throughput, error) {
	t.beat(holdMost + t.options.Limit + t.options.Horizon + beatMargin)
	defer t.beat(lookEvery + beatMargin)
	if reason := t.busy(ctx, job); reason != "" {
		err := t.passOver(ctx, job, reason)
		return perigee.Throughput{}, errors.Join(&perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("link %s: %s", job.Link, reason)}, err)
	}
	t.mu.Lock()
	t.running = &job
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.running = nil
		t.mu.Unlock()
	}()
	release := func() {}
	if t.options.Hold != nil {
		quiet, cancel := context.WithTimeout(ctx, holdMost)
		release = t.options.Hold(quiet)
		cancel()
	}
	if t.options.SetLoad != nil {
		t.options.SetLoad(job.Link, job.Direction)
	}
	from := t.options.Clock().Mono
	result, err := t.make(ctx, job)
	to := t.options.Clock().Mono
	if t.options.SetLoad != nil {
		t.options.SetLoad(job.Link, perigee.LoadIdle)
	}
	release()
	if t.options.Moved != nil {
		t.options.Moved(job.Link, job.Purpose, result.WireBytes)
	}
	if t.options.Latencies != nil && result.Bytes > 0 {
		t.await(ctx, t.options.Horizon)
		target := result.Stream.Target
		if t.options.Latencies.Between(job.Link, target, perigee.LoadIdle, from-idleBefore, to).Sent == 0 {
			target = "" // nobody probes the other end: all that are probed tell of the link
		}
		result.Idle = t.options.Latencies.Between(job.Link, target, perigee.LoadIdle, from-idleBefore, from)
		result.Loaded = t.options.Latencies.Between(job.Link, target, job.Direction, from, to)
	}
	var b perigee.Batch
	if result.Bytes > 0 {
		b.Throughputs = append(b.Throughputs, result)
	}
	if err != nil && ctx.Err() == nil {
		b.Events = append(b.Events, t.event(job, perigee.EventTransferFailed, err.Error()))
	}
	if !b.Empty() {
		err = errors.Join(err, t.record(ctx, b))
	}
	return result, err
}

// busy says what keeps a transfer from being made now, or nothing.
func (t *Transfers) busy(ctx context.Context, job Transfer) string {
	if t.stuck != nil {
		select {
		case <-t.stuck:
			t.stuck = nil
		default:
			return "an earlier transfer has not ended, although it was told to"
		}
	}
	if t.options.Others == nil || t.options.BusyAbove <= 0 || job.Anyway {
		return ""
	}
	job.progress(TransferProgress{Phase: "looking whether the link is free", Error: -1})
	rate, err := t.options.Others(ctx, job.Link)
	switch {
	case err != nil: // what cannot be known forbids nothing; the transfer will tell what is wrong
		return ""
	case rate > t.options.BusyAbove:
		return fmt.Sprintf("others move %s over it, more than %s", bitRate(rate), bitRate(t.options.BusyAbove))
	}
	return ""
}

// make has the transfer made and does not wait for ever if it hangs.
func (t *Transfers) make(ctx context.Context, job Transfer) (perigee.Throughput, error) {
	ctx, cancel := context.WithTimeout(ctx, t.options.Limit)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() { done <- o }()
		defer recovered(&o.err)
		o.result, o.err = t.options.Make(ctx, job)
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(makeGrace)
	defer grace.Stop()
	select {
	case o := <-done:
		return o.result, o.err
	case <-grace.C:
		t.stuck = done
		return perigee.Throughput{}, &perigee.Error{Code: perigee.CodeInternal, Message: fmt.Sprintf("link %s: the transfer did not end within %v of its limit", job.Link, makeGrace)}
	}
}

// await waits for d, or until ctx ends.
func (t *Transfers) await(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (j Transfer) progress(p TransferProgress) {
	if j.Progress != nil {
		j.Progress(p)
	}
}

// TransferStatus says how the transfers of a link go.
type TransferStatus struct {
	Link      perigee.LinkID
	Next      time.Time // when the next is due; zero: none is scheduled
	Running   bool
	LastError string // why the last scheduled one failed; empty if it did not
}

// Status returns the status of each link in the order of the options.
func (t *Transfers) Status() []TransferStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []TransferStatus
	for _, l := range t.links {
		all = append(all, TransferStatus{Link: l.ID, Next: l.next, Running: t.running != nil && t.running.Link == l.ID, LastError: l.failure})
	}
	return all
}

// bitRate writes a rate in words.
func bitRate(bitsPerSecond float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if bitsPerSecond >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", bitsPerSecond/unit.size), ".0") + " " + unit.name
		}
	}
	return fmt.Sprintf("%.0f bit/s", bitsPerSecond)
}
