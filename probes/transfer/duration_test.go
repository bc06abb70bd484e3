package transfer_test

import (
	"fmt"
	"testing"
	"time"

	"perigee"
	"perigee/probes/transfer"
)

func ExampleAutoDuration() {
	fmt.Println(transfer.AutoDuration(perigee.OrbitTerrestrial, 14*time.Millisecond))
	fmt.Println(transfer.AutoDuration(perigee.OrbitGEO, 640*time.Millisecond))
	// Output:
	// 11s
	// 30s
}

func TestAutoDurationLeavesRoomForTheRamp(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		orbit perigee.Orbit
		rtt   time.Duration
		want  time.Duration
	}{
		{perigee.OrbitTerrestrial, 14 * ms, 11 * time.Second}, // 10 s + 30 * 14 ms = 10.42 s
		{perigee.OrbitTerrestrial, 0, 11 * time.Second},
		{perigee.OrbitLEO, 82 * ms, 13 * time.Second}, // 12.46 s
		{perigee.OrbitGEO, 0, 30 * time.Second},       // 29.5 s
		{perigee.OrbitGEO, 640 * ms, 30 * time.Second},
		{perigee.OrbitGEO, 800 * ms, 34 * time.Second},
		{perigee.OrbitGEO, 5 * ms, 30 * time.Second}, // a proxy answers
		{perigee.OrbitStarlink, 43 * ms, 30 * time.Second},
		{perigee.OrbitStarlink, 900 * ms, 45 * time.Second}, // 37 s is three slots
		{perigee.OrbitGEO, 10 * time.Second, time.Minute},
	} {
		if got := transfer.AutoDuration(c.orbit, c.rtt); got != c.want {
			t.Errorf("AutoDuration(%s, %v) = %v, want %v", c.orbit, c.rtt, got, c.want)
		}
	}
}
