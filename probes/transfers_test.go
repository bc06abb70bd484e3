package probes

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
)

// yard is where transfers are made that move what a test says.
type yard struct {
	t       *testing.T
	options TransfersOptions

	mu      sync.Mutex
	made    []made
	at      int // transfers going on
	batch   perigee.Batch
	loads   []perigee.Load
	held    int
	moved   map[perigee.Purpose]int64
	outcome func(ctx context.Context, job Transfer) (perigee.Throughput, error)
}

// made is a transfer that was made.
type made struct {
	Transfer
	start time.Duration // since the beginning
}

// newYard has transfers of a length over links, hourly.
func newYard(t *testing.T, takes time.Duration, links ...perigee.LinkID) *yard {
	y := &yard{t: t, moved: map[perigee.Purpose]int64{}}
	begin := time.Now()
	y.outcome = func(ctx context.Context, job Transfer) (perigee.Throughput, error) {
		timer := time.NewTimer(takes)
		defer timer.Stop()
		result := perigee.Throughput{Stream: perigee.Stream{Link: job.Link, Load: job.Direction}, Start: time.Now(), Bytes: 900, WireBytes: 1000, Stop: perigee.StoppedAtTime}
		select {
		case <-timer.C:
		case <-ctx.Done():
			result.Stop = perigee.StoppedByUser
		}
		return result, nil
	}
	y.options = TransfersOptions{
		Site: "home", Target: "far", Directions: []perigee.Load{perigee.LoadDown, perigee.LoadUp},
		Combinations: []Combination{{1, "cubic"}, {8, "bbr"}},
		Clock:        func() perigee.Reading { return perigee.Reading{Wall: time.Now(), Mono: time.Since(begin)} },
		Limit:        time.Minute,
		Make: func(ctx context.Context, job Transfer) (perigee.Throughput, error) {
			y.mu.Lock()
			y.made = append(y.made, made{job, time.Since(begin)})
			if y.at++; y.at > 1 {
				y.t.Error("two transfers at once")
			}
			if y.held == 0 {
				y.t.Error("a transfer while the outbox is not held")
			}
			outcome := y.outcome
			y.mu.Unlock()
			defer func() {
				y.mu.Lock()
				y.at--
				y.mu.Unlock()
			}()
			return outcome(ctx, job)
		},
		Moved: func(_ perigee.LinkID, p perigee.Purpose, bytes int64) {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.moved[p] += bytes
		},
		Hold: func(context.Context) func() {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.held++
			return func() {
				y.mu.Lock()
				defer y.mu.Unlock()
				y.held--
			}
		},
		SetLoad: func(_ perigee.LinkID, load perigee.Load) {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.loads = append(y.loads, load)
		},
		Record: func(_ context.Context, b perigee.Batch) error {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.batch.Throughputs = append(y.batch.Throughputs, b.Throughputs...)
			y.batch.Events = append(y.batch.Events, b.Events...)
			return nil
		},
	}
	for _, id := range links {
		y.options.Links = append(y.options.Links, TransferLink{ID: id, Starts: Starts{Every: time.Hour, Site: "home", Link: id}})
	}
	return y
}

// run runs transfers until the returned function is called.
func (y *yard) run() (t *Transfers, stop func()) {
	y.t.Helper()
	t, err := NewTransfers(y.options)
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(y.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- t.Run(ctx) }()
	return t, func() {
		cancel()
		if err := <-ended; err != nil {
			y.t.Error(err)
		}
		if y.held != 0 {
			y.t.Errorf("the outbox is held %d times", y.held)
		}
		if n := len(y.loads); n > 0 && y.loads[n-1] != perigee.LoadIdle {
			y.t.Error("the link is left under load")
		}
	}
}

// events counts the recorded events of a kind and returns the first one's detail.
func (y *yard) events(kind perigee.EventKind) (n int, detail string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, e := range y.batch.Events {
		if e.Kind == kind {
			if n++; n == 1 {
				detail = e.Detail
			}
		}
	}
	return n, detail
}

