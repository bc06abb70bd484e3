package probes

import (
	"math"
	"math/rand/v2"
	"time"
)

// Spacing names a kind of schedule.
type Spacing string

// The spacings.
const (
	// SpacingPeriodic sends at equal distances from a random start (RFC 3432).
	// Delay variation and loss periods are best read from it.
	SpacingPeriodic Spacing = "periodic"

	// SpacingPoisson sends at exponentially distributed distances (RFC 2330
	// section 11.1): no periodic behaviour of a path can hide from it.
	SpacingPoisson Spacing = "poisson"
)

// Schedule tells when probes are due, on the monotonic clock.
type Schedule interface {
	// Next returns the first instant after the given one at which a probe is
	// due. It is later than after.
	Next(after time.Duration) time.Duration
}

// Periodic is due at Phase + k * Interval for every integer k. It does not drift: each
// instant follows from k, not from the instant before.
type Periodic struct {
	Phase    time.Duration
	Interval time.Duration // > 0
}

// NewPeriodic returns a schedule whose phase is uniform within the interval, so that
// runs begun at the same time of day do not all meet the same part of a path's own
// period (RFC 3432).
func NewPeriodic(interval time.Duration, rng *rand.Rand) Periodic {
	return Periodic{Phase: time.Duration(rng.Int64N(int64(interval))), Interval: interval}
}

// Next implements Schedule.
func (p Periodic) Next(after time.Duration) time.Duration {
	offset := (after - p.Phase) % p.Interval
	if offset < 0 {
		offset += p.Interval
	}
	return after - offset + p.Interval
}

// Poisson is due at the events of a Poisson process with mean distance Interval. It
// has no memory: where it is resumed does not matter.
type Poisson struct {
	Interval time.Duration // > 0
	rng      *rand.Rand
}

// NewPoisson returns a schedule that draws its distances from rng, which it keeps.
func NewPoisson(interval time.Duration, rng *rand.Rand) *Poisson {
	return &Poisson{Interval: interval, rng: rng}
}

// Next implements Schedule. Calling it twice with the same argument draws twice.
func (p *Poisson) Next(after time.Duration) time.Duration {
	return after + max(1, time.Duration(math.Round(p.rng.ExpFloat64()*float64(p.Interval))))
}
