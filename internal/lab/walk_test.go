package lab

import (
	"errors"
	"testing"
	"time"
)

func newTestWalk(t testing.TB, p Profile, seed uint64) *Walk {
	t.Helper()
	w, err := NewWalk(p, seed, time.Unix(0, start.wall))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWalkIsTheModels holds a walk against the two models that a lab's engine asks, one
// packet after the other.
func TestWalkIsTheModels(t *testing.T) {
	for _, p := range Profiles() {
		w := newTestWalk(t, p, 7)
		begin := instant{wall: start.wall}
		up, down := newModel(p, Up, 7, begin), newModel(p, Down, 7, begin)
		for i := range 20_000 {
			sent := time.Duration(i) * 200 * time.Millisecond
			want := Trip{Way: Up}
			u := up.plan(begin.add(int64(sent)), 84)
			if want.Fate = u.fate; u.fate == Delivered {
				d := down.plan(begin.add(int64(sent+u.delay)), 84)
				if want = (Trip{Fate: d.fate, Way: Down}); d.fate == Delivered {
					want = Trip{Fate: Delivered, RTT: u.delay + d.delay, Replies: 1}
				}
			}
			if got := w.Probe(sent, 84); got != want {
				t.Fatalf("%s: probe %d: %+v, want %+v", p.Name, i, got, want)
			}
		}
	}
}

func TestWalkCountsEachReplyToEachCopy(t *testing.T) {
	// Every packet is delivered twice: two requests, each answered by two replies.
	twice := Direction{Delay: 5 * time.Millisecond, Duplicate: 1}
	w := newTestWalk(t, Profile{Up: twice, Down: twice}, 1)
	want := Trip{Fate: Delivered, RTT: 10 * time.Millisecond, Replies: 4}
	if got := w.Probe(0, 84); got != want {
		t.Errorf("trip = %+v, want %+v", got, want)
	}
}

func TestWalkRefusesWhatItCannotTell(t *testing.T) {
	reorders := Profile{Up: Direction{Reorder: 0.1, ReorderDelay: time.Millisecond}}
	if _, err := NewWalk(reorders, 1, time.Unix(0, 0)); !errors.Is(err, errWalkReorders) {
		t.Errorf("a profile that reorders: %v, want %v", err, errWalkReorders)
	}
	if _, err := NewWalk(Profile{Up: Direction{Loss: 2}}, 1, time.Unix(0, 0)); err == nil {
		t.Error("a profile that is not valid is taken")
	}
}

func BenchmarkWalk(b *testing.B) {
	for _, p := range Profiles() {
		b.Run(p.Name, func(b *testing.B) {
			w := newTestWalk(b, p, 1)
			for i := 0; b.Loop(); i++ {
				w.Probe(time.Duration(i)*time.Second, 84)
			}
		})
	}
}
