package config

import (
	"reflect"
	"strings"
	"testing"

	"perigee"
)

func TestReflectors(t *testing.T) {
	for text, want := range map[string]struct {
		address string // that is probed
		far     Reflector
	}{
		`reflector: "far.example.net:4862"`:                      {"far.example.net", Reflector{Address: "far.example.net:4862"}},
		`reflector: "[2001:db8::1]:4862"`:                        {"2001:db8::1", Reflector{Address: "[2001:db8::1]:4862"}},
		`reflector: "192.0.2.7:1", address: gw.example.net`:      {"gw.example.net", Reflector{Address: "192.0.2.7:1"}},
		`reflector: "192.0.2.7:4862", tls: true`:                 {"192.0.2.7", Reflector{Address: "192.0.2.7:4862", TLS: true}},
		`reflector: "192.0.2.7:4862", tls: false`:                {"192.0.2.7", Reflector{Address: "192.0.2.7:4862"}},
		`reflector: "192.0.2.7:4862", ca_file: /etc/ca`:          {"192.0.2.7", Reflector{Address: "192.0.2.7:4862", TLS: true, CAFile: "/etc/ca"}},
		`reflector: "[::ffff:192.0.2.7]:4862", address: 1.1.1.1`: {"1.1.1.1", Reflector{Address: "[::ffff:192.0.2.7]:4862"}},
	} {
		c := mustParse(t, "links:\n  - {name: fibre, orbit: terrestrial, interface: eth0}\ntargets:\n  - {name: far, key_file: /etc/far.key, "+text+"}\n")
		want.far.Target, want.far.KeyFile = "far", "/etc/far.key"
		if !reflect.DeepEqual(c.Reflectors, []Reflector{want.far}) {
			t.Errorf("%s: %+v, want %+v", text, c.Reflectors, want.far)
		}
		if !reflect.DeepEqual(c.Targets, []perigee.Target{{ID: "far", Address: want.address}}) || !reflect.DeepEqual(c.Probes.ICMP.Targets, []perigee.TargetID{"far"}) {
			t.Errorf("%s: targets %+v of which %q are probed, want %s", text, c.Targets, c.Probes.ICMP.Targets, want.address)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %q", text, c.Warnings)
		}
	}
}

func TestCertificatesThatAreNotThere(t *testing.T) {
	c, err := Load(write(t, "perigee.yaml", minimal+"  - {name: far, reflector: \"far.example.net:4862\", key_file: "+write(t, "key", "k", 0o600)+", ca_file: /nonexistent/ca.pem}\n", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	want := "targets[1].ca_file: the file cannot be looked at; check that it exists and that perigee may enter its directory"
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0], want) {
		t.Errorf("warnings %q, want %q", c.Warnings, want)
	}
}
