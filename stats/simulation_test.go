package stats

import (
	"math"
	"math/rand/v2"
)

// A link yields one packet after another, five a second: its RTT in seconds, negative
// if it was lost.
type link func(r *rand.Rand) func() float64

const perSlot = 75 // packets in the 15 s of a slot

// steps is a link whose level is drawn anew every 15 s, its noise exponential.
func steps(base, deviation, noise float64) link {
	return func(r *rand.Rand) func() float64 {
		packet, level := r.IntN(perSlot), base+deviation*r.NormFloat64()
		return func() float64 {
			if packet++; packet%perSlot == 0 {
				level = base + deviation*r.NormFloat64()
			}
			return max(level+noise*r.ExpFloat64(), base/8)
		}
	}
}

// stepsBelow is the share of values of steps that are at most x (the exponentially
// modified normal distribution).
func stepsBelow(base, deviation, noise float64) func(x float64) float64 {
	return func(x float64) float64 {
		u, v := (x-base)/deviation, deviation/noise
		return normalCDF(u) - math.Exp(-u*v+v*v/2)*normalCDF(u-v)
	}
}

// wander is a link whose level wanders, its correlation falling to 1/e within correlated
// seconds.
func wander(base, deviation, noise, correlated float64) link {
	kept := math.Exp(-0.2 / correlated)
	return func(r *rand.Rand) func() float64 {
		level := deviation * r.NormFloat64()
		return func() float64 {
			level = kept*level + math.Sqrt(1-kept*kept)*deviation*r.NormFloat64()
			return max(base+level+noise*r.NormFloat64(), base/8)
		}
	}
}

// wanderBelow is the share of values of wander that are at most x.
func wanderBelow(base, deviation, noise float64) func(x float64) float64 {
	return func(x float64) float64 { return normalCDF((x - base) / math.Hypot(deviation, noise)) }
}

// replay is a link whose slots are those of a trace in random order, every other of its
// ten packets a second.
func replay(trace []float64) link {
	return func(r *rand.Rand) func() float64 {
		packet, from := r.IntN(perSlot), 0
		draw := func() { from = r.IntN(len(trace)/(2*perSlot))*2*perSlot + r.IntN(2) }
		draw()
		return func() float64 {
			if packet++; packet%perSlot == 0 {
				draw()
			}
			return trace[from+2*(packet%perSlot)]
		}
	}
}

// losing is l with losses: each packet alone with the chance alone, and at the beginning
// of a slot, with the chance burst, as many together as 1 to 9.
func losing(l link, alone, burst float64) link {
	return func(r *rand.Rand) func() float64 {
		next, packet, left := l(r), r.IntN(perSlot), 0
		return func() float64 {
			if packet++; packet%perSlot == 0 && r.Float64() < burst {
				left = 1 + r.IntN(9)
			}
			rtt := next()
			if left > 0 || r.Float64() < alone {
				rtt = -1
			}
			left = max(left-1, 0)
			return rtt
		}
	}
}

// lossOf is the share that losing loses.
func lossOf(alone, burst float64) float64 { return alone + (1-alone)*burst*5/perSlot }

// measure returns n windows of a link, each of so many seconds.
func measure(l link, r *rand.Rand, n, seconds int) ([]Histogram, []Ratio) {
	next := l(r)
	windows, lost := make([]Histogram, n), make([]Ratio, n)
	var counts [8192]int64
	first := indexMapping.Index(1e-9)
	for w := range windows {
		h := Histogram{min: math.Inf(1)}
		lowest, highest := len(counts), 0
		for range 5 * seconds {
			lost[w].Whole++
			v := next()
			if v < 0 {
				lost[w].Part++
				continue
			}
			i := indexMapping.Index(v) - first
			counts[i]++
			lowest, highest = min(lowest, i), max(highest, i)
			h.count++
			h.min, h.max = min(h.min, v), max(h.max, v)
		}
		for i := lowest; i <= highest; i++ {
			if counts[i] > 0 {
				h.bins = append(h.bins, bin{first + i, counts[i]})
				counts[i] = 0
			}
		}
		windows[w] = h
	}
	return windows, lost
}

// quantileOf returns the q-quantile of a distribution between low and high.
func quantileOf(below func(float64) float64, q, low, high float64) float64 {
	return crossing(low, high, func(x float64) float64 { return below(x) - q })
}
