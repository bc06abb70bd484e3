package config

import (
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

// mustParse returns the configuration in text.
func mustParse(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse("perigee.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleLoads(t *testing.T) {
	data, err := os.ReadFile("../../deploy/perigee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Parse, not Load: whether the secret files exist depends on the machine.
	c, err := Parse("deploy/perigee.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/example-warnings.golden", strings.Join(c.Warnings, "\n")+"\n")
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/example-settings.golden", b.String())
	c.Warnings = nil
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Site: perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true},
		Links: []perigee.Link{
			{ID: "starlink", Orbit: perigee.OrbitStarlink, Interface: "wan0", Plan: perigee.Plan{Down: 100e6, Up: 15e6, Availability: 0.995}},
			{ID: "skymuster", Orbit: perigee.OrbitGEO, Source: netip.MustParseAddr("192.168.2.10"), SatelliteLongitude: 140.1, SatelliteKnown: true},
			{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 16},
		},
		FirstHops: map[perigee.LinkID]string{"fibre": "auto"},
		Metered:   []perigee.LinkID{"starlink", "skymuster"},
		Budgets: map[perigee.LinkID]Budget{
			"starlink":  {Bytes: 100e9, ResetsOn: 12, Location: time.Local, Reserve: 0.1},
			"skymuster": {Bytes: 20e9, ResetsOn: 1, Location: sydney, Reserve: 0.1},
		},
		Targets: []perigee.Target{
			{ID: "cloudflare", Address: "1.1.1.1"}, {ID: "quad9", Address: "9.9.9.9"}, {ID: "far-end", Address: "far.example.net"},
		},
		Reflectors: []Reflector{{Target: "far-end", Address: "far.example.net:4862", KeyFile: "/etc/perigee/far.key", TLS: true}},
		Probes: Probes{ICMP: ICMP{
			Interval: 200 * time.Millisecond, Window: 10 * time.Second, OutageAfter: time.Second, Size: 56,
			Targets: []perigee.TargetID{"cloudflare", "quad9", "far-end"},
		}},
		Transfer: &Transfer{
			Every: time.Hour, Schedule: "hashed", Method: TransferPerigee, Directions: []perigee.Load{perigee.LoadDown, perigee.LoadUp},
			Streams: []int{1, 8}, Congestion: []string{"cubic", "bbr"}, MaxBytes: 200e6, Precision: 0.05, BusyAbove: 1e6, LoadedInterval: 50 * time.Millisecond,
		},
		Storage: Storage{
			Path: "/var/lib/perigee", Keep: Keep{Singletons: 14 * 24 * time.Hour, Windows: 400 * 24 * time.Hour},
			InfluxDB: &InfluxDB{URL: "https://influx.example.net:8086", Org: "home", Bucket: "perigee", TokenFile: "/etc/perigee/influx.token", Via: "fibre", Bandwidth: 2_000_000},
		},
		API: API{Listen: "127.0.0.1:8480"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestExampleShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../deploy/perigee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range keyPaths(reflect.TypeFor[rawFile](), "") {
		key := path[strings.LastIndexByte(path, '.')+1:]
		switch path {
		case "links[].namespace", "links[].reason": // rare; described in the text above the links
			continue
		}
		if !strings.Contains(string(data), key+":") {
			t.Errorf("%s is missing", path)
		}
	}
}

// TestCompactExample reads the flow style that most documentation shows.
func TestCompactExample(t *testing.T) {
	c := mustParse(t, `site: {name: home, latitude: -35.28, longitude: 149.13}
links:
  - {name: starlink, orbit: starlink, interface: wan0, budget: {bytes: 200GB, resets_on: 12}}
  - {name: skymuster, orbit: geo, source: 192.168.2.10, satellite_longitude: 140.1, budget: {bytes: 30GB, resets_on: 1}}
  - {name: fibre, orbit: terrestrial, fwmark: 0x10}
targets:
  - {name: cloudflare, address: 1.1.1.1}
  - {name: far-end, reflector: "far.example.net:4862", key_file: /etc/perigee/far.key}
probes:
  icmp:     {interval: 200ms, window: 10s, loss_timeout: auto}
  transfer: {every: 1h, schedule: hashed, max_duration: auto, congestion: [cubic, bbr], streams: [1, 8]}
storage:
  path: /var/lib/perigee
  keep: {singletons: 14d, windows: 400d, rollups: forever}
  influxdb: {url: "http://127.0.0.1:8086", org: home, bucket: perigee, token_file: /etc/perigee/influx.token}
api: {listen: "127.0.0.1:8480", tokens_file: /etc/perigee/tokens}
`)
	if len(c.Warnings) > 0 || c.API.TokensFile != "/etc/perigee/tokens" {
		t.Errorf("tokens in %s, warnings:\n%s", c.API.TokensFile, strings.Join(c.Warnings, "\n"))
	}
	if want := []perigee.LinkID{"starlink", "skymuster"}; !slices.Equal(c.Metered, want) {
		t.Errorf("metered: %q, want %q", c.Metered, want)
	}
	if len(c.Links) != 3 || len(c.Targets) != 2 || len(c.Reflectors) != 1 || c.Transfer == nil {
		t.Errorf("%d links, %d targets, %d reflectors and transfers %v, want 3, 2, 1 and some", len(c.Links), len(c.Targets), len(c.Reflectors), c.Transfer)
	}
}

func TestDefaults(t *testing.T) {
	c := mustParse(t, minimal)
	want := Config{
		Site:    perigee.Site{Name: DefaultSiteName},
		Links:   []perigee.Link{{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Interface: "eth0"}},
		Targets: []perigee.Target{{ID: "cloudflare", Address: "1.1.1.1"}},
		Probes: Probes{ICMP: ICMP{
			Interval: DefaultInterval, Window: DefaultWindow, OutageAfter: DefaultOutageAfter, Size: DefaultSize,
			Targets: []perigee.TargetID{"cloudflare"},
		}},
		Storage: Storage{Path: StoragePath(), Keep: Keep{DefaultKeepSingletons, DefaultKeepWindows}},
		API:     API{Listen: DefaultListen},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if c := mustParse(t, minimal+"site:\nprobes:\n  icmp:\nstorage: {keep: }\napi:\n  # listen: \"127.0.0.1:8480\"\n"); !reflect.DeepEqual(c, want) {
		t.Errorf("empty sections: got  %+v\nwant %+v", c, want)
	}
}

func TestLossTimeoutByOrbit(t *testing.T) {
	automatic, fixed := ICMP{}, ICMP{LossTimeout: 2 * time.Second}
	for orbit, want := range map[perigee.Orbit]time.Duration{perigee.OrbitGEO: 5 * time.Second, perigee.OrbitLEO: 3 * time.Second} {
		if got := automatic.LossTimeoutFor(orbit); got != want {
			t.Errorf("auto on %s = %v, want %v", orbit, got, want)
		}
		if got := fixed.LossTimeoutFor(orbit); got != 2*time.Second {
			t.Errorf("fixed on %s = %v, want 2s", orbit, got)
		}
	}
}

// valid are snippets that must be accepted, with what must be in the settings.
func TestValidValues(t *testing.T) {
	links := func(rest string) string {
		return "links:\n" + rest + "targets:\n  - {name: cloudflare, address: 1.1.1.1}\n"
	}
	for name, test := range map[string]struct{ text, key, value string }{
		"mark in decimal":          {links("  - {name: a, orbit: leo, fwmark: 16}\n"), `links["a"].fwmark`, "0x10"},
		"mark in quotes":           {links("  - {name: a, orbit: leo, fwmark: \"0xFFFFFFFF\"}\n"), `links["a"].fwmark`, "0xffffffff"},
		"mapped source":            {links("  - {name: a, orbit: leo, source: \"::ffff:192.0.2.1\"}\n"), `links["a"].source`, "192.0.2.1"},
		"namespace by path":        {links("  - {name: a, orbit: leo, namespace: /run/netns/wan}\n"), `links["a"].namespace`, "/run/netns/wan"},
		"numeric namespace":        {links("  - {name: a, orbit: leo, namespace: 007}\n"), `links["a"].namespace`, "007"},
		"persian name":             {links("  - {name: \"خانه\u200cها\", orbit: leo, interface: eth0}\n"), "links[\"خانه\\u200cها\"].interface", "eth0"},
		"name of 64 characters":    {links("  - {name: " + strings.Repeat("漢", 64) + ", orbit: leo, interface: eth0}\n"), `links["` + strings.Repeat("漢", 64) + `"].interface`, "eth0"},
		"name in quotes":           {links("  - {name: \"5\", orbit: leo, interface: eth0}\n"), `links["5"].interface`, "eth0"},
		"imported only":            {links("  - {name: old, orbit: geo}\n  - {name: a, orbit: leo, interface: eth0}\n"), `links["old"].orbit`, "geo"},
		"shared with a reason":     {links("  - {name: a, orbit: leo, interface: eth0}\n  - {name: b, orbit: leo, interface: eth0, reason: does a comparison of equals say so?}\n"), `links["b"].interface`, "eth0"},
		"same device elsewhere":    {links("  - {name: a, orbit: leo, interface: eth0}\n  - {name: b, orbit: leo, interface: eth0, namespace: wan}\n"), `links["b"].namespace`, "wan"},
		"mark of two sources":      {links("  - {name: a, orbit: leo, fwmark: 1, source: 192.0.2.1}\n  - {name: b, orbit: leo, fwmark: 1, source: 192.0.2.2}\n"), `links["b"].source`, "192.0.2.2"},
		"ipv6 source, host target": {"links:\n  - {name: a, orbit: leo, source: \"2001:db8::1\"}\ntargets:\n  - {name: t, address: one.example.net}\n", `links["a"].source`, "2001:db8::1"},
		"equator":                  {minimal + "site: {latitude: 0, longitude: -0.0}\n", "site.longitude", "0"},
		"host name":                {"links:\n  - {name: a, orbit: leo, interface: eth0}\ntargets:\n  - {name: t, address: _a.xn--exmple-cua.net.}\n", `targets["t"].address`, "_a.xn--exmple-cua.net."},
		"ipv6 target":              {"links:\n  - {name: a, orbit: leo, interface: eth0}\ntargets:\n  - {name: t, address: \"2606:4700:0::1111\"}\n", `targets["t"].address`, "2606:4700::1111"},
		"days and hours":           {minimal + "storage: {keep: {singletons: 1d12h, windows: 2.5d}}\n", "storage.keep.singletons", "36h"},
		"everything for ever":      {minimal + "storage: {keep: {singletons: forever, windows: forever, rollups: forever}}\n", "storage.keep.windows", "forever"},
		"slow probes":              {minimal + "probes: {icmp: {interval: 2s, window: 1m}}\n", "probes.icmp.outage_after", "4s"},
		"fixed loss timeout":       {minimal + "probes: {icmp: {loss_timeout: 1500ms}}\n", "probes.icmp.loss_timeout", "1.5s"},
		"some targets":             {minimal + "  - {name: b, address: 9.9.9.9}\nprobes: {icmp: {targets: [b]}}\n", "probes.icmp.targets", `["b"]`},
		"listen on IPv6":           {minimal + "api: {listen: \"[::1]:0\"}\n", "api.listen", "[::1]:0"},
		"listen by name":           {minimal + "api: {listen: localhost:8480}\n", "api.listen", "localhost:8480"},
		"literal block":            {minimal + "api:\n  listen: >-\n    localhost:8480\n", "api.listen", "localhost:8480"},
		"JSON":                     {`{"links": [{"name": "a", "orbit": "leo", "interface": "eth0"}], "targets": [{"name": "t", "address": "1.1.1.1"}]}`, `links["a"].interface`, "eth0"},
		"byte order mark, CRLF":    {"\ufeff" + strings.ReplaceAll(minimal, "\n", "\r\n"), `links["fibre"].interface`, "eth0"},
		"allowance":                {links("  - {name: a, orbit: leo, interface: eth0, budget: {bytes: 30GB}}\n"), `links["a"].budget.bytes`, "30GB"},
		"promised rate":            {links("  - {name: a, orbit: leo, interface: eth0, plan: {down: 100 Mbit/s}}\n"), `links["a"].plan.down`, "100Mbit/s"},
		"promised availability":    {links("  - {name: a, orbit: leo, interface: eth0, plan: {availability: 99.95%}}\n"), `links["a"].plan.availability`, "99.95%"},
		"forwarding":               {minimal + "storage: {influxdb: {url: \"https://db/influx\", bucket: perigee/autogen}}\n", "storage.influxdb.url", "https://db/influx"},
		"bandwidth left out":       {minimal + "storage: {influxdb: {url: \"https://db\", bucket: b}}\n", "storage.influxdb.bandwidth", "auto"},
		"bandwidth unlimited":      {minimal + "storage: {influxdb: {url: \"https://db\", bucket: b, bandwidth: unlimited}}\n", "storage.influxdb.bandwidth", "unlimited"},
		"bandwidth":                {minimal + "storage: {influxdb: {url: \"https://db\", bucket: b, bandwidth: 1500 kbit/s}}\n", "storage.influxdb.bandwidth", "1.5Mbit/s"},
		"via":                      {minimal + "storage: {influxdb: {url: \"https://db\", bucket: b, via: fibre}}\n", "storage.influxdb.via", "fibre"},
		"relative path":            {minimal + "storage: {path: data}\n", "storage.path", "data"},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustParse(t, test.text)
			for _, s := range c.Settings() {
				if s.Key == test.key {
					if s.Value != test.value {
						t.Errorf("%s = %q, want %q", s.Key, s.Value, test.value)
					}
					return
				}
			}
			t.Errorf("%s is not among the settings %v", test.key, c.Settings())
		})
	}
}

func TestRelativeStoragePathFollowsTheFile(t *testing.T) {
	c, err := Parse("/etc/perigee/perigee.yaml", []byte(minimal+"storage: {path: ../data}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Storage.Path != "/etc/data" {
		t.Errorf("path = %q, want /etc/data", c.Storage.Path)
	}
}

// What systemd made for a service is what the service uses; several directories, which
// perigee's own unit does not have, say nothing.
func TestStoragePathOfAService(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	elsewhere := StoragePath()
	for given, want := range map[string]string{"/var/lib/monitor": "/var/lib/monitor", "/var/lib/a:/var/lib/b": elsewhere, "perigee": elsewhere} {
		t.Setenv("STATE_DIRECTORY", given)
		if got := StoragePath(); got != want {
			t.Errorf("STATE_DIRECTORY=%s: %q, want %q", given, got, want)
		}
	}
}

func TestStoragePathOfUsers(t *testing.T) {
	if os.Geteuid() == 0 {
		if got := StoragePath(); got != DefaultStoragePath {
			t.Errorf("root: %q, want %q", got, DefaultStoragePath)
		}
	}
	for _, test := range []struct{ state, home, want string }{
		{"/state", "/home/u", "/state/perigee"},
		{"", "/home/u", "/home/u/.local/state/perigee"},
		{"relative", "/home/u", "/home/u/.local/state/perigee"}, // the XDG specification says to ignore it
		{"", "", DefaultStoragePath},
	} {
		t.Setenv("XDG_STATE_HOME", test.state)
		t.Setenv("HOME", test.home)
		if got := userStoragePath(); got != filepath.FromSlash(test.want) {
			t.Errorf("XDG_STATE_HOME=%q HOME=%q: %q, want %q", test.state, test.home, got, test.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	c := mustParse(t, `links:
  - {name: skymuster, orbit: geo, interface: eth1, satellite_longitude: 140.1}
targets:
  - {name: far, address: 192.0.2.1, reflector: "[2001:db8::1]:4862", key_file: /etc/perigee/far.key}
storage:
  influxdb: {url: "http://db.example.net:8086", bucket: perigee, token_file: /etc/perigee/token}
  keep: {rollups: 3650d}
`)
	want := []string{
		"perigee.yaml:2:52: links[0].satellite_longitude: has no effect without site.latitude and site.longitude; add them",
		"perigee.yaml:6:14: storage.influxdb.url: would carry the token unencrypted; use https for a server on another machine",
		"perigee.yaml:7:10: storage.keep.rollups: not used by this version: rollups are kept forever",
	}
	if !reflect.DeepEqual(c.Warnings, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(c.Warnings, "\n"), strings.Join(want, "\n"))
	}
}

func TestHashIsOfWhatIsInEffect(t *testing.T) {
	hash := mustParse(t, minimal).Hash()
	if len(hash) != 16 {
		t.Errorf("hash %q has %d digits, want 16", hash, len(hash))
	}
	two := "links:\n  - {name: a, orbit: leo, interface: eth0}\n  - {name: b, orbit: leo, interface: eth1}\ntargets:\n  - {name: t, address: 1.1.1.1}\n  - {name: u, address: 9.9.9.9}\n"
	swapped := "# swapped\ntargets:\n  - {address: 9.9.9.9, name: u}\n  - {name: t, address: 1.1.1.1}\nlinks:\n  - {name: b, interface: eth1, orbit: leo}\n  - {name: a, orbit: leo, interface: eth0}\n"
	for name, pair := range map[string][2]string{
		"default written out":  {minimal, minimal + "probes: {icmp: {interval: 0.2s}}\n"},
		"order":                {two, swapped},
		"transfers by default": {minimal + "probes: {transfer: }\n", minimal + "probes: {transfer: {every: 60m, schedule: hashed, method: ookla, precision: 0.05, directions: [down, up]}}\n"},
	} {
		if a, b := mustParse(t, pair[0]).Hash(), mustParse(t, pair[1]).Hash(); a != b {
			t.Errorf("%s: hashes %s and %s differ", name, a, b)
		}
	}
	for _, change := range []string{
		"site: {name: away}\n", "site: {latitude: 1, longitude: 2}\n", "probes: {icmp: {interval: 1s}}\n", "probes: {icmp: {window: 20s}}\n",
		"probes: {icmp: {loss_timeout: 3s}}\n", "probes: {icmp: {outage_after: 2s}}\n", "probes: {icmp: {size: 57}}\n",
		"storage: {path: /data}\n", "storage: {keep: {singletons: 13d}}\n", "storage: {keep: {windows: 401d}}\n",
		"api: {listen: \"127.0.0.1:8481\"}\n", "  - {name: u, address: 9.9.9.9}\n",
		"storage: {influxdb: {url: \"https://db\", bucket: b}}\n", "probes: {transfer: }\n",
		"  - {name: far, reflector: \"far.example.net:4862\", key_file: /etc/far.key}\n",
	} {
		if mustParse(t, minimal+change).Hash() == hash {
			t.Errorf("%q does not change the hash", change)
		}
	}
	different := func(section, before, after string, keys ...string) {
		seen := map[string]string{}
		for _, keys := range append(keys, "") {
			hash := mustParse(t, before+keys+after).Hash()
			if other, ok := seen[hash]; ok {
				t.Errorf("%s has one hash with %q and %q", section, other, keys)
			}
			seen[hash] = keys
		}
	}
	different("storage.influxdb", minimal+"storage: {influxdb: {url: \"https://db\", bucket: b", "}}\n",
		", org: o", ", token_file: /t", ", via: fibre", ", bandwidth: 2Mbit/s", ", bandwidth: unlimited")
	far := minimal + "  - {name: far, reflector: \"far.example.net:4862\", key_file: /etc/far.key"
	different("a reflector", far, "}\n", ", address: 192.0.2.1", ", tls: true", ", ca_file: /etc/far.pem")
	different("probes.transfer", far+"}\nprobes: {transfer: {", "}}\n",
		"every: 2h", "schedule: poisson", "method: ookla", "method: ookla, server: 12345", "method: ookla, server: \"speedtest.example.net:8080\"", "directions: [up]", "streams: [1]",
		"streams: [1, 8]", "congestion: [bbr]", "max_duration: 10s", "max_bytes: 100MB", "precision: 1%", "precision: 0", "busy_above: 2Mbit/s", "loaded_interval: 20ms")
	link := func(budget string) string { return strings.Replace(minimal, "eth0}", "eth0"+budget+"}", 1) }
	before, after, _ := strings.Cut(link(", budget: {bytes: 5GB|}"), "|")
	different("a budget", before, after,
		", resets_on: 12", ", timezone: Australia/Sydney", ", reserve: 20%", ", used: 0, used_on: 2026-11-20", ", used: 1GB, used_on: 2026-11-20", ", used: 1GB, used_on: 2026-11-21")
}

// TestHashHoldsNoSecret names other files for everything that may be secret, and none of
// the words stands among what is hashed.
func TestHashHoldsNoSecret(t *testing.T) {
	text := func(name string) string {
		return minimal + "  - {name: far, reflector: \"far.example.net:4862\", key_file: /" + name + "1, tls: true, ca_file: /" + name + "2}\n" +
			"storage: {influxdb: {url: \"https://db\", bucket: b, token_file: /" + name + "3}}\n" +
			"api: {tokens_file: /" + name + "4, tls: {certificate: /" + name + "5, key: /" + name + "6}}\n"
	}
	one, other := mustParse(t, text("zebra")), mustParse(t, text("quagga"))
	if one.Hash() != other.Hash() {
		t.Error("the hash depends on the names of files that hold secrets")
	}
	for _, s := range one.Settings() {
		if strings.Contains(s.Value, "zebra") {
			t.Errorf("%s is hashed as %q", s.Key, s.Value)
		}
	}
}
