package lab

import (
	"math/rand/v2"
	"time"
)

// locate returns the slot of the Unix time wall, in nanoseconds, and how many
// nanoseconds of the slot have passed. It needs a Period.
func (s Slots) locate(wall int64) (slot, into int64) {
	t, period := wall+int64(s.Leap), int64(s.Period)
	slot = t / period
	if into = t % period; into < 0 {
		slot, into = slot-1, into+period
	}
	return slot, into
}

// at returns the slot of wall, counted from origin, and reports whether its outage
// still lasts. Counted so, the same seed meets the same slots whenever it is used.
func (s Slots) at(wall, origin int64, seed uint64) (slot int64, out bool) {
	slot, into := s.locate(wall)
	slot -= origin
	if uniform(mix(seed, 1), slot) >= s.Outage {
		return slot, false
	}
	length := float64(s.OutageMin) + uniform(mix(seed, 2), slot)*float64(s.OutageMax-s.OutageMin)
	return slot, float64(into) < length
}

// bursts is the line of time of a Burst: good until bad, then bad until good, and so
// on; all on mono.
type bursts struct {
	rng       *rand.Rand
	burst     Burst
	slots     Slots
	ahead     int64 // of wall over mono when the line began
	bad, good int64
}

func newBursts(b Burst, s Slots, seed uint64, now instant) bursts {
	line := bursts{rng: rand.New(rand.NewPCG(seed, 0)), burst: b, slots: s, ahead: now.wall - now.mono, good: now.mono}
	if b.Good > 0 {
		line.next()
	}
	return line
}

// at reports whether the link is in the bad state at mono.
func (b *bursts) at(mono int64) bool {
	if b.burst.Good == 0 {
		return false
	}
	for mono >= b.good {
		b.next()
	}
	return mono >= b.bad
}

// next draws the burst that follows.
func (b *bursts) next() {
	b.bad = b.spend(b.good, b.rng.ExpFloat64())
	b.good = b.bad + exponential(b.rng, b.burst.Bad)
}

// spend returns when, from the time from on, the expected number of bursts has grown
// by hazard: at 1/Good per unit of time, or 1/EdgeGood at edges.
func (b *bursts) spend(from int64, hazard float64) int64 {
	if b.burst.EdgeGood == 0 {
		return from + int64(hazard*float64(b.burst.Good))
	}
	for {
		_, into := b.slots.locate(from + b.ahead)
		mean, left := b.burst.Good, int64(b.slots.Period)-into
		if into < int64(b.burst.EdgeSpan) {
			mean, left = b.burst.EdgeGood, int64(b.burst.EdgeSpan)-into
		}
		if needs := int64(hazard * float64(mean)); needs < left {
			return from + needs
		}
		hazard -= float64(left) / float64(mean)
		from += left
	}
}

// handovers is the line of time of Handovers, on mono.
type handovers struct {
	rng       *rand.Rand
	handovers Handovers
	number    int64
	outUntil  int64
	next      int64
}

func newHandovers(h Handovers, seed uint64, now instant) handovers {
	line := handovers{rng: rand.New(rand.NewPCG(seed, 0)), handovers: h}
	if h.Every > 0 {
		line.next = now.mono + exponential(line.rng, h.Every)
	}
	return line
}

// at returns how many handovers there were until mono and reports whether the last
// one's outage still lasts.
func (h *handovers) at(mono int64) (number int64, out bool) {
	if h.handovers.Every == 0 {
		return 0, false
	}
	for mono >= h.next {
		h.number++
		h.outUntil = h.next + int64(h.handovers.Outage)
		h.next += exponential(h.rng, h.handovers.Every)
	}
	return h.number, mono < h.outUntil
}

// exponential draws from the exponential distribution of the given mean; at least
// 1 ns, so that lines of time move on.
func exponential(r *rand.Rand, mean time.Duration) int64 {
	return 1 + int64(r.ExpFloat64()*float64(mean))
}
