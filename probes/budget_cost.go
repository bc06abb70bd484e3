package probes

import (
	"time"

	"perigee"
)

// payloadShare is how much of what a transfer moves over the link is payload, on the
// safe side. Headers take 3.5 % of full segments, acknowledgements in the other
// direction up to 1.8 %, and segments sent again what the path loses.
const payloadShare = 0.9

// Payload returns the payload of a transfer that moves not more than the given bytes
// over the link.
func Payload(wire int64) int64 { return int64(payloadShare * float64(wire)) }

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

// EstimateTransfer returns what a transfer over a link of orbit o is expected to move on
// the wire before any was made, if it takes the given time and at most max bytes of
// payload.
func EstimateTransfer(o perigee.Orbit, direction perigee.Load, takes time.Duration, max int64) int64 {
	rate := rateHints[o].down
	if direction == perigee.LoadUp {
		rate = rateHints[o].up
	}
	payload := rate / 8 * takes.Seconds()
	if max > 0 {
		payload = min(payload, float64(max))
	}
	return int64(payload / payloadShare)
}
