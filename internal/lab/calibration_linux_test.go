package lab_test

import (
	"testing"
	"time"

	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
)

// On Starlink one CUBIC stream gets about half of what eight get together, because
// losses that have nothing to do with congestion make it back off (Garcia et al., LEO-NET 2023: 0.47).
func TestOneCubicStreamGetsHalfOfEightOnStarlink(t *testing.T) {
	long(t)
	const skip, length = 3 * time.Second, 78 * time.Second // five slots
	rate := func(streams int) float64 {
		l := labtest.New(t, 11, lab.Link{Name: "starlink", Profile: lab.Starlink()})
		bits := 8 * float64(download(t, l, "cubic", streams, skip, length))
		s := l.Stats("starlink")
		t.Logf("%d streams: %.1f Mbit/s; %+v", streams, bits/(length-skip).Seconds()/1e6, s)
		_ = l.Close()
		return bits / (length - skip).Seconds()
	}
	eight := rate(8)
	one := rate(1)
	t.Logf("ratio %.2f", one/eight)
	if ratio := one / eight; ratio < 0.4 || ratio > 0.6 {
		t.Errorf("one stream gets %.2f of eight, want 0.4 to 0.6", ratio)
	}
}