// A day of three links: each start is made in both directions, one after the other, in
// turn with each combination, where the schedule says, and never two at once.
func TestTransfersOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, 4*time.Minute, "starlink", "geo", "fibre") // 24 minutes of every hour
		y.options.Limit = 10 * time.Minute
		_, stop := y.run()
		time.Sleep(24 * time.Hour)
		stop()
		rounds, combinations := map[perigee.LinkID]int{}, map[Combination]int{}
		for i, m := range y.made {
			if m.Direction == perigee.LoadDown {
				rounds[m.Link]++
				if i+1 < len(y.made) && (y.made[i+1].Link != m.Link || y.made[i+1].Direction != perigee.LoadUp || y.made[i+1].Combination() != m.Combination()) {
					t.Errorf("after %+v came %+v, want the way up of the same round", m, y.made[i+1])
				}
				combinations[m.Combination()]++
			}
		}
		for _, l := range y.options.Links {
			// A start is missed where the one before had to wait until after it.
			if n := rounds[l.ID]; n < 20 || n > 25 {
				t.Errorf("%s: %d rounds in a day, want 24 or few less", l.ID, n)
			}
		}
		for _, c := range y.options.Combinations {
			if combinations[c] < len(y.made)/6 {
				t.Errorf("%d of %d transfers with %+v, want one in two rounds", combinations[c], len(y.made), c)
			}
		}
		if n := len(y.batch.Throughputs); n < len(y.made)-1 || y.moved[perigee.PurposeTransfer] != int64(1000*len(y.made)) {
			t.Errorf("%d transfers made, %d recorded, %d bytes accounted for", len(y.made), n, y.moved[perigee.PurposeTransfer])
		}
	})
}

// Combination returns how a transfer was made.
func (m made) Combination() Combination { return Combination{m.Streams, m.Transfer.Congestion} }

// What a budget forbids is passed over with its reason; what it allows bounds a round.
func TestTransfersKeepToTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, time.Second, "geo")
		skip := "the month's bytes are used up"
		var allowed atomic.Int64
		y.options.Plan = func(perigee.LinkID, time.Time) (Allotment, bool) {
			n := allowed.Load()
			if n == 0 {
				return Allotment{Stretch: 1, Skip: skip}, true
			}
			return Allotment{Stretch: 1, Round: n, Manual: n}, true
		}
		transfers, stop := y.run()
		time.Sleep(5 * time.Hour)
		if n, detail := y.events(perigee.EventTransferSkipped); len(y.made) != 0 || n < 8 || n > 12 || detail != "far down: "+skip {
			t.Errorf("%d made, %d passed over: %q", len(y.made), n, detail)
		}
		if _, err := transfers.Ask(t.Context(), Transfer{Link: "geo", Direction: perigee.LoadDown}); perigee.CodeOf(err) != perigee.CodePermission || !strings.Contains(err.Error(), "budget") {
			t.Errorf("asked for without budget: %v", err)
		}
		allowed.Store(10_000_000)
		time.Sleep(time.Hour)
		if _, err := transfers.Ask(t.Context(), Transfer{Link: "geo", Direction: perigee.LoadDown, MaxBytes: 50_000_000}); err != nil {
			t.Error(err)
		}
		stop()
		if n := len(y.made); n < 3 {
			t.Fatalf("%d transfers, want a round and one that was asked for", n)
		}
		for _, m := range y.made {
			want := int64(5_000_000) // half of a round
			if m.Direction == perigee.LoadUp {
				want = allowed.Load() - 1000 // what the way down left
			}
			if m.Purpose == perigee.PurposeManual {
				want = allowed.Load()
			}
			if m.MaxBytes != want {
				t.Errorf("%+v may move %d bytes, want %d", m.Transfer, m.MaxBytes, want)
			}
		}
	})
}

// While others load the link there is no transfer, unless somebody insists.
func TestTransfersLeaveTheLinkToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, time.Second, "geo")
		y.options.BusyAbove = 1e6
		y.options.Others = func(context.Context, perigee.LinkID) (float64, error) { return 2.5e6, nil }
		transfers, stop := y.run()
		defer stop()
		time.Sleep(3 * time.Hour)
		if n, detail := y.events(perigee.EventTransferSkipped); len(y.made) != 0 || n < 2 || detail != "far down: others move 2.5 Mbit/s over it, more than 1 Mbit/s" {
			t.Errorf("%d made, %d passed over: %q", len(y.made), n, detail)
		}
		if _, err := transfers.Ask(t.Context(), Transfer{Link: "geo", Direction: perigee.LoadUp}); perigee.CodeOf(err) != perigee.CodeUnavailable {
			t.Errorf("asked for on a busy link: %v", err)
		}
		if _, err := transfers.Ask(t.Context(), Transfer{Link: "geo", Direction: perigee.LoadUp, Anyway: true}); err != nil || len(y.made) != 1 {
			t.Errorf("insisted: %v, %d made", err, len(y.made))
		}
	})
}

