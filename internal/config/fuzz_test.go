package config

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
)

// FuzzParse: no input makes Parse panic or hang; an error has a code, and every problem
// a line of the file and a message; a configuration that is accepted can be measured
// with, and its hash does not change from reading to reading.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../../deploy/perigee.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseServe(newReader("perigee.yaml", nil), data); err == nil && (s.InfluxDB.URL == "" || s.InfluxDB.Bucket == "" || s.API.Listen == "") {
			t.Errorf("cannot be served: %+v", s)
		}
		c, err := Parse("perigee.yaml", data)
		if err == nil {
			checkUsable(t, c)
			again, err := Parse("perigee.yaml", data)
			if err != nil || !reflect.DeepEqual(c, again) || c.Hash() != again.Hash() {
				t.Errorf("a second reading gives %+v, %v, want %+v", again, err, c)
			}
			return
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || perigee.CodeOf(err) != perigee.CodeInvalid || len(e.Problems) == 0 {
			t.Fatalf("error %T %v, want an *Error with problems", err, err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range e.Problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("%+v: not in the file, which has %d lines", p, lines)
			}
		}
	})
}

// checkUsable fails if c breaks a promise of Config.
func checkUsable(t *testing.T, c Config) {
	t.Helper()
	icmp := c.Probes.ICMP
	if d := c.Storage.InfluxDB; d != nil && (d.URL == "" || d.Bucket == "" || d.Bandwidth != Unlimited && d.Bandwidth != 0 && d.Bandwidth < minBandwidth ||
		d.Via != "" && !slices.ContainsFunc(c.Links, func(l perigee.Link) bool { return l.ID == d.Via && l.Bound() })) {
		t.Errorf("cannot be forwarded to: %+v", d)
	}
	for _, b := range c.Budgets {
		if b.Bytes < minBudget || b.ResetsOn < 1 || b.ResetsOn > 31 || b.Location == nil || b.Reserve < 0 || b.Reserve > maxReserve || b.Used < 0 {
			t.Errorf("budget %+v", b)
		}
	}
	if len(c.Budgets) != len(c.Metered) {
		t.Errorf("%d budgets of %d metered links", len(c.Budgets), len(c.Metered))
	}
	for _, far := range c.Reflectors {
		if far.KeyFile == "" || far.Address == "" || !slices.ContainsFunc(c.Targets, func(t perigee.Target) bool { return t.ID == far.Target }) {
			t.Errorf("reflector %v", far)
		}
	}
	if f := c.Transfer; f != nil && (f.Every < minEvery || slices.ContainsFunc(f.Streams, func(n int) bool { return n < 1 || n > maxStreams }) || len(f.Directions) == 0 || f.MaxBytes < minMaxBytes || f.BusyAbove <= 0 ||
		f.LoadedInterval < minInterval || f.Precision < 0 || f.Method == TransferAuto || f.Method == TransferPerigee && len(c.Reflectors) == 0) {
		t.Errorf("transfers %+v", *f)
	}
	for _, o := range c.API.Origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(o); err != nil {
			t.Errorf("origin %s: %v", o, err)
		}
	}
	if open := c.API.Exposed(c.API.Listen); len(open) > 0 {
		t.Errorf("listens at %s: %v", c.API.Listen, open)
	}
	bound := 0
	for _, l := range c.Links {
		if l.Bound() {
			bound++
		}
		if l.ID == "" || !l.Orbit.Valid() || l.SatelliteKnown && l.Orbit != perigee.OrbitGEO {
			t.Errorf("link %+v", l)
		}
	}
	for _, target := range c.Targets {
		if target.ID == "" || target.Address == "" {
			t.Errorf("target %+v", target)
		}
		// What ends in a number is an address, or a slip in one, and no name.
		_, err := netip.ParseAddr(target.Address)
		name := strings.Split(strings.TrimSuffix(target.Address, "."), ".")
		if err != nil && strings.Trim(name[len(name)-1], "0123456789") == "" {
			t.Errorf("target %+v: neither an address nor a name", target)
		}
	}
	if bound == 0 || len(icmp.Targets) == 0 || icmp.Interval < minInterval || icmp.Window <= icmp.Interval || icmp.OutageAfter < icmp.Interval ||
		c.Site.Name == "" || c.Storage.Path == "" || c.API.Listen == "" {
		t.Errorf("unusable: %+v", c)
	}
}

// FuzzScalars gives the readers of times and amounts what may stand at any key: what is
// accepted is within what is promised, and reads back as the same when it is written as
// messages and settings write it.
func FuzzScalars(f *testing.F) {
	for _, text := range []string{"1d12h", "-14d", "200ms", "1.5d-3h", "d", "36500d8760h", "200GB", "1.5GiB", "-1B", "1e9B", "5 %", "0.05", "NaN", "256kbit/s", "2 Mbit/s", "0x10", "1_000MB", "9999999999999999999TB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parseDuration(text); ok && d > 0 && d <= 100*365*day { // no key takes more
			if again, ok := parseDuration(span(d)); !ok || again != d {
				t.Errorf("%q is %v, written %s, read again %v", text, d, span(d), again)
			}
		}
		if n, ok := ParseBytes(text); ok {
			if n > 1e18 || n < -1e18 {
				t.Errorf("%q is %d bytes", text, n)
			}
			// A float64 tells amounts up to 2^53 apart.
			if again, ok := ParseBytes(size(n)); n >= 0 && n < 1<<53 && (!ok || again != n) {
				t.Errorf("%q is %d bytes, written %s, read again %d", text, n, size(n), again)
			}
		}
		for _, k := range []kind{textual, numeric} {
			r, v := newReader("perigee.yaml", nil), value{kind: k, text: text, at: start}
			if share, ok := r.share(v, 0.5); ok && !(share >= 0 && share <= 0.5) || !ok && v.given() && len(r.problems) == 0 {
				t.Errorf("%q is a share of %v, %v", text, share, r.problems)
			}
			r = newReader("perigee.yaml", nil)
			if n, ok := r.rate(v, 1000, 1e10, "2Mbit/s", ""); ok && (n < 1000 || n > 1e10) || !ok && v.given() && len(r.problems) == 0 {
				t.Errorf("%q is a rate of %d, %v", text, n, r.problems)
			}
			r = newReader("perigee.yaml", nil)
			if d, ok := r.duration(v, time.Second, time.Hour, ""); ok && (d < time.Second || d > time.Hour) || !ok && v.given() && len(r.problems) == 0 {
				t.Errorf("%q is a time of %v, %v", text, d, r.problems)
			}
			r = newReader("perigee.yaml", nil)
			if n, ok := r.integer(v, 1, math.MaxInt32, "a number"); ok && (n < 1 || n > math.MaxInt32) || !ok && v.given() && len(r.problems) == 0 {
				t.Errorf("%q is the number %d, %v", text, n, r.problems)
			}
		}
	})
}
