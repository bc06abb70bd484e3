package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"perigee/internal/clock"
)

func TestMonoNeverRunsBack(t *testing.T) {
	read := clock.System()
	last := read()
	for range 10_000 {
		now := read()
		if now.Mono < last.Mono {
			t.Fatalf("mono ran from %v back to %v", last.Mono, now.Mono)
		}
		last = now
	}
}

// Two readings of one look differ by the same amount on both clocks unless someone
// sets the wall clock: under a fake clock nobody can.
func TestWallAndMonoAreOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := clock.System()
		a := read()
		time.Sleep(90 * time.Minute)
		b := read()
		if d := b.Mono - a.Mono; d != 90*time.Minute {
			t.Errorf("mono advanced by %v, want 1h30m", d)
		}
		if d := b.Wall.Sub(a.Wall); d != 90*time.Minute {
			t.Errorf("wall advanced by %v, want 1h30m", d)
		}
	})
}

// A monotonic reading inside Wall would make Sub ignore steps of the wall clock.
func TestWallCarriesNoMonotonicReading(t *testing.T) {
	wall := clock.System()().Wall
	if wall != wall.Round(0) {
		t.Error("wall carries a monotonic reading")
	}
}

// The machine cannot sleep while a test looks twice in a row: what is left is the
// error of reading two clocks one after the other.
func TestSuspendedHoldsStill(t *testing.T) {
	read := clock.System()
	first := read().Suspended
	for range 1000 {
		if d := (read().Suspended - first).Abs(); d > 100*time.Millisecond {
			t.Fatalf("suspended moved by %v between two looks", d)
		}
	}
}

func BenchmarkSystem(b *testing.B) {
	read := clock.System()
	for b.Loop() {
		read()
	}
}
