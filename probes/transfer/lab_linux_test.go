package transfer_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
	"perigee/probes/transfer"
)

func long(t testing.TB) {
	t.Helper()
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes minutes: set PERIGEE_LONG=1 to run it")
	}
}

// newLab makes a lab that keeps no truth: a transfer is a million packets.
func newLab(t testing.TB, links ...lab.Profile) *lab.Lab {
	t.Helper()
	labtest.Need(t)
	o := lab.Options{Seed: 1}
	for _, p := range links {
		o.Links = append(o.Links, lab.Link{Name: p.Name, Profile: p})
	}
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// plain is a link without loss, the same both ways.
func plain(name string, rate int64, delay time.Duration, queue int64) lab.Profile {
	d := lab.Direction{Rate: rate, Delay: delay, Queue: queue}
	return lab.Profile{Name: name, Up: d, Down: d}
}

// ideal is the payload rate of TCP where packets of 1500 bytes fill a rate: 20 bytes of
// each are IPv4's, 32 TCP's with timestamps.
func ideal(rate int64) float64 { return float64(rate) * 1448 / 1500 }

// moved runs a transfer and returns what the link's device counted meanwhile.
func moved(t testing.TB, o transfer.Options) (perigee.Throughput, int64) {
	t.Helper()
	before, err := o.Binder.Counters(lab.Target())
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, o)
	after, err := o.Binder.Counters(lab.Target())
	if err != nil {
		t.Fatal(err)
	}
	return r, after.IPBytes() - before.IPBytes()
}

func within(value, low, high float64) bool { return value >= low && value <= high }

func TestRateIsThatOfTheLink(t *testing.T) {
	l := newLab(t, plain("wan", 20e6, 10*time.Millisecond, 100e3))
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		o := over(t, l, "wan", load)
		o.Streams, o.Congestion, o.MaxDuration = 4, "cubic", 3*time.Second
		w := watch(&o, l, "wan")
		r, device := moved(t, o)
		if truth := w.rate(r.Ramp, r.Length); !within(r.Rate/truth, 0.97, 1.03) || !r.Steady {
			t.Errorf("%s: %.2f Mbit/s, steady %v, the link delivered %.2f", load, r.Rate/1e6, r.Steady, truth/1e6)
		}
		if r.Rate > 1.05*ideal(20e6) || r.Rate < 0.4*ideal(20e6) { // a busy machine does not let it be filled
			t.Errorf("%s: %.2f Mbit/s, the link carries %.2f", load, r.Rate/1e6, ideal(20e6)/1e6)
		}
		if share := float64(r.WireBytes) / float64(device); !within(share, 0.98, 1.02) {
			t.Errorf("%s: counted %d bytes on the wire where the device counts %d: %.3f", load, r.WireBytes, device, share)
		}
		if r.Congestion != "cubic" || r.Proof.InterfaceName != "wan0" {
			t.Errorf("%s: %s by %s", load, r.Congestion, r.Proof.InterfaceName)
		}
	}
}

// TestUploadIsNeverAboveTheLine sends into queues of all depths: what waits there has been
// sent, and has not arrived.
func TestUploadIsNeverAboveTheLine(t *testing.T) {
	for name, queue := range map[string]int64{"shallow": 15e3, "deep": 1e6, "bottomless": 16e6} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, plain("wan", 10e6, 10*time.Millisecond, queue))
			o := over(t, l, "wan", perigee.LoadUp)
			o.Streams, o.Congestion, o.MaxDuration = 2, "cubic", 2*time.Second
			r := run(t, o)
			// A busy machine's far end looks at its clock late.
			const late = 250 * time.Millisecond
			if r.WholeRate > ideal(10e6)*(1+late.Seconds()/r.Length.Seconds()) {
				t.Errorf("%.3f Mbit/s, the line carries %.3f", r.WholeRate/1e6, ideal(10e6)/1e6)
			}
			// What a lost packet held up is handed over at once when it has come, so a
			// step may count more than the line carries in it; all steps until then
			// together may not.
			var so int64
			for i, n := range r.Series {
				so += n
				if line := ideal(10e6) / 8 * (time.Duration(i+1)*r.SeriesStep + late).Seconds(); float64(so) > line {
					t.Errorf("%d bytes had arrived after step %d, the line had carried %.0f", so, i, line)
				}
			}
			// For the same reason the steady part may have what came before it.
			if r.Rate > ideal(10e6)*1.1 {
				t.Errorf("%.3f Mbit/s steady, the line carries %.3f", r.Rate/1e6, ideal(10e6)/1e6)
			}
		})
	}
}

func TestCapIsOfBytesThatTheInterfaceCounts(t *testing.T) {
	for name, p := range map[string]lab.Profile{
		"shallow_queue": plain("wan", 150e6, 5*time.Millisecond, 150e3),
		"deep_queue":    plain("wan", 150e6, 20*time.Millisecond, 1e6),
	} {
		t.Run(name, func(t *testing.T) { holdCap(t, p, "cubic", 1.02) })
	}
}

