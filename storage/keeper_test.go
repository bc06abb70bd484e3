package storage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"perigee/storage"
)

// recorder notes what it is asked for.
type recorder struct {
	rolled              []time.Time
	singletons, windows []time.Time
	failures            []error // of the next calls of Roll
}

func (r *recorder) Roll(_ context.Context, now time.Time) error {
	r.rolled = append(r.rolled, now)
	if len(r.failures) == 0 {
		return nil
	}
	err := r.failures[0]
	r.failures = r.failures[1:]
	return err
}

func (r *recorder) Expire(_ context.Context, singletons, windows time.Time) error {
	r.singletons, r.windows = append(r.singletons, singletons), append(r.windows, windows)
	return nil
}

func TestExpiryIsBeforeNowOrNever(t *testing.T) {
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		retention           storage.Retention
		singletons, windows time.Time
	}{
		"forever":         {storage.Retention{}, time.Time{}, time.Time{}},
		"a_day_of_raw":    {storage.Retention{Singletons: 24 * time.Hour}, now.AddDate(0, 0, -1), time.Time{}},
		"a_week_at_most":  {storage.Retention{Windows: 7 * 24 * time.Hour}, time.Time{}, now.AddDate(0, 0, -7)},
		"what_users_have": {storage.DefaultRetention, now.AddDate(0, 0, -14), now.AddDate(0, 0, -400)},
	} {
		if singletons, windows := test.retention.Expiry(now); !singletons.Equal(test.singletons) || !windows.Equal(test.windows) {
			t.Errorf("%s: Expiry = %v, %v, want %v, %v", name, singletons, windows, test.singletons, test.windows)
		}
	}
}

func TestKeeperWorksAtOnceAndAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		store := &recorder{}
		keeper := storage.Keeper{Store: store, Retention: storage.DefaultRetention, Now: time.Now,
			Failed: func(err error) { t.Errorf("Failed(%v)", err) }}
		done := make(chan error)
		go func() { done <- keeper.Run(ctx) }()

		time.Sleep(2*storage.DefaultInterval + time.Second)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if len(store.rolled) != 3 || len(store.windows) != 3 {
			t.Fatalf("rolled up %d times and expired %d times, want 3 in two intervals", len(store.rolled), len(store.windows))
		}
		for i := range 3 {
			now := start.Add(time.Duration(i) * storage.DefaultInterval)
			if !store.rolled[i].Equal(now) || !store.singletons[i].Equal(now.AddDate(0, 0, -14)) || !store.windows[i].Equal(now.AddDate(0, 0, -400)) {
				t.Errorf("time %d: %v, %v, %v, want %v and its expiry", i, store.rolled[i], store.singletons[i], store.windows[i], now)
			}
		}
	})
}

// A failure is told and does not end the keeper; nothing is deleted before rollups are
// made.
func TestKeeperGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		full := errors.New("disk full")
		store := &recorder{failures: []error{full, full}}
		var failures []error
		keeper := storage.Keeper{Store: store, Retention: storage.DefaultRetention, Interval: time.Minute, Now: time.Now,
			Failed: func(err error) { failures = append(failures, err) }}
		done := make(chan error)
		go func() { done <- keeper.Run(ctx) }()

		time.Sleep(150 * time.Second) // at 0, 60 and 120 s
		synctest.Wait()
		cancel()
		<-done
		if len(failures) != 2 || !errors.Is(failures[0], full) {
			t.Errorf("failures %v, want two", failures)
		}
		if len(store.rolled) != 3 || len(store.windows) != 1 {
			t.Errorf("rolled up %d times and expired %d times, want 3 and 1", len(store.rolled), len(store.windows))
		}
	})
}
