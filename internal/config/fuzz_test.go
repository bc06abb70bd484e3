package config

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

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
	if f := c.Transfer; f != nil && (f.Every < minEvery || len(f.Streams) == 0 || len(f.Directions) == 0 || f.MaxBytes < minMaxBytes || f.BusyAbove <= 0 ||
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
	}
	if bound == 0 || len(icmp.Targets) == 0 || icmp.Interval < minInterval || icmp.Window <= icmp.Interval || icmp.OutageAfter < icmp.Interval ||
		c.Site.Name == "" || c.Storage.Path == "" || c.API.Listen == "" {
		t.Errorf("unusable: %+v", c)
	}
}