// One that fails, panics, hangs or is ended leaves nothing behind, and is told of.
func TestTransfersThatGoWrong(t *testing.T) {
	for name, c := range map[string]struct {
		outcome func(context.Context, Transfer) (perigee.Throughput, error)
		detail  string
		results int
	}{
		"fails": {func(context.Context, Transfer) (perigee.Throughput, error) {
			return perigee.Throughput{}, errors.New("connection refused")
		}, "far down: connection refused", 0},
		"breaks off": {func(context.Context, Transfer) (perigee.Throughput, error) {
			return perigee.Throughput{Bytes: 5, WireBytes: 10, Stop: perigee.StoppedByFailure}, errors.New("connection reset")
		}, "far down: connection reset", 1},
		"panics": {func(context.Context, Transfer) (perigee.Throughput, error) { panic("at the disco") }, "far down: the prober panicked: at the disco", 0},
		"ends late": {func(ctx context.Context, _ Transfer) (perigee.Throughput, error) {
			<-ctx.Done()
			return perigee.Throughput{}, ctx.Err()
		}, "far down: context deadline exceeded", 0},
		"never ends": {func(context.Context, Transfer) (perigee.Throughput, error) {
			time.Sleep(3 * time.Hour)
			return perigee.Throughput{}, nil
		}, "far down: link geo: the transfer did not end within 5s of its limit", 0},
		"without data": {func(context.Context, Transfer) (perigee.Throughput, error) {
			return perigee.Throughput{WireBytes: 60}, nil
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t, time.Second, "geo")
				y.outcome = c.outcome
				transfers, stop := y.run()
				time.Sleep(70 * time.Minute)
				status := transfers.Status()
				stop()
				n, detail := y.events(perigee.EventTransferFailed)
				if (n > 0) != (c.detail != "") || detail != c.detail || (len(y.batch.Throughputs) > 0) != (c.results > 0) {
					t.Errorf("%d failures: %q, %d results", n, detail, len(y.batch.Throughputs))
				}
				if s := status; len(s) != 1 || s[0].Running || (s[0].LastError != "") != (c.detail != "") {
					t.Errorf("status %+v", s)
				}
				time.Sleep(4 * time.Hour) // until what never ends has
			})
		})
	}
}

// Latency is summed up of the probes that were sent meanwhile, after their fate is known.
func TestTransfersSumUpLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, 10*time.Second, "geo")
		begin := time.Now()
		y.options.Latencies, y.options.Horizon = NewLatencies(10*time.Minute), 10*time.Second
		load := perigee.LoadIdle
		set := y.options.SetLoad
		y.options.SetLoad = func(l perigee.LinkID, to perigee.Load) { set(l, to); y.mu.Lock(); load = to; y.mu.Unlock() }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { // a probe each second, 600 ms and under load 900 ms; losses are known 10 s later
			for n := 0; ctx.Err() == nil; n++ {
				y.mu.Lock()
				now := load
				y.mu.Unlock()
				at := time.Since(begin)
				s := perigee.Singleton{Seq: perigee.Seq(n), At: at, Outcome: perigee.Received, RTT: 600 * time.Millisecond}
				if now != perigee.LoadIdle {
					s.RTT = 900 * time.Millisecond
				}
				wait := s.RTT
				if n%5 == 0 {
					s.Outcome, s.RTT, wait = perigee.Lost, 0, 10*time.Second-time.Millisecond
				}
				time.AfterFunc(wait, func() { y.options.Latencies.Singleton(perigee.Stream{Link: "geo", Load: now}, s) })
				time.Sleep(time.Second)
			}
		}()
		time.Sleep(2*time.Minute + 500*time.Millisecond)
		transfers, stop := y.run()
		result, err := transfers.Ask(t.Context(), Transfer{Link: "geo", Direction: perigee.LoadUp})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if i := result.Idle; i.Sent != 60 || i.Received != 48 || math.Abs(i.P50-0.6) > 1e-9 {
			t.Errorf("idle %+v", i)
		}
		cancel()
		time.Sleep(15 * time.Second) // until the last probe's fate is known
		if l := result.Loaded; l.Sent != 10 || l.Received != 8 || math.Abs(l.P99-0.9) > 1e-9 {
			t.Errorf("loaded %+v", l)
		}
	})
}

// Somebody who does not wait for his turn is let go, and his transfer is not made; who
// leaves while it is made ends it.
func TestTransfersAskedForAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, 30*time.Second, "geo", "fibre")
		transfers, stop := y.run()
		defer stop()
		if _, err := transfers.Ask(t.Context(), Transfer{Link: "leo"}); perigee.CodeOf(err) != perigee.CodeNotFound {
			t.Errorf("a link that is not there: %v", err)
		}
		first := make(chan perigee.Throughput, 1)
		leave, left := context.WithCancel(t.Context())
		go func() {
			result, _ := transfers.Ask(leave, Transfer{Link: "geo", Direction: perigee.LoadDown})
			first <- result
		}()
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := transfers.Ask(impatient, Transfer{Link: "fibre", Direction: perigee.LoadDown}); perigee.CodeOf(err) != perigee.CodeUnavailable {
			t.Errorf("not waited for: %v", err)
		}
		left()
		if result := <-first; result.Stop != perigee.StoppedByUser {
			t.Errorf("left: %+v", result)
		}
		if len(y.made) != 1 || y.moved[perigee.PurposeManual] != 1000 {
			t.Errorf("%d made, %d bytes accounted for", len(y.made), y.moved[perigee.PurposeManual])
		}
	})
}
