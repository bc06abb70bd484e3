package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee/api"
	"perigee/api/client"
	"perigee/internal/lab"
	"perigee/probes/transfer/wire"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
)

const (
	// homeInterval is between two probes of a stream.
	homeInterval = 200 * time.Millisecond
	homeWindow   = 2 * time.Second

	// recoverWithin is how long a home may take to be well again after a fault has ended.
	recoverWithin = 30 * time.Second

	// homeDisk is the size of the file system that a home's store lies on.
	homeDisk = 128 << 20

	homeAPI  = "127.0.0.1:8480"
	homeName = "far.perigee.test" // of the target that has a name
)

// homeLinks are the links of a home, lines of 4 Mbit/s with a queue of 100 ms: the first is
// measured by its device, the second by its firewall mark.
var homeLinks = []string{"one", "two"}

func homeLine(name string) lab.Link {
	way := lab.Direction{Delay: 10 * time.Millisecond, Rate: 4e6, Queue: 50e3}
	return lab.Link{Name: name, Profile: lab.Profile{Name: name, Up: way, Down: way}}
}

// A faultHome is one real daemon with all that surrounds it, in namespaces of its own: links, a
// far host with a far end for transfers, a database behind a proxy that can misbehave, a
// name server, a clock that can be set and a file system that can be filled up.
type faultHome struct {
	t        *testing.T
	number   int
	dir      string // of everything but the store
	disk     string // where the store's file system is mounted
	lab      *lab.Lab
	clock    steppedClock
	eras     []era // of clock
	dns      *nameServer
	database *influxtest.Server
	bucket   string
	proxy    *faultProxy
	daemon   *lifeline
	far      *lifeline
	api      *client.Client

	known       map[windowKey]bool  // windows whose probes were held against the lab already
	claimed     map[claim]windowKey // packets that are a probe of a window
	held        map[mark]int64      // what the database was seen to hold
	asideBefore string              // the damaged store that was set aside last before this fault
	touched     []interval          // in which a device came, went or changed
	survived    bool                // the daemon, its last squeeze

	mu           sync.Mutex
	acknowledged map[windowKey]api.Counts
	live         map[string]heard // of each stream, the last window
}

