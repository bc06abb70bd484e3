package transfer

import "perigee"

const (
	// usualStreams fill links on which one is held back by losses that are no
	// congestion.
	usualStreams = 8

	// geoStreams let slow start down from a geostationary satellite end within three to
	// four seconds, and if some of them leave it early the others make up for it: with 16,
	// one test in four lay at a fifth of the rate for ten seconds. Going up the rate is a
	// tenth and the usual number does; with more, each has too few segments under way
	// to repair losses soon.
	geoStreams = 32
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
