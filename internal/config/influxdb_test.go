package config

import (
	"strings"
	"testing"

	"perigee"
)

func TestLimitOfForwarding(t *testing.T) {
	metered := []perigee.LinkID{"starlink"}
	for name, test := range map[string]struct {
		db   InfluxDB
		want int64
	}{
		"by the system's way":            {InfluxDB{}, Unlimited},
		"by a link without a budget":     {InfluxDB{Via: "fibre"}, Unlimited},
		"by a metered link":              {InfluxDB{Via: "starlink"}, MeteredBandwidth},
		"set for a metered link":         {InfluxDB{Via: "starlink", Bandwidth: 1e6}, 1e6},
		"taken off a metered link":       {InfluxDB{Via: "starlink", Bandwidth: Unlimited}, Unlimited},
		"set for a link without a plan":  {InfluxDB{Via: "fibre", Bandwidth: 8000}, 8000},
		"set for the way of the system ": {InfluxDB{Bandwidth: 8000}, 8000},
	} {
		if got := test.db.Limit(metered); got != test.want {
			t.Errorf("%s: %d bit/s, want %d", name, got, test.want)
		}
	}
}

func TestViaToThisMachineIsDoubted(t *testing.T) {
	doubt := func(way, url string) bool {
		c := mustParse(t, "links:\n  - {name: a, orbit: leo, "+way+"}\ntargets:\n  - {name: t, address: 127.0.0.1}\n"+
			"storage: {influxdb: {url: \""+url+"\", bucket: b, via: a}}\n")
		if c.Storage.InfluxDB.Via != "a" {
			t.Errorf("via = %q, want a", c.Storage.InfluxDB.Via)
		}
		return strings.Contains(strings.Join(c.Warnings, "\n"), "storage.influxdb.via: the server is on this machine, where no link leads; remove via")
	}
	for _, test := range []struct {
		way, url string
		want     bool
	}{
		{"interface: eth0", "http://127.0.0.1:8086", true},
		{"interface: eth0", "http://localhost:8086", true},
		{"interface: eth0", "https://db.example.net", false},
		{"interface: lo", "http://127.0.0.1:8086", false},
		{"source: 127.0.0.2", "http://127.0.0.1:8086", false},
	} {
		if got := doubt(test.way, test.url); got != test.want {
			t.Errorf("%s to %s: doubted %v, want %v", test.way, test.url, got, test.want)
		}
	}
}