// newHome makes a home. It must be called in namespaces of its own, with privateMounts.
func newHome(t *testing.T, number int, seed uint64, keep string) *faultHome {
	t.Helper()
	h := &faultHome{
		t: t, number: number, dir: keep, disk: filepath.Join(keep, "disk"),
		acknowledged: map[windowKey]api.Counts{}, live: map[string]heard{}, known: map[windowKey]bool{}, claimed: map[claim]windowKey{},
	}
	if err := os.MkdirAll(h.disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("perigee-faults", h.disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", homeDisk)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(h.disk, unix.MNT_DETACH) })
	var links []lab.Link
	for _, name := range homeLinks {
		links = append(links, homeLine(name))
	}
	var err error
	if h.lab, err = lab.New(lab.Options{Seed: seed, Links: links, KeepTruth: true}); errors.Is(err, lab.ErrForbidden) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := h.lab.Dropped(); n != 0 {
			t.Errorf("the truth log lacks %d records", n)
		}
		if err := h.lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if h.clock, err = newSteppedClock(filepath.Join(h.dir, "clock")); err != nil {
		t.Fatal(err)
	}
	h.eras = []era{{begun: time.Now()}}
	h.dns = newNameServer(t, h.dir)
	h.database = influxtest.Start(t)
	h.bucket = h.database.Bucket(t)
	h.proxy = newFaultProxy(t, h.database.URL)
	h.startFar()
	h.startDaemon()
	return h
}

// startFar runs the far end of transfers on the far host.
func (h *faultHome) startFar() {
	key := filepath.Join(h.dir, "far.key")
	if err := os.WriteFile(key, []byte(wire.NewKey().Reveal()+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.far = newLifeline(h.t, filepath.Join(h.dir, "far.log"), func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", "reflect", "--listen="+h.farEnd(), "--key-file="+key)
		cmd.Env = append(os.Environ(), beProgram+"=1")
		return cmd
	}, h.lab.FarStart)
}

// farEnd is where the far end listens.
func (h *faultHome) farEnd() string {
	return net.JoinHostPort(lab.Target().String(), fmt.Sprint(wire.DefaultPort))
}

// startDaemon runs the daemon, and listens to what it acknowledges.
func (h *faultHome) startDaemon() {
	token := filepath.Join(h.dir, "token")
	config := filepath.Join(h.dir, "perigee.yaml")
	text := fmt.Sprintf(`site: {name: home-%d}
links:
  - {name: one, orbit: terrestrial, interface: one0}
  - {name: two, orbit: terrestrial, fwmark: 2}
targets:
  - {name: far, address: %s, reflector: %q, key_file: %s}
  - {name: named, address: %s}
probes: {icmp: {interval: %s, window: %s, loss_timeout: 500ms}}
storage:
  path: %s
  influxdb: {url: %q, bucket: %q, token_file: %s}
api: {listen: %q}
`, h.number, lab.Target(), h.farEnd(), filepath.Join(h.dir, "far.key"), homeName, homeInterval, homeWindow, h.disk, h.proxy.URL, h.bucket, token, homeAPI)
	for file, content := range map[string]string{token: h.database.Token + "\n", config: text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	var err error
	if h.api, err = client.New("http://"+homeAPI, nil); err != nil {
		h.t.Fatal(err)
	}
	h.daemon = newLifeline(h.t, filepath.Join(h.dir, "daemon.log"), func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", "run", "--config="+config)
		cmd.Env = append(os.Environ(), beProgram+"=1", clockFileEnv+"="+filepath.Join(h.dir, "clock"))
		return cmd
	}, (*exec.Cmd).Start)
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	var listening sync.WaitGroup
	listening.Go(func() { h.listen(ctx) })
	h.t.Cleanup(func() {
		cancel()
		listening.Wait()
	})
}

// storeFile is the store's file.
func (h *faultHome) storeFile() string { return storeFile(h.disk) }

// A windowKey names a window of one stream.
type windowKey struct {
	link, target, load string
	start              int64 // ns since the Unix epoch
}

// listen notes what the daemon tells that it has stored, as long as ctx does not end, over
// all of its lives.
func (h *faultHome) listen(ctx context.Context) {
	for ctx.Err() == nil {
		for event, err := range h.api.Live(ctx) {
			if err != nil {
				break // it was killed, or is not up yet
			}
			if s := event.Sample; s != nil {
				h.mu.Lock()
				h.acknowledged[windowKey{s.Link, s.Target, s.Load, s.Start.UnixNano()}] = s.Counts
				h.live[s.Link+" "+s.Target] = heard{at: time.Now(), began: s.Start}
				h.mu.Unlock()
			}
		}
		wait(ctx, 100*time.Millisecond)
	}
}

// heard is when, by the machine's clock, a window was heard of, and when it began by the
// daemon's.
type heard struct{ at, began time.Time }

// lastHeard returns the last window of a stream that was acknowledged.
func (h *faultHome) lastHeard(link, target string) (heard, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, ok := h.live[link+" "+target]
	return last, ok
}

// ready asks the daemon whether all of it works.
func (h *faultHome) ready(ctx context.Context) error {
	return askHealth(ctx, "http://"+homeAPI, "/readyz")
}

// well says what is wrong yet with a home: each stream must have told of a window that began
// after since, by the machine's clock, it must be ready, and nothing but the newest may wait to
// be forwarded.
func (h *faultHome) well(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, link := range homeLinks {
		for _, target := range []string{"far", "named"} {
			if last, ok := h.lastHeard(link, target); !ok || last.at.Before(since) || h.shown(last.began).Before(since) {
				return fmt.Errorf("no window of %s to %s that began after the fault was heard of", link, target)
			}
		}
	}
	if err := h.ready(ctx); err != nil {
		return err
	}
	outbox, err := h.api.Outbox(ctx)
	if err != nil {
		return err
	}
	if outbox.Problem != nil || outbox.Pending > 16 {
		return fmt.Errorf("%d results wait for the database: %+v", outbox.Pending, outbox.Problem)
	}
	return nil
}

// recover waits until a home is well, and returns how long that took; it fails after
// recoverWithin.
func (h *faultHome) recover(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	limit := time.After(recoverWithin)
	for {
		err := h.well(ctx, begun)
		if err == nil {
			return time.Since(begun), nil
		}
		select {
		case <-limit:
			return recoverWithin, fmt.Errorf("it is not well %s after the fault: %w", recoverWithin, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// open opens the store to read.
func (h *faultHome) open(ctx context.Context) (*sqlite.Store, error) {
	return sqlite.OpenReader(ctx, h.storeFile())
}

// An interval is a time, by the machine's clock.
type interval struct{ from, to time.Time }

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// privateMounts has no mount of this process be seen by others.
func privateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	return nil
}

// asked has the daemon work, so that what it lacks it has to miss: it is asked for the page's
// data. What it answers does not matter.
func asked(ctx context.Context) {
	for _, path := range []string{"/api/v1/links", "/api/v1/monitor", "/metrics", "/api/v1/compare?links=one,two&metric=rtt&from=10m"} {
		ask, cancel := context.WithTimeout(ctx, 2*time.Second)
		if r, err := http.NewRequestWithContext(ask, http.MethodGet, "http://"+homeAPI+path, nil); err == nil {
			if response, err := http.DefaultClient.Do(r); err == nil {
				response.Body.Close()
			}
		}
		cancel()
	}
}
