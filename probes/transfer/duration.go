package transfer

import (
	"time"

	"perigee"
)

const (
	// steadyTime is how long the steady part of a transfer of automatic length is.
	steadyTime = 10 * time.Second

	// rampRTTs is how many round trips are left for the ramp: nine of slow start for
	// 100 Mbit/s over a geostationary satellite, and as many again twice for the
	// repair of its overshoot.
	rampRTTs = 30

	// leastGEO is the least length over a geostationary satellite, where proxies
	// (RFC 3135) make round trips look shorter than they are for the payload.
	leastGEO = 30 * time.Second

	// slotStarlink is how long a dish keeps its share, and slotsStarlink how many of
	// these a transfer takes at least.
	slotStarlink  = 15 * time.Second
	slotsStarlink = 2

	longestAuto = 60 * time.Second
)

// typicalRTT is what links are taken to have whose round trip is not known.
var typicalRTT = map[perigee.Orbit]time.Duration{
	perigee.OrbitGEO:         650 * time.Millisecond,
	perigee.OrbitMEO:         150 * time.Millisecond,
	perigee.OrbitLEO:         80 * time.Millisecond,
	perigee.OrbitStarlink:    45 * time.Millisecond,
	perigee.OrbitCellular:    60 * time.Millisecond,
	perigee.OrbitTerrestrial: 20 * time.Millisecond,
}

// AutoDuration returns how long a transfer should take at most over a link of the given
// kind and idle round trip time, 0 if that is not known: ten seconds and 30 round trips,
// in whole seconds. Over a geostationary satellite it is 30 s at least; on Starlink whole
// slots of 15 s, two at least; never more than a minute.
func AutoDuration(orbit perigee.Orbit, rtt time.Duration) time.Duration {
	if rtt <= 0 {
		rtt = typicalRTT[orbit]
	}
	d := min(steadyTime+rampRTTs*rtt, longestAuto)
	switch orbit {
	case perigee.OrbitGEO:
		d = max(d, leastGEO)
	case perigee.OrbitStarlink:
		return max(up(d, slotStarlink), slotsStarlink*slotStarlink)
	}
	return up(d, time.Second)
}

// up returns d rounded up to a multiple of unit.
func up(d, unit time.Duration) time.Duration { return (d + unit - 1) / unit * unit }
