package probes

import (
	"time"

	"perigee"
)

// ExpectedRound returns what the next round of transfers is expected to move: the mean of
// what the last ones moved, or the estimate if there were none. Give at least as many
// rounds as there are different ones, and ten or more if sizes vary.
func ExpectedRound(last []int64, estimate int64) int64 {
	if len(last) == 0 {
		return estimate
	}
	sum := 0.0
	for _, bytes := range last {
		sum += float64(bytes)
	}
	return int64(sum / float64(len(last)))
}

// rateHints are the rates that links of each orbit commonly have, in bit/s. They only
// guess what the very first transfers will move.
var rateHints = map[perigee.Orbit]struct{ down, up float64 }{
	perigee.OrbitStarlink:    {200e6, 20e6},
	perigee.OrbitLEO:         {100e6, 20e6},
	perigee.OrbitMEO:         {100e6, 20e6},
	perigee.OrbitGEO:         {50e6, 5e6},
	perigee.OrbitCellular:    {50e6, 10e6},
	perigee.OrbitTerrestrial: {250e6, 50e6},
}

// payloadShare is how much of what a transfer moves over the link is payload, on the
// safe side. Headers take 3.5 % of full segments, acknowledgements in the other
// direction up to 1.8 %, and segments sent again what the path loses.
const payloadShare = 0.9

// EstimateTransfer returns what a transfer over a link of orbit o is expected to move
// before any was made, in bytes on the wire, if it takes the given time and may move max
// bytes; 0 is no limit.
func EstimateTransfer(o perigee.Orbit, direction perigee.Load, takes time.Duration, max int64) int64 {
	rate := rateHints[o].down
	if direction == perigee.LoadUp {
		rate = rateHints[o].up
	}
	expected := int64(rate / 8 * takes.Seconds() / payloadShare)
	if max > 0 && max < expected {
		return max
	}
	return expected
}
