package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestSelftest measures a namespace that has a loopback device and nothing else, whose
// counters must have seen each probe and each reply, once.
func TestSelftest(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Skip(err)
	}
	var out, err2 bytes.Buffer
	if status := run(t.Context(), []string{"selftest", "--json", "-n", "50"}, nil, &out, &err2); status != exitDone {
		t.Fatalf("exit status %d: %s", status, err2.String())
	}
	var got selftest
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	r := got.RTT
	if r.Planned != 50 || r.Sent+r.Skipped != 50 || r.Received != r.Sent || r.Received == 0 {
		t.Errorf("counts %+v, want 50 planned and all that were sent answered", r)
	}
	for name, s := range map[string]spread{"rtt": r.spread, "slip": got.Slip} {
		if s.Min == nil || s.P50 == nil || s.P95 == nil || s.P99 == nil || s.Max == nil ||
			*s.Min <= 0 || *s.Min > *s.Max || *s.P50 > *s.P95 || *s.P95 > *s.P99 {
			t.Errorf("%s: %+v, want rising figures above 0", name, s)
		}
	}
	if got.KernelStamps == nil || !*got.KernelStamps {
		t.Errorf("kernel stamps %v; Linux has them", got.KernelStamps)
	}
	if got.ClockResolution == nil || *got.ClockResolution <= 0 || *got.ClockResolution > 1e-3 {
		t.Errorf("resolution %v", got.ClockResolution)
	}
	if len(got.Meaning) < 3 || !strings.HasPrefix(got.Meaning[0], "Round trips measured here are too long by about ") {
		t.Errorf("meaning %q", got.Meaning)
	}
	if lo, err = netlink.LinkByName("lo"); err != nil {
		t.Fatal(err)
	}
	// Each probe and each reply is sent once over lo: 50 and 50, and up to ten of each
	// to learn of stamps.
	if n := lo.Attrs().Statistics.TxPackets; n < uint64(r.Sent+r.Received)+2 || n > uint64(r.Sent+r.Received)+20 {
		t.Errorf("%d packets over lo, want those of %d probes", n, r.Sent)
	}
	t.Logf("%s", out.String())
}

// An echo request's checksum makes the sum of all its words 0xffff (RFC 1071).
func TestEchoRequestSumsUp(t *testing.T) {
	for _, id := range []uint16{0, 1, 0x1234, 0xf7ff, 0xffff} {
		p, sum := echoRequest(id, 9), uint32(0)
		for i := 0; i < len(p); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(p[i:]))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		if sum != 0xffff {
			t.Errorf("id %#x: the words sum up to %#x", id, sum)
		}
	}
}
