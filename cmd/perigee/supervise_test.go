package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A part that ends, fails or panics is begun again, ever more seldom, and told each time.
func TestPartsAreKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var starts []time.Duration
		var told []string
		err := keepAlive(ctx, func(ctx context.Context) error {
			starts = append(starts, time.Since(begin))
			switch len(starts) {
			case 1:
				return nil
			case 2:
				return errors.New("no way")
			case 3:
				panic("oh")
			case 4:
				time.Sleep(partPauseMax) // healthy
				return errors.New("late")
			}
			cancel()
			return errors.New("the end")
		}, func(err error) { first, _, _ := strings.Cut(err.Error(), "\n"); told = append(told, first) })
		if err == nil || err.Error() != "the end" {
			t.Errorf("it returned %v", err)
		}
		// Pauses of 1, 2 and 4 s, a healthy minute, and 1 s again.
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 68 * time.Second}; !slices.Equal(starts, want) {
			t.Errorf("started at %v, want %v", starts, want)
		}
		if want := []string{errNoReason.Error(), "no way", "it panicked: oh", "late"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
