package access

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(4, 4)
		var order []string
		var mu sync.Mutex
		wait := func(key string) {
			go func() {
				leave, ok := turns.Wait(t.Context(), key)
				mu.Lock()
				order = append(order, fmt.Sprint(key, " ", ok))
				mu.Unlock()
				if ok {
					time.Sleep(time.Second)
					leave()
				}
			}()
			synctest.Wait()
		}
		// a has half of the turns and half of the places to wait, whatever it asks; b
		// comes at once although a waits.
		for range 5 {
			wait("a")
		}
		wait("b")
		wait("c")
		wait("b")
		said := func() []string {
			mu.Lock()
			defer mu.Unlock()
			all := order
			order = nil
			return all
		}
		want := []string{"a true", "a true", "a false", "b true", "c true"}
		if got := said(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("at once: %v, want %v", got, want)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := said(); len(got) != 3 || turns.queue.Len() != 0 {
			t.Errorf("a second later: %v and %d waiting, want the three that waited", got, turns.queue.Len())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if turns.active != 0 || len(turns.keys) != 0 {
			t.Errorf("%d active and %d keys are left", turns.active, len(turns.keys))
		}
	})
}

// TestTurnsOfThoseWhoLeave: whoever stops waiting leaves no trace, also at the moment at
// which it would have been their turn.
func TestTurnsOfThoseWhoLeave(t *testing.T) {
	turns := NewTurns(2, 100)
	var group sync.WaitGroup
	var most, now atomic.Int64
	for i := range 64 {
		group.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%3 == 0 {
					go cancel()
				}
				if leave, ok := turns.Wait(ctx, fmt.Sprint(i%8)); ok {
					n := now.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					now.Add(-1)
					leave()
				}
				cancel()
			}
		})
	}
	group.Wait()
	if turns.active != 0 || turns.queue.Len() != 0 || len(turns.keys) != 0 || most.Load() > 2 {
		t.Errorf("%d active, %d waiting, %d keys left; %d at once", turns.active, turns.queue.Len(), len(turns.keys), most.Load())
	}
}
