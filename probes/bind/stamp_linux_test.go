package bind

import (
	"testing"
	"time"
)

func TestWaitIsTakenFromTheKernelsStampUnlessTheClockStepped(t *testing.T) {
	const epoch = int64(1_800_000_000e9) // wall clock when the monotonic one is 0
	type look struct {
		mono  time.Duration // when the packet is read
		shown time.Duration // how far the wall clock is set off then
		stamp time.Duration // when it came, by the wall clock of that time, less epoch
		want  time.Duration
	}
	const ms = time.Millisecond
	for name, looks := range map[string][]look{
		"steady": {
			{mono: 100 * ms, stamp: 98 * ms, want: 2 * ms},
			{mono: 200 * ms, stamp: 199 * ms, want: ms},
		},
		"no_stamp": {{mono: 100 * ms, stamp: -time.Duration(epoch), want: 0}},
		// Came at 150 when the clock showed 150, read at 200 when it showed an hour more.
		"stepped_forward": {
			{mono: 200 * ms, shown: time.Hour, stamp: 150 * ms, want: 0},
			// The next one in the queue has an old stamp, too, and the
			// offset does not change any more.
			{mono: 200*ms + 1, shown: time.Hour, stamp: 160 * ms, want: 0},
			// One that came after that is good again.
			{mono: 300 * ms, shown: time.Hour, stamp: time.Hour + 299*ms, want: ms},
		},
		"stepped_back": {
			{mono: 200 * ms, shown: -time.Hour, stamp: 150 * ms, want: 0},
			{mono: 300 * ms, shown: -time.Hour, stamp: -time.Hour + 299*ms, want: ms},
		},
		// 3 ms back: the stamp is 5 ms old and seems to be 2 ms old.
		"stepped_back_by_less_than_the_wait": {
			{mono: 200 * ms, shown: -3 * ms, stamp: 195 * ms, want: 0},
			{mono: 200*ms + 1, shown: -3 * ms, stamp: 196 * ms, want: 0},
		},
		"stopped_for_a_while": {{mono: 5000 * ms, stamp: 1000 * ms, want: 4000 * ms}},
		"from_the_future":     {{mono: 100 * ms, stamp: 101 * ms, want: 0}},
		"older_than_believed": {{mono: 100_000 * ms, stamp: 10 * ms, want: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var c waitClock
			c.wait(0, epoch, 0)
			for i, l := range looks {
				if got := c.wait(epoch+int64(l.stamp), epoch+int64(l.mono+l.shown), l.mono); got != l.want {
					t.Errorf("packet %d: waited %v, want %v", i, got, l.want)
				}
			}
		})
	}
}

// FuzzControlMessages: whatever the control messages hold, parsing ends and stays
// inside.
func FuzzControlMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0})
	f.Add([]byte{32, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control []byte) {
		var m Message
		m.parse(control)
		m.Data = control
		if m.stripIPv4() && len(m.Data)+20 > len(control) {
			t.Errorf("stripped less than a header: %d of %d bytes", len(m.Data), len(control))
		}
	})
}
