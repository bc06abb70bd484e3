package main

import (
	"context"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/internal/lab"
	"perigee/probes"
	"perigee/probes/bind"
	"perigee/probes/transfer/farend"
	"perigee/probes/transfer/wire"
	"perigee/storage/sqlite"
)

// line20 is a link of 20 Mbit/s each way with a queue of 40 ms.
func line20(name string) lab.Link {
	way := lab.Direction{Delay: 10 * time.Millisecond, Rate: 20e6, Queue: 100e3}
	return lab.Link{Name: name, Profile: lab.Profile{Name: name, Up: way, Down: way}}
}

// serveFarEnd serves transfers on the lab's far host and returns its address and key.
func serveFarEnd(t *testing.T, l *lab.Lab) (address string, key wire.Key) {
	t.Helper()
	listener, err := l.FarListen(t.Context(), "tcp", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	key = wire.NewKey()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- farend.Serve(ctx, listener, farend.Options{Key: key}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), key
}

// transferPlan measures two links against the far host, which is also a far end.
func transferPlan(t *testing.T, l *lab.Lab, dir string) plan {
	t.Helper()
	address, key := serveFarEnd(t, l)
	p := plan{
		site: perigee.Site{Name: "test"}, targets: []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 100 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: time.Second, size: 56, storePath: dir,
		farEnds: []farEnd{{target: "far", address: address, key: key}},
		budgets: map[perigee.LinkID]probes.Budget{"one": {Bytes: 50_000_000_000, UsedOn: time.Now().Add(-time.Hour)}},
	}
	for _, name := range []string{"one", "two"} {
		end, _ := l.Link(name)
		p.links = append(p.links, perigee.Link{ID: perigee.LinkID(name), Orbit: perigee.OrbitTerrestrial, Interface: end.Device})
	}
	return p
}

// deviceBytes reads what the kernel says that a device moved.
func deviceBytes(t *testing.T, device string) int64 {
	t.Helper()
	b, err := bind.New(bind.Options{Interface: device})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Counters(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return c.IPBytes()
}

// TestTransfersOverTwoLinksAtOnce asks a running daemon for transfers over two links at
// the same time. They are made one after the other, each wholly on its own link by the
// kernel's counters; probes sent meanwhile are marked, and what was moved is accounted
// for and counts against the budget.
func TestTransfersOverTwoLinksAtOnce(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, line20("one"), line20("two"))
	dir := t.TempDir()
	p := transferPlan(t, l, dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	words := &log{}
	d, err := newDaemon(ctx, streams{err: words, out: words}, p, listener, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]int64{"one": deviceBytes(t, "one0"), "two": deviceBytes(t, "two0")}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	daemon, err := client.New("http://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "probes to be answered", func() bool {
		links, err := daemon.Links(t.Context())
		return err == nil && len(links) == 2 && links[0].Last != nil && links[1].Last != nil
	})
	seconds := 3.0
	ids := map[string]string{}
	for link, direction := range map[string]string{"one": "up", "two": "both"} {
		probe, err := daemon.StartProbe(t.Context(), api.ProbeRequest{Link: link, Method: api.ProbeTransfer, Direction: direction, Streams: 2, Seconds: &seconds})
		if err != nil {
			t.Fatal(err)
		}
		ids[link] = probe.ID
	}
	var all []api.Throughput
	for link, id := range ids {
		var probe api.Probe
		within(t, "the transfers over "+link, func() bool {
			var err error
			if probe, err = daemon.Probe(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return probe.Ended != nil
		})
		if probe.State != api.ProbeDone || (len(probe.Throughputs) != 2) != (link == "one") {
			t.Fatalf("%s: %+v, %+v, %s", link, probe, probe.Trouble, words)
		}
		all = append(all, probe.Throughputs...)
	}
	moved := map[string]int64{}
	for i, r := range all {
		moved[r.Link] += r.WireBytes
		// Three seconds on a busy machine: how exact rates are is another test's.
		if ideal := 20e6 * 1448 / 1500; r.BitsPerSecond > ideal*1.05 || r.BitsPerSecond < ideal*0.6 {
			t.Errorf("%s %s: %.2f Mbit/s, want about %.2f", r.Link, r.Direction, r.BitsPerSecond/1e6, ideal/1e6)
		}
		if r.RTTIdle.P50 == nil || r.RTTLoaded.P50 == nil || *r.RTTLoaded.P50 < *r.RTTIdle.P50+0.010 || r.RTTLoaded.Count < 40 {
			t.Errorf("%s %s: latency %+v idle, %+v loaded, want the queue to show in 20 probes a second", r.Link, r.Direction, r.RTTIdle, r.RTTLoaded)
		}
		for _, o := range all[:i] {
			end := func(x api.Throughput) time.Time {
				return x.Time.Add(time.Duration(x.LengthSeconds * float64(time.Second)))
			}
			if r.Time.Before(end(o)) && o.Time.Before(end(r)) {
				t.Errorf("%s %s and %s %s were made at the same time", r.Link, r.Direction, o.Link, o.Direction)
			}
		}
	}
	if err := d.account.record(t.Context()); err != nil {
		t.Error(err)
	}
	budgets, err := daemon.Budget(t.Context())
	if err != nil || len(budgets) != 2 {
		t.Fatalf("%+v, %v", budgets, err)
	}
	for _, b := range budgets {
		for _, u := range b.Used {
			if u.Purpose == "manual" && u.Bytes != moved[b.Link] {
				t.Errorf("%s: %d bytes are accounted for, the transfers say %d", b.Link, u.Bytes, moved[b.Link])
			}
		}
		if (b.Allowance != nil) != (b.Link == "one") || b.Allowance != nil && *b.Left != *b.Allowance-b.UsedTotal {
			t.Errorf("%s: %+v", b.Link, b)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for link, was := range before {
		device, own := deviceBytes(t, link+"0")-was, moved[link]
		// Beside the transfers there were the probes, some of which are counted when
		// they are decided.
		store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
		if err != nil {
			t.Fatal(err)
		}
		sums, err := store.Traffic(t.Context(), "test", perigee.LinkID(link), time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if own += sums[perigee.PurposeProbing]; math.Abs(float64(device-own)) > 0.02*float64(device) {
			t.Errorf("%s: its device moved %d bytes, our count is %d", link, device, own)
		}
		for s, err := range store.Samples(t.Context(), perigee.Query{Links: []perigee.LinkID{perigee.LinkID(link)}}) {
			if err != nil {
				t.Fatal(err)
			}
			if loaded := during(all, s); (s.Stream.Load == perigee.LoadIdle) == loaded {
				t.Errorf("%s: %s probes from %s on, of %+v", link, s.Stream.Load, s.Start, all)
			}
		}
		store.Close()
	}
}

// TestAskedTransfersAreCapped asks for a transfer without saying how much it may move: as
// much as one by schedule.
func TestAskedTransfersAreCapped(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, line20("one"), line20("two"))
	p := transferPlan(t, l, t.TempDir())
	settings := p.transferSettings()
	settings.Every, settings.MaxBytes = 0, 2_000_000
	p.transfer = &settings
	ctx, cancel := context.WithCancel(t.Context())
	d, err := newDaemon(ctx, streams{err: &log{}, out: &log{}}, p, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	before := deviceBytes(t, "two0")
	id, err := d.measure.StartProbe(t.Context(), api.ProbeRequest{Link: "two", Method: api.ProbeTransfer, Direction: "down"})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the transfer", func() bool {
		state, err := d.measure.Probe(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !state.Ended.IsZero() && (state.Err != nil || len(state.Throughputs) != 1 || state.Throughputs[0].Stop != perigee.StoppedAtCap) {
			t.Fatalf("%+v", state)
		}
		return !state.Ended.IsZero()
	})
	if moved := deviceBytes(t, "two0") - before; moved > 2_000_000*1.05 {
		t.Errorf("%d bytes were moved, want 2 MB at most and some probes", moved)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// during reports whether a sample's probes can only have been sent beside a transfer in
// its direction; its windows are a second long, those at the edges are of both.
func during(all []api.Throughput, s perigee.Sample) bool {
	for _, r := range all {
		if r.Link != string(s.Stream.Link) {
			continue
		}
		begin, end := r.Time, r.Time.Add(time.Duration(r.LengthSeconds*float64(time.Second)))
		if s.Stream.Load != perigee.LoadIdle {
			// A little before, while the connections came about, and after.
			if string(s.Stream.Load) == r.Direction && s.End().After(begin.Add(-time.Second)) && s.Start.Before(end.Add(2*time.Second)) {
				return true
			}
			continue
		}
		if s.Start.After(begin) && s.End().Before(end) {
			return true
		}
	}
	return false
}

// TestProbeTransferAlone measures with the command, no daemon running.
func TestProbeTransferAlone(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, line20("one"))
	address, key := serveFarEnd(t, l)
	file := filepath.Join(t.TempDir(), "far.key")
	if err := os.WriteFile(file, []byte(key.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := deviceBytes(t, "one0")
	stdout, stderr, status := perigeeRun(t, "probe", "--transfer", "-i", "one0", "--far", address, "--key-file", file, "--direction", "up", "--max-bytes", "2MB", lab.Target().String())
	if status != 0 || !strings.Contains(stdout, "Mbit/s") || !strings.Contains(stdout, "cap") {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if moved := deviceBytes(t, "one0") - before; moved > 2_000_000*1.05 {
		t.Errorf("%d bytes were moved, want 2 MB at most and some probes", moved)
	}
	_, stderr, status = perigeeRun(t, "probe", "--transfer", "-i", "one0", "--far", address, lab.Target().String())
	if status != exitUsage || !strings.Contains(stderr, "--key-file") {
		t.Errorf("without a key: status %d\n%s", status, stderr)
	}
	if err := os.WriteFile(file, []byte(wire.NewKey().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, status = perigeeRun(t, "probe", "--transfer", "-i", "one0", "--far", address, "--key-file", file, "--direction", "up", lab.Target().String())
	if status == 0 || !strings.Contains(stderr, "key") {
		t.Errorf("with another's key: status %d\n%s", status, stderr)
	}
}
