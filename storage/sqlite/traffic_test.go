package sqlite_test

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
)

func wantTraffic(t *testing.T, store *sqlite.Store, link perigee.LinkID, from, to time.Time, want map[perigee.Purpose]int64) {
	t.Helper()
	got, err := store.Traffic(t.Context(), "home", link, from, to)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("Traffic of %s from %v to %v = %v, %v, want %v", link, from, to, got, err, want)
	}
}

func TestTrafficIsCountedByQuarterHourAndPurpose(t *testing.T) {
	store := open(t)
	add := func(link perigee.LinkID, purpose perigee.Purpose, at time.Time, bytes int64) {
		t.Helper()
		if err := store.AddTraffic(t.Context(), "home", link, purpose, at, bytes); err != nil {
			t.Fatal(err)
		}
	}
	// Midnight in Kathmandu, at UTC+5:45.
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("npt", (5*60+45)*60))
	add("a", perigee.PurposeOutbox, midnight, 1)
	add("a", perigee.PurposeOutbox, midnight.Add(15*time.Minute-1), 2)
	add("a", perigee.PurposeTransfer, midnight, 4)
	add("a", perigee.PurposeOutbox, midnight.Add(15*time.Minute), 8)
	add("a", perigee.PurposeOutbox, midnight.Add(-1), 16)
	if err := store.AddTraffics(t.Context(), "home", midnight, map[perigee.LinkID]map[perigee.Purpose]int64{
		"a": {perigee.PurposeOutbox: 32, perigee.PurposeDevice: 64, perigee.PurposeManual: 0}, "b": {perigee.PurposeOutbox: 128},
	}); err != nil {
		t.Fatal(err)
	}
	day := midnight.Add(24 * time.Hour)
	for _, test := range []struct {
		from, to time.Time
		want     map[perigee.Purpose]int64
	}{
		{time.Time{}, time.Time{}, map[perigee.Purpose]int64{"outbox": 59, "transfer": 4, "device": 64}},
		{midnight, day, map[perigee.Purpose]int64{"outbox": 43, "transfer": 4, "device": 64}},
		{day.Add(-48 * time.Hour), midnight, map[perigee.Purpose]int64{"outbox": 16}},
		{midnight.Add(10 * time.Minute), midnight.Add(11 * time.Minute), map[perigee.Purpose]int64{"outbox": 35, "transfer": 4, "device": 64}},
		{midnight.Add(15 * time.Minute), time.Time{}, map[perigee.Purpose]int64{"outbox": 8}},
		{time.Time{}, midnight.Add(-15 * time.Minute), map[perigee.Purpose]int64{}},
	} {
		wantTraffic(t, store, "a", test.from, test.to, test.want)
	}
	wantTraffic(t, store, "b", time.Time{}, time.Time{}, map[perigee.Purpose]int64{"outbox": 128})
}

// What a device moved is counted once, beyond restarts of the service and the system.
func TestDeviceCountersSurviveRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.db")
	opened := func() *sqlite.Store {
		t.Helper()
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := opened()
	defer func() { store.Close() }()
	total := int64(0)
	for i, step := range []struct {
		name    string
		reading sqlite.DeviceReading
		restart bool
		want    int64
	}{
		{"the_first_says_nothing", sqlite.DeviceReading{Device: "wan0", Boot: "one", Rx: 1000, Tx: 500}, false, 0},
		{"both_directions_count", sqlite.DeviceReading{Device: "wan0", Boot: "one", Rx: 1300, Tx: 540}, false, 340},
		{"nothing_was_moved", sqlite.DeviceReading{Device: "wan0", Boot: "one", Rx: 1300, Tx: 540}, false, 0},
		{"the_service_was_away", sqlite.DeviceReading{Device: "wan0", Boot: "one", Rx: 9300, Tx: 1540}, true, 9000},
		{"the_system_was_booted", sqlite.DeviceReading{Device: "wan0", Boot: "two", Rx: 10_000, Tx: 2000}, true, 12_000},
		{"the_device_was_made_again", sqlite.DeviceReading{Device: "wan0", Boot: "two", Rx: 7, Tx: 2000}, false, 2007},
		{"another_device", sqlite.DeviceReading{Device: "wan1", Boot: "two", Rx: 1 << 40, Tx: 1 << 40}, false, 0},
		{"which_counts_from_there", sqlite.DeviceReading{Device: "wan1", Boot: "two", Rx: 1<<40 + 1, Tx: 1<<40 + 1}, false, 2},
	} {
		if step.restart {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store = opened()
		}
		step.reading.At = start.Add(time.Duration(i) * time.Hour)
		got, err := store.CountDevice(t.Context(), "home", "geo", step.reading)
		if err != nil || got != step.want {
			t.Errorf("%s: CountDevice = %d, %v, want %d", step.name, got, err, step.want)
		}
		if total += step.want; total > 0 {
			wantTraffic(t, store, "geo", time.Time{}, time.Time{}, map[perigee.Purpose]int64{perigee.PurposeDevice: total})
		}
	}
	wantTraffic(t, store, "other", time.Time{}, time.Time{}, map[perigee.Purpose]int64{})
}
