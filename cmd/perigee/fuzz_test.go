package main

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/internal/config"
)

// FuzzTimeFlag gives the flags for times and amounts whatever may be typed: a range that
// is taken has its beginning before its end, and a refusal names the flag.
func FuzzTimeFlag(f *testing.F) {
	for _, text := range []string{"", "24h", "7d", "2026-01-31T12:00:00Z", "1772366400", "-1", "1099511627776", "36525d", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+14:00", "1.5h"} {
		f.Add(text, "1h")
		f.Add("30d", text)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, from, to string) {
		begin, end, err := (rangeFlags{From: from, To: to}).resolve(now)
		if err != nil {
			if perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), "--from") && !strings.Contains(err.Error(), "--to") {
				t.Errorf("%q to %q: %v", from, to, err)
			}
			return
		}
		if begin.IsZero() != (from == "") || end.IsZero() != (to == "") || !begin.IsZero() && !end.IsZero() && !begin.Before(end) {
			t.Errorf("%q to %q is %v to %v", from, to, begin, end)
		}
		var n byteCount
		if n.UnmarshalText([]byte(from)) == nil && (n < 0 || n > 1e15) {
			t.Errorf("%q is %d bytes", from, n)
		}
	})
}

// FuzzInit gives perigee init whatever a machine may be named and somebody may answer:
// what it writes is read back as what was said, or refused with the reason.
func FuzzInit(f *testing.F) {
	f.Add("gateway", "wan0", "cabin\n-35.28, 149.13\nstarlink\n200GB\n", "http://127.0.0.1:8086", "perigee", "/etc/perigee/token")
	f.Add("", "eth0.100", "\n-\ngeo\n0\n", "", "", "")
	f.Add("no", "yes", "\"}, links: [\n91,0\n0,0\n", "http://[::1]:8086/#x", "a\nb", "~")
	f.Add("0x10", "a: b", "# x\n", "", "", "")
	f.Add("🛰", "wwan0\u2028", "1e3\nNaN,NaN\n0.5,-0\nmeo\n1e6B\n", "", "", "")
	f.Fuzz(func(t *testing.T, host, name, answers, url, bucket, tokenFile string) {
		gateway := netip.MustParseAddr("192.0.2.1")
		m := machine{host: host, devices: []device{
			{name: name, kind: kindWired, up: true, ways: []wayOut{{gateway: gateway, table: mainTable}}},
			{name: "wwan0", kind: kindCellular, up: true, ways: []wayOut{{gateway: gateway, table: 100, mark: 7}}},
		}}
		p := propose(m, nil)
		if url != "" {
			p.influxdb = &proposedInflux{url: url, bucket: bucket, tokenFile: tokenFile}
		}
		s := streams{in: strings.NewReader(answers), out: io.Discard, err: io.Discard}
		asked := p
		if err := asked.ask(newAsker(s, false)); err != nil {
			if perigee.CodeOf(err) != perigee.CodeInvalid {
				t.Errorf("%q: %v", answers, err)
			}
			asked = p // nobody answered: as with --yes
		}
		text := asked.text()
		c, err := config.Parse("perigee.yaml", text)
		if err != nil {
			return // the command says so and writes nothing
		}
		if c.Site.Name != asked.site.Name || len(c.Links) != 2 || c.Links[0].Interface != name || c.Links[0].Orbit != asked.links[0].orbit || c.Site.Located != asked.site.Located ||
			c.Site.Located && (c.Site.Latitude != asked.site.Latitude || c.Site.Longitude != asked.site.Longitude) {
			t.Errorf("site %+v and links %+v were written, and %+v and %+v read, in\n%s", asked.site, asked.links, c.Site, c.Links, text)
		}
		if (c.Storage.InfluxDB != nil) != (url != "") || url != "" && c.Storage.InfluxDB.Bucket != bucket {
			t.Errorf("%q of %q is read as %+v", bucket, url, c.Storage.InfluxDB)
		}
		if bytes.Contains(text, []byte("\x00")) {
			t.Errorf("NUL in %q", text)
		}
	})
}

// FuzzWatchdog gives the reader of the service manager's environment whatever may stand
// there: the time is one that a watchdog has, or none.
func FuzzWatchdog(f *testing.F) {
	for _, us := range []string{"60000000", "", "-1", "0", "9223372036854775807", "1e6", " 5"} {
		f.Add(us, "")
		f.Add(us, "1")
	}
	f.Fuzz(func(t *testing.T, us, pid string) {
		if strings.Contains(us+pid, "\x00") {
			t.Skip("no environment holds it")
		}
		t.Setenv("WATCHDOG_USEC", us)
		t.Setenv("WATCHDOG_PID", pid)
		if d := watchdogTime(); d < 0 || d > 24*time.Hour || d > 0 && us == "" {
			t.Errorf("WATCHDOG_USEC %q is %v", us, d)
		}
	})
}
