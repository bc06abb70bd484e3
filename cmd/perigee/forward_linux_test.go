package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/internal/lab"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
)

// relay carries connections from a listener to address and counts the bytes, both ways.
type relay struct {
	listener net.Listener
	bytes    atomic.Int64
	conns    atomic.Int64
	wg       sync.WaitGroup
}

func newRelay(t *testing.T, listener net.Listener, address string) *relay {
	r := &relay{listener: listener}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			r.wg.Go(func() { r.carry(ctx, conn, address) })
		}
	})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		r.wg.Wait()
	})
	return r
}

// carry copies until either side has ended.
func (r *relay) carry(ctx context.Context, near net.Conn, address string) {
	defer near.Close()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { near.Close(); far.Close() })()
	var wg sync.WaitGroup
	copyOne := func(to, from net.Conn) {
		n, _ := io.Copy(to, from)
		r.bytes.Add(n)
		if tcp, ok := to.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	}
	wg.Go(func() { copyOne(far, near) })
	wg.Go(func() { copyOne(near, far) })
	wg.Wait()
}

// TestRunForwardsOverTheLinkThatIsNamed measures two links of the lab and forwards over
// one of them, slowly because it is metered, to a database behind the far end. The
// cadence of probes stays what was planned, no byte leaves by the other link, and what
// the far end counted is what the account says.
func TestRunForwardsOverTheLinkThatIsNamed(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	l := newLab(t, quick("main"), quick("other"))
	server := influxtest.Start(t, influxtest.NoFlux())
	bucket := server.Bucket(t)
	listener, err := l.FarListen(t.Context(), "tcp", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(t, listener, strings.TrimPrefix(server.URL, "http://"))
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(server.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	const probes = 100
	p := plan{
		site: perigee.Site{Name: "test"}, targets: []perigee.Target{{ID: "far", Address: lab.Target().String()}},
		interval: 100 * time.Millisecond, window: time.Second, outageAfter: time.Second, lossTimeout: time.Second, size: 56, storePath: dir,
		influxdb: &config.InfluxDB{URL: "http://" + listener.Addr().String(), Bucket: bucket, TokenFile: token, Via: "main"},
		metered:  []perigee.LinkID{"main"},
	}
	for _, name := range []string{"main", "other"} {
		end, _ := l.Link(name)
		p.links = append(p.links, perigee.Link{ID: perigee.LinkID(name), Orbit: perigee.OrbitTerrestrial, Interface: end.Device})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, err := newDaemon(ctx, streams{err: &log{}, out: &log{}}, p, nil, probes)
	if err != nil {
		t.Fatal(err)
	}
	if rate := d.forward.pacer.Rate(); rate != config.MeteredBandwidth {
		t.Errorf("forwarding over a metered link is paced to %d bit/s, want %d", rate, config.MeteredBandwidth)
	}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	r.listener.Close()
	r.wg.Wait()

	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := windowsIn(t, store)
	sameWindows(t, windowsAt(t, server, bucket), want)
	planned := map[string]int64{}
	for m, n := range want {
		planned[m.link] += n
	}
	if planned["main"] != probes || planned["other"] != probes {
		t.Errorf("planned probes: %v, want %d on each link", planned, probes)
	}
	// Of probes alone: what TCP there was would be more. A machine that stalls sends
	// fewer than were planned.
	sent := int64(0)
	for sample, err := range store.Samples(t.Context(), perigee.Query{Links: []perigee.LinkID{"other"}}) {
		if err != nil {
			t.Fatal(err)
		}
		sent += sample.Counts.Sent
	}
	if got := int64(l.Stats("other").Entered[lab.Up]); got != sent || sent < probes/2 {
		t.Errorf("%d packets left by the other link, want the %d probes", got, sent)
	}
	traffic, err := store.Traffic(t.Context(), "test", "main", time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got, truth := traffic[perigee.PurposeOutbox], r.bytes.Load(); got != truth || truth == 0 {
		t.Errorf("the account says %d bytes, the far end counted %d", got, truth)
	}
	t.Logf("%d windows in %d bytes over %d connections", len(want), r.bytes.Load(), r.conns.Load())
}
