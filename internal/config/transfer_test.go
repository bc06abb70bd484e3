package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"perigee"
)

func TestTransfersAreNotScheduledUnasked(t *testing.T) {
	if c := mustParse(t, minimal); c.Transfer != nil {
		t.Errorf("without the section: %+v", c.Transfer)
	}
	if c := mustParse(t, minimal+"probes:\n  transfer:\n    # every: 1h\n"); c.Transfer == nil {
		t.Error("with an empty section: none")
	}
}

func TestTransfers(t *testing.T) {
	const far = "  - {name: far, reflector: \"far.example.net:4862\", key_file: /etc/far.key}\n"
	both := []perigee.Load{perigee.LoadDown, perigee.LoadUp}
	defaults := Transfer{
		Every: time.Hour, Schedule: "hashed", Method: TransferOokla, Directions: both,
		MaxBytes: 200e6, Precision: 0.05, BusyAbove: 1e6, LoadedInterval: 50 * time.Millisecond,
	}
	for _, c := range []struct {
		name, targets, keys string
		change              func(*Transfer)
	}{
		{"defaults", "", "", func(*Transfer) {}},
		{"a far end is preferred", far, "", func(t *Transfer) { t.Method = TransferPerigee }},
		{"which auto says too", far, "method: auto", func(t *Transfer) { t.Method = TransferPerigee }},
		{"public servers in spite of a far end", far, "method: ookla, server: 12345", func(t *Transfer) { t.Server = "12345" }},
		{"public server by name", "", "server: \"speedtest.example.net:8080\"", func(t *Transfer) { t.Server = "speedtest.example.net:8080" }},
		{"time", "", "every: 5m, schedule: poisson, max_duration: 20s", func(t *Transfer) { t.Every, t.Schedule, t.MaxDuration = 5*time.Minute, "poisson", 20*time.Second }},
		{"automatic duration", "", "max_duration: auto, schedule: periodic", func(t *Transfer) { t.Schedule = "periodic" }},
		{"combinations", far, "streams: [16, 1], congestion: [bbr, cubic, dctcp_2], directions: [up]", func(t *Transfer) {
			t.Method, t.Streams, t.Congestion, t.Directions = TransferPerigee, []int{16, 1}, []string{"bbr", "cubic", "dctcp_2"}, both[1:]
		}},
		{"order of directions", "", "directions: [up, down]", func(t *Transfer) { t.Directions = []perigee.Load{perigee.LoadUp, perigee.LoadDown} }},
		{"limits", "", "max_bytes: 1GB, precision: 2.5%, busy_above: 500 kbit/s, loaded_interval: 10ms", func(t *Transfer) {
			t.MaxBytes, t.Precision, t.BusyAbove, t.LoadedInterval = 1e9, 0.025, 500_000, 10*time.Millisecond
		}},
		{"never early", "", "precision: 0", func(t *Transfer) { t.Precision = 0 }},
	} {
		got := mustParse(t, minimal+c.targets+"probes: {transfer: {"+c.keys+"}}\n")
		want := defaults
		c.change(&want)
		if !reflect.DeepEqual(got.Transfer, &want) {
			t.Errorf("%s: %+v, want %+v", c.name, got.Transfer, want)
		}
		if len(got.Warnings) > 0 {
			t.Errorf("%s: %q", c.name, got.Warnings)
		}
	}
}

func TestWarningsAboutTransfers(t *testing.T) {
	const far = "  - {name: far, reflector: \"far.example.net:4862\", key_file: /etc/far.key}\n"
	const links = `links:
  - {name: fibre, orbit: terrestrial, interface: eth0}
  - {name: starlink, orbit: starlink, interface: eth1}
  - {name: skymuster, orbit: geo, interface: eth2, budget: {bytes: 20GB}}
  - {name: imported, orbit: leo}
targets:
  - {name: cloudflare, address: 1.1.1.1}
`
	for _, c := range []struct{ name, text, want string }{
		// 2 directions * 200 MB * 720 hours of 30 days.
		{"no budget", links + "probes: {transfer: }\n", "perigee.yaml:3:5: links[1]: has no budget, so transfers may move 288GB a month over it; add one, such as budget: {bytes: 20GB}"},
		{"no budget, but not much", links + "probes: {transfer: {every: 2h, directions: [up], max_bytes: 10MB}}\n", "perigee.yaml:3:5: links[1]: has no budget, so transfers may move 4GB a month over it; add one, such as budget: {bytes: 20GB}"},
		{"no transfers", links, ""},
		{"server that is not asked", minimal + far + "probes: {transfer: {server: 12345}}\n", "perigee.yaml:6:21: probes.transfer.server: has no effect: transfers go to the far ends; remove it or write method: ookla"},
		{"congestion of public servers", minimal + "probes: {transfer: {congestion: [bbr]}}\n", "perigee.yaml:5:34: probes.transfer.congestion: has no effect down from public servers, which choose for themselves"},
	} {
		if got := strings.Join(mustParse(t, c.text).Warnings, "\n"); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}