func TestCapsHoldOverManyLinks(t *testing.T) {
	long(t)
	for _, delay := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, queue := range []int64{150e3, 1e6, 4e6} {
			for congestion, most := range map[string]float64{
				"cubic": 1.02,
				"bbr":   1.02,
			} {
				t.Run(fmt.Sprintf("%v/%dkB/%s", delay, queue/1000, congestion), func(t *testing.T) {
					holdCap(t, plain("wan", 150e6, delay, queue), congestion, most)
				})
			}
		}
	}
}

// holdCap lets transfers of 5 MB run over a link, and checks what share of that its device
// counts.
func holdCap(t *testing.T, p lab.Profile, congestion string, most float64) {
	needCongestion(t, congestion)
	const limit = 5e6
	l := newLab(t, p)
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		for _, streams := range []int{1, 8} {
			o := over(t, l, p.Name, load)
			o.Streams, o.Congestion, o.MaxBytes = streams, congestion, limit
			r, device := moved(t, o)
			share := float64(device) / limit
			t.Logf("%s, %d %s: the device counts %.4f of the cap, the transfer %.4f; %d sent again", load, streams, congestion, share, float64(r.WireBytes)/limit, r.Retransmitted)
			if !within(share, 0.85, most) || r.Stop != perigee.StoppedAtCap {
				t.Errorf("%s by %d: the device counts %.3f of the cap, ended by %s; want 0.85 to %v", load, streams, share, r.Stop, most)
			}
		}
	}
}

func TestTransfersAtOnceKeepToTheirLinks(t *testing.T) {
	slow, fast := plain("slow", 5e6, 15*time.Millisecond, 60e3), plain("fast", 20e6, 15*time.Millisecond, 200e3)
	l := newLab(t, slow, fast)
	options := map[string]transfer.Options{"slow": over(t, l, "slow", perigee.LoadUp), "fast": over(t, l, "fast", perigee.LoadDown)}
	var mu sync.Mutex
	var both sync.WaitGroup
	results, devices := map[string]perigee.Throughput{}, map[string]int64{}
	for name, o := range options {
		o.Streams, o.Congestion, o.MaxDuration = 4, "cubic", 3*time.Second
		both.Go(func() {
			r, device := moved(t, o)
			mu.Lock()
			defer mu.Unlock()
			results[name], devices[name] = r, device
		})
	}
	both.Wait()
	for name, rate := range map[string]int64{"slow": 5e6, "fast": 20e6} {
		r := results[name]
		// In three seconds a window that a lost packet held up is some per cent.
		if !within(r.Rate/ideal(rate), 0.9, 1.1) {
			t.Errorf("%s: %.2f Mbit/s, want %.2f", name, r.Rate/1e6, ideal(rate)/1e6)
		}
		// Of the other's bytes not one is here, or this would be off by their ratio.
		if share := float64(r.WireBytes) / float64(devices[name]); !within(share, 0.98, 1.02) {
			t.Errorf("%s: its device counts %d bytes, the transfer %d", name, devices[name], r.WireBytes)
		}
		if r.Proof.InterfaceName != name+"0" {
			t.Errorf("%s: proof of %s", name, r.Proof.InterfaceName)
		}
	}
}

func TestTransferEndsWhenItsRateIsKnown(t *testing.T) {
	long(t) // ten seconds at least
	l := newLab(t, plain("wan", 20e6, 5*time.Millisecond, 50e3))
	o := over(t, l, "wan", perigee.LoadDown)
	o.Streams, o.Congestion, o.MaxDuration, o.Precision = 4, "cubic", time.Minute, 0.05
	r := run(t, o)
	if r.Stop != perigee.StoppedAtPrecision || r.Error < 0 || r.Error > 0.05 || !r.Steady || r.Confidence != 0.95 {
		t.Errorf("ended by %s with an error of %.3f at a confidence of %v, want by precision with 0.05 at most", r.Stop, r.Error, r.Confidence)
	}
}

func TestSilentLinkEndsTheTransfer(t *testing.T) {
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		t.Run(string(load), func(t *testing.T) {
			l := newLab(t, plain("wan", 20e6, 5*time.Millisecond, 100e3))
			o := over(t, l, "wan", load)
			o.MaxDuration = 2 * time.Second
			var once sync.Once
			o.OnProgress = func(p transfer.Progress) {
				if p.Bytes > 500e3 {
					once.Do(func() {
						if err := l.Blackhole("wan", true); err != nil {
							t.Error(err)
						}
					})
				}
			}
			r, err := transfer.Run(t.Context(), o)
			if r.Stop != perigee.StoppedByFailure || err == nil || !strings.Contains(err.Error(), "does not answer any more") || r.Bytes < 500e3 {
				t.Errorf("%d bytes, ended by %q, %v; want what was measured and that the far end does not answer", r.Bytes, r.Stop, err)
			}
			if err := r.Check(); err != nil {
				t.Error(err)
			}
			if n := len(r.Series); n == 0 || r.Series[n-1] == 0 || r.Length > o.MaxDuration {
				t.Errorf("%v long with %d intervals, want the silence left out", r.Length, n)
			}
		})
	}
}

