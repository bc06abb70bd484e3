package lab_test

import (
	"testing"
	"time"

	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
)

// On Starlink one CUBIC stream gets about half of what several get together, because
// losses that have nothing to do with congestion make it back off (Garcia et al.,
// LEO-NET 2023: 0.47). A minute holds four slots only and single ones vary by a third, so the
// sums over three minutes are compared.
func TestOneCubicStreamGetsHalfOfEightOnStarlink(t *testing.T) {
	long(t)
	const skip, length = 3 * time.Second, 63 * time.Second
	megabits := func(streams int, seed uint64) float64 {
		l := labtest.New(t, seed, lab.Link{Name: "starlink", Profile: lab.Starlink()})
		bits := 8 * float64(download(t, l, "cubic", streams, skip, length))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		return bits / (length - skip).Seconds() / 1e6
	}
	var one, eight float64
	for seed := range uint64(3) {
		n1, n8 := megabits(1, seed), megabits(8, seed)
		t.Logf("seed %d: one stream %.1f Mbit/s, eight %.1f, ratio %.2f", seed, n1, n8, n1/n8)
		one, eight = one+n1, eight+n8
	}
	t.Logf("ratio of the sums %.2f", one/eight)
	if ratio := one / eight; ratio < 0.4 || ratio > 0.6 {
		t.Errorf("one stream gets %.2f of eight, want 0.4 to 0.6", ratio)
	}
}
