package transfer

import "perigee"

const (
	// usualStreams fill links on which one is held back by losses that are no
	// congestion.
	usualStreams = 8

	// geoStreams let slow start down from a geostationary satellite fill 50 Mbit/s within
	// two to three seconds, even if all of them leave it early: 64 times ten segments are
	// a quarter of what is under way. With 32, one test of ten seconds in six was still
	// filling the link, or repairing what that cost, when it ended; with 16, one in four lay
	// at a fifth of the rate. Going up the rate is a tenth and the usual number does.
	geoStreams = 64
)

// AutoStreams returns how many connections at once fill a link of the given kind in the
// given direction with any congestion control. What one connection gets is another
// question, which a transfer with one answers. docs/throughput.md has the figures.
func AutoStreams(orbit perigee.Orbit, direction perigee.Load) int {
	if orbit == perigee.OrbitGEO && direction == perigee.LoadDown {
		return geoStreams
	}
	return usualStreams
}