// mayForce reports whether this process is root outside of any user namespace, and so may
// have buffers of any size.
func mayForce(t *testing.T) bool {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	return os.Geteuid() == 0 && len(strings.Fields(string(ids))) == 3 && strings.Fields(string(ids))[2] == "4294967295"
}

// limitSending keeps the kernel from giving more than a million bytes to a sender, until t
// ends. The lab has set more.
func limitSending(t *testing.T) {
	t.Helper()
	const setting = "/proc/sys/net/ipv4/tcp_wmem"
	before, err := os.ReadFile(setting)
	if err == nil {
		err = os.WriteFile(setting, []byte("4096 16384 1000000"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(setting, before, 0) })
}

func TestBuffersThatAreTooSmallAreWarnedOf(t *testing.T) {
	if mayForce(t) {
		t.Skip("root is not warned: it has them enlarged, see TestLongPathIsNotHeldBackByBuffers")
	}
	l := newLab(t, plain("geo", 50e6, 300*time.Millisecond, 4e6))
	limitSending(t)
	o := over(t, l, "geo", perigee.LoadUp)
	o.MaxBytes = 200e3
	var warnings []string
	o.OnWarning = func(s string) { warnings = append(warnings, s) }
	run(t, o)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "sysctl -w net.ipv4.tcp_wmem=") {
		t.Errorf("warned of %q, want the setting that would do", warnings)
	}
}

func TestLongPathIsNotHeldBackByBuffers(t *testing.T) {
	long(t)
	if !mayForce(t) {
		t.Skip("buffers are forced by the machine's root alone")
	}
	needCongestion(t, "bbr")
	l := newLab(t, plain("geo", 50e6, 300*time.Millisecond, 4e6))
	limitSending(t)
	o := over(t, l, "geo", perigee.LoadUp)
	o.Congestion, o.MaxDuration = "bbr", 20*time.Second
	o.OnWarning = func(s string) { t.Errorf("warned of %q", s) }
	// A million bytes, were all of them payload, each 0.6 s are 13.3 Mbit/s.
	if r := run(t, o); r.Rate < 30e6 {
		t.Errorf("%.2f Mbit/s, want 30 and more: the buffer holds it back", r.Rate/1e6)
	}
}

// TestRatesOverOrbits holds rates against the ideal of links as users meet them, where
// senders can fill them.
func TestRatesOverOrbits(t *testing.T) {
	long(t)
	for _, p := range lab.Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			l := newLab(t, p)
			for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
				rate := p.Down.Rate
				if load == perigee.LoadUp {
					rate = p.Up.Rate
				}
				best := 0.0
				for congestion, streams := range map[string]int{"bbr": 1, "cubic": 8} {
					o := over(t, l, p.Name, load)
					o.Streams, o.Congestion = streams, congestion
					o.MaxDuration = transfer.AutoDuration(perigee.Orbit(p.Name), 0)
					if p.Name == "fibre" {
						o.MaxDuration = transfer.AutoDuration(perigee.OrbitTerrestrial, 0)
					}
					w := watch(&o, l, p.Name)
					r, device := moved(t, o)
					best = max(best, r.Rate)
					truth := w.rate(r.Ramp, r.Length)
					t.Logf("%s, %d %s: %.2f Mbit/s, %.4f of the ideal, %.4f of what was delivered; error %.3f, ramp %v, %d sent again, own count %.4f of the device's",
						load, streams, congestion, r.Rate/1e6, r.Rate/ideal(rate), r.Rate/truth, r.Error, r.Ramp, r.Retransmitted, float64(r.WireBytes)/float64(device))
					if !within(r.Rate/truth, 0.97, 1.03) {
						t.Errorf("%s by %s: %.2f Mbit/s, the link delivered %.2f", load, congestion, r.Rate/1e6, truth/1e6)
					}
					if r.Rate > 1.01*ideal(rate) {
						t.Errorf("%s by %s: %.2f Mbit/s is above the line", load, congestion, r.Rate/1e6)
					}
					if share := float64(r.WireBytes) / float64(device); !within(share, 0.98, 1.02) {
						t.Errorf("%s by %s: own count of bytes on the wire is %.4f of the device's", load, congestion, share)
					}
				}
				// LEO and Starlink lose bursts and are out at times, which nothing fills.
				if filled := p.Handovers.Every == 0 && p.Slots.Period == 0; filled && best < 0.98*ideal(rate) {
					t.Errorf("%s: at best %.2f Mbit/s, want %.2f", load, best/1e6, ideal(rate)/1e6)
				}
			}
		})
	}
}
