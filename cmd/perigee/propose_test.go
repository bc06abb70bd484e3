package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"perigee/internal/config"
)

func prefixes(text ...string) (list []netip.Prefix) {
	for _, s := range text {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// wayBy is a default route of the main table.
func wayBy(gateway string, metric int) wayOut {
	w := wayOut{metric: metric, table: mainTable}
	if gateway != "" {
		w.gateway = netip.MustParseAddr(gateway)
	}
	return w
}

// What is proposed for machines as people have them. Each proposal must be a valid
// configuration that says the same when it is read.
func TestPropose(t *testing.T) {
	behind := wayBy("192.168.1.1", 100)
	for _, c := range []struct {
		name    string
		devices []device
		asked   map[string]bool
		want    string // name orbit device [source] [mark] first-hop, by link
		says    string // among what it assumes
	}{
		{"nothing", nil, nil, "", "no throughput is measured"},
		{"one line", []device{{name: "eth0", kind: kindWired, up: true, addresses: prefixes("192.168.1.7/24"), ways: []wayOut{behind}}}, nil,
			"eth0 terrestrial eth0 auto", "eth0 is taken for terrestrial: it is wired, and nothing tells"},
		{"a router like a dish's is no sign", []device{{name: "wlan0", kind: kindWifi, up: true, addresses: prefixes("192.168.1.7/24"), ways: []wayOut{behind}}}, map[string]bool{"wlan0": false},
			"wlan0 terrestrial wlan0 auto", "it is wifi, and nothing tells"},
		{"a dish in bypass mode", []device{{name: "wan0", kind: kindWired, up: true, addresses: prefixes("100.83.1.2/10"), ways: []wayOut{wayBy("100.64.0.1", 0)}}}, nil,
			"starlink starlink wan0 auto", "wan0 has 100.83.1.2, of the space that carriers share (RFC 6598)"},
		{"a carrier's address alone is no sign", []device{{name: "wan0", kind: kindWired, up: true, addresses: prefixes("100.83.1.2/10"), ways: []wayOut{wayBy("100.83.0.1", 0)}}}, nil,
			"wan0 terrestrial wan0 auto", "nobody reaches this end from outside"},
		{"a route to the dish", []device{{name: "wan0", kind: kindWired, up: true, ways: []wayOut{behind}, dishRoute: true}}, nil,
			"starlink starlink wan0 192.168.100.1", "there is a route to the dish"},
		{"the dish was spoken with", []device{{name: "wan0", kind: kindWired, up: true, ways: []wayOut{behind}, dishNeighbour: true}}, nil,
			"starlink starlink wan0 auto", "the kernel knows the dish"},
		{"a dish without a connection", []device{{name: "wan0", kind: kindWired, up: true, addresses: prefixes("192.168.100.101/24"), ways: []wayOut{wayBy("192.168.100.1", 0)}}}, nil,
			"starlink starlink wan0 auto", "its address 192.168.100.101 is one that a dish gives"},
		{"the dish answers", []device{{name: "eth0", kind: kindWired, up: true, ways: []wayOut{behind}}}, map[string]bool{"eth0": true},
			"starlink starlink eth0 192.168.100.1", "a dish answers at 192.168.100.1"},
		{"a modem", []device{{name: "wwan0", kind: kindCellular, up: true, addresses: prefixes("10.1.2.3/30"), ways: []wayOut{wayBy("", 700)}}}, nil,
			"cellular cellular wwan0 -", "link cellular is taken for metered: perigee may move 5.0 GB"},
		{"a modem that is off", []device{{name: "wwan0", kind: kindCellular}}, nil, "", "wwan0 (cellular) has no default route and is left out"},
		{"DSL", []device{{name: "ppp0", kind: kindDialUp, up: true, ways: []wayOut{wayBy("", 0)}}}, nil, "ppp0 terrestrial ppp0 -", "PPP is what"},
		{"a tunnel over a line", []device{
			{name: "eth0", kind: kindWired, up: true, ways: []wayOut{behind}}, {name: "wg0", kind: kindTunnel, up: true, ways: []wayOut{wayBy("", 0)}}}, nil,
			"eth0 terrestrial eth0 auto", "wg0 is a tunnel and is left out"},
		{"two dishes and a bridge of containers", []device{
			{name: "docker0", kind: kindWired, up: true, addresses: prefixes("172.17.0.1/16")},
			{name: "wan0", kind: kindWired, up: true, ways: []wayOut{wayBy("100.64.0.1", 10)}}, {name: "wan1", kind: kindWired, up: true, ways: []wayOut{wayBy("100.64.0.1", 20)}}}, nil,
			"starlink starlink wan0 auto, starlink-2 starlink wan1 auto", "a probe leaves every 1s, not every 200ms"},
		{"policy routing by source", []device{{name: "wan1", kind: kindWired, up: true, addresses: prefixes("192.0.2.9/24"),
			ways: []wayOut{{gateway: netip.MustParseAddr("192.0.2.1"), table: 100, source: netip.MustParseAddr("192.0.2.9")}}}}, nil,
			"wan1 terrestrial wan1 192.0.2.9 auto", "stands in table 100, which packets from 192.0.2.9 find"},
		{"policy routing by mark", []device{{name: "wan1", kind: kindWired, up: true, ways: []wayOut{{gateway: netip.MustParseAddr("192.0.2.1"), table: 100, mark: 0x10}}}}, nil,
			"wan1 terrestrial wan1 0x10 auto", "which packets with mark 0x10 find"},
		{"a table that nothing leads to", []device{{name: "wan1", kind: kindWired, ways: []wayOut{{gateway: netip.MustParseAddr("192.0.2.1"), table: 100}}}}, nil,
			"wan1 terrestrial wan1 auto", "no rule tells how packets find it"},
		{"the main table goes first", []device{{name: "wan1", kind: kindWired, up: true, ways: []wayOut{{gateway: netip.MustParseAddr("192.0.2.1"), table: 100, mark: 1}, wayBy("192.0.2.2", 900)}}}, nil,
			"wan1 terrestrial wan1 auto", "wan1 has 2 default routes; the link takes the first, by 192.0.2.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := propose(machine{host: "cabin", devices: c.devices}, c.asked)
			var got []string
			for _, l := range p.links {
				words := []string{l.name, string(l.orbit), l.device}
				if l.source.IsValid() {
					words = append(words, l.source.String())
				}
				if l.mark != 0 {
					words = append(words, "0x10")
				}
				if l.firstHop == "" {
					l.firstHop = "-"
				}
				got = append(got, strings.Join(append(words, l.firstHop), " "))
			}
			if g := strings.Join(got, ", "); g != c.want {
				t.Errorf("links %q, want %q", g, c.want)
			}
			if all := strings.Join(p.assumptions(), "\n"); !strings.Contains(all, c.says) {
				t.Errorf("it does not say %q, but\n%s", c.says, all)
			}
			if len(p.links) == 0 {
				return
			}
			read, err := config.Parse("perigee.yaml", p.text())
			if err != nil {
				t.Fatalf("%v\n%s", err, p.text())
			}
			if len(read.Warnings) > 0 {
				t.Errorf("the configuration has warnings: %q", read.Warnings)
			}
			for i, l := range read.Links {
				want := p.links[i]
				if string(l.ID) != want.name || l.Orbit != want.orbit || l.Interface != want.device || l.Source != want.source || l.Mark != want.mark || read.Budgets[l.ID].Bytes != want.budget {
					t.Errorf("read %+v, budget %+v; proposed %+v", l, read.Budgets[l.ID], want)
				}
			}
			if read.Site.Name != "cabin" || read.Probes.ICMP.Interval != p.interval || len(read.Targets) != len(publicAnchors) {
				t.Errorf("read site %+v, interval %v, targets %v", read.Site, read.Probes.ICMP.Interval, read.Targets)
			}
		})
	}
}

// Whatever a site is called or a path looks like, it reads back as it was.
func TestProposalQuotes(t *testing.T) {
	for _, name := range []string{"home", "no", "5", "京都", `a "b" c`, "x: y", "# z", "-", "it's", "null", "1e3", "a/b"} {
		p := propose(machine{host: "h", devices: []device{{name: "eth0", kind: kindWired, ways: []wayOut{wayBy("", 0)}}}}, nil)
		p.site.Name = name
		p.storePath = "/var/lib/" + name
		read, err := config.Parse("perigee.yaml", p.text())
		// Slashes are no part of a site's name; the text must still say what is wrong.
		if strings.Contains(name, "/") {
			if err == nil || !strings.Contains(err.Error(), "site.name") {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if err != nil || read.Site.Name != name || read.Storage.Path != "/var/lib/"+name {
			t.Errorf("%q: read site %q, path %q, %v", name, read.Site.Name, read.Storage.Path, err)
		}
	}
	for n, want := range map[int64]string{20e9: "20GB", 1500e6: "1500MB", 2e12: "2TB"} {
		if got := wholeBytes(n); got != want {
			t.Errorf("%d bytes are written %s, want %s", n, got, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	m := machine{host: "cabin", devices: []device{
		{name: "eth0", kind: kindWired, up: true, ways: []wayOut{wayBy("192.0.2.1", 0)}},
		{name: "wwan0", kind: kindCellular, up: true, ways: []wayOut{wayBy("", 0)}},
	}}
	said := &log{}
	ask := func(answers string) (proposal, error) {
		p := propose(m, nil)
		return p, p.ask(newAsker(streams{in: strings.NewReader(answers), err: said}, false))
	}
	// A wrong answer is asked for again; an empty line is the default; geo becomes metered.
	p, err := ask("hut\n91, 0\n-35.28, 149.13\nsatellite\ngeo\n3GB\n0\n")
	if err != nil {
		t.Fatal(err)
	}
	if p.site.Name != "hut" || !p.site.Located || p.site.Latitude != -35.28 || p.site.Longitude != 149.13 {
		t.Errorf("site %+v", p.site)
	}
	geo, cellular := p.links[0], p.links[1]
	if geo.name != "geo" || geo.orbit != "geo" || geo.budget != 3e9 || !slices.Contains(geo.because, "you said geo") || cellular.budget != 0 {
		t.Errorf("links %+v, %+v", geo, cellular)
	}
	for _, want := range []string{"north from -90 to 90", `"satellite" is not one of starlink`, "What is eth0", "over cellular (wwan0)"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nobody was told %q: %s", want, said)
		}
	}
	if p, err = ask("\n\n\n\n\n"); err != nil || p.site.Name != "cabin" || p.site.Located || p.links[0].orbit != "terrestrial" || p.links[1].budget != 5e9 {
		t.Errorf("all defaults: %+v, %v", p, err)
	}
	if _, err = ask("hut\n"); err == nil || !strings.Contains(err.Error(), "--yes takes every default") {
		t.Errorf("nobody there: %v", err)
	}
}
