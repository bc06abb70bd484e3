//go:build linux || darwin

package bind_test

import (
	"net/netip"
	"testing"

	"perigee/probes/bind"
)

func TestOptionsAreChecked(t *testing.T) {
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		opts bind.Options
		want string // the error, or empty
	}{
		"nothing":                {bind.Options{}, "bind: no interface, source, mark or namespace given"},
		"name_too_long":          {bind.Options{Interface: "sixteen-letters!"}, `bind: "sixteen-letters!" is not an interface name`},
		"path_as_interface":      {bind.Options{Interface: "../wan0"}, `bind: "../wan0" is not an interface name`},
		"multicast_source":       {bind.Options{Source: addr("224.0.0.1")}, "bind: source 224.0.0.1 is not an address of one interface"},
		"unspecified_source":     {bind.Options{Source: addr("::")}, "bind: source :: is not an address of one interface"},
		"zone_against_interface": {bind.Options{Interface: "wan0", Source: addr("fe80::1%wan1")}, "bind: source fe80::1%wan1 is not on interface wan0"},
		"zone":                   {bind.Options{Source: addr("fe80::1%wan1")}, ""},
		"interface":              {bind.Options{Interface: "wan0"}, ""},
		"mapped_source":          {bind.Options{Source: addr("::ffff:10.0.0.1")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := bind.New(c.opts)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Fatalf("New(%v) = %q, want %q", c.opts, got, c.want)
			}
			if name == "zone" && b.Options() != (bind.Options{Interface: "wan1", Source: addr("fe80::1")}) {
				t.Errorf("options are %v, want interface and address apart", b.Options())
			}
		})
	}
}
