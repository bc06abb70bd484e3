package stats_test

import (
	"math"
	"math/rand/v2"
	"time"

	"perigee/stats"
)

// A shape makes transfers of one kind, whose usual rate is about 1 a count.
type shape struct {
	name   string
	length int // counts in a test of the planned length
	draw   func(r *rand.Rand, n int) transfer
}

// transfer is one of which the first ramp counts are truly its ramp.
type transfer struct {
	counts  []float64
	ramp    int
	options stats.SteadyOptions
	carries float64 // by the link, per second; 0 if it has no rate of its own
}

// mean returns the true steady mean, per second.
func (t transfer) mean() float64 {
	if t.carries > 0 {
		return t.carries
	}
	return naive(t.counts[t.ramp:])
}

// naive returns the mean of all counts, per second.
func naive(counts []float64) float64 {
	sum := 0.0
	for _, c := range counts {
		sum += 10 * c
	}
	return sum / float64(len(counts))
}

// noise returns an AR(1) process around 1, of the given correlation from count to count.
func noise(r *rand.Rand, correlation, sd float64) func() float64 {
	v := r.NormFloat64()
	return func() float64 {
		v = correlation*v + math.Sqrt(1-correlation*correlation)*r.NormFloat64()
		return max(0, 1+sd*v)
	}
}

// fibre reaches its rate in 200 ms.
func fibre(name string, correlation, sd float64) shape {
	return shape{name, minute, func(r *rand.Rand, n int) transfer {
		t := transfer{make([]float64, n), 2, stats.SteadyOptions{RTT: 14 * time.Millisecond}, 0}
		next := noise(r, correlation, sd)
		for i := range t.counts {
			t.counts[i] = next() * []float64{0.1, 0.5, 1}[min(i, 2)]
		}
		return t
	}}
}

// starlink has another level every 15 s, and sometimes an outage where slots meet.
func starlink(name string, levels float64, length int) shape {
	return shape{name, length, func(r *rand.Rand, n int) transfer {
		phase := r.IntN(150)
		t := transfer{make([]float64, n), 4, stats.SteadyOptions{
			RTT: 43 * time.Millisecond, Slot: 15 * time.Second, SlotStart: time.Duration(150-phase) * tenth,
		}, 0}
		next := noise(r, 0.5, 0.08)
		level, out := max(0.1, 1+levels*r.NormFloat64()), 0
		for i := range t.counts {
			if i > 0 && (i+phase)%150 == 0 {
				level = max(0.1, 1+levels*r.NormFloat64())
				if r.Float64() < 0.04 {
					out = 3 + r.IntN(9)
				}
			}
			t.counts[i] = level * next() * min(1, math.Exp2(float64(i)-4))
			if out > 0 {
				t.counts[i], out = 0, out-1
			}
		}
		return t
	}}
}

// geo doubles its rate every one to one and a half round trips of 620 ms for 6 to 8 s;
// what a round trip carries comes in one burst. With an overshoot it then has filled its
// queue, which hides for 1 to 2 s what was lost, and repairs that for 1 to 2 s; else it has
// lost nothing yet. From there on it does as CUBIC does: after each loss, every 8 to 20 s,
// the window is 0.7 of peak and comes back to it; the rate is the window's, but no more
// than 1.
func geo(name string, peak float64, overshoot bool) shape {
	return shape{name, minute, func(r *rand.Rand, n int) transfer {
		t := transfer{make([]float64, n), 60 + r.IntN(21), stats.SteadyOptions{RTT: 620 * time.Millisecond}, 0}
		reached, hidden, next := t.ramp, t.ramp, noise(r, 0.3, 0.05)
		depth := 0.2 + 0.3*r.Float64()
		period := 80 + 120*r.Float64()
		age := period / 2
		if overshoot {
			hidden = reached + 10 + r.IntN(11)
			t.ramp = hidden + 10 + r.IntN(11)
			age = 0
		}
		for i := range t.counts {
			var rate float64
			switch {
			case i < reached:
				trip := math.Exp2(10 * (float64(i-i%6)/float64(reached) - 1)) // of what a full one carries
				rate = min(1, max(0, 6*trip-float64(i%6)))
			case i < hidden:
				rate = 1
			case i < t.ramp:
				rate = depth
			default:
				if age++; age > period {
					age, period = 0, 80+120*r.Float64()
				}
				rate = min(1, peak*(1-0.3*math.Pow(1-age/period, 3)))
			}
			t.counts[i] = rate * next()
		}
		return t
	}}
}

// bbr starts up in eight round trips, drains its queue in one of eight, and every 10 s
// nearly stops for a round trip, or 200 ms, to see the round trip.
func bbr(name string, rtt time.Duration) shape {
	return shape{name, minute, func(r *rand.Rand, n int) transfer {
		trip := max(1, int((rtt+tenth/2)/tenth))
		t := transfer{make([]float64, n), 8 * trip, stats.SteadyOptions{RTT: rtt, Period: 10 * time.Second}, 0}
		next := noise(r, 0.3, 0.05)
		probe := 90 + r.IntN(20)
		for i := range t.counts {
			rate := 1.0
			switch {
			case i < t.ramp:
				rate = math.Exp2(float64(i/trip) - 8)
			case i/trip%8 == 1:
				rate = 0.9
			}
			if i >= probe {
				rate = 0.1
				if i >= probe+max(2, trip)-1 {
					probe += 100 + max(2, trip)
				}
			}
			t.counts[i] = rate * next()
		}
		return t
	}}
}

// holding is a geostationary link that is always full, of which every 8 s on average a loss
// holds back the payload of some of many connections, a third of them to all, for two to
// four round trips; then what was held back comes at once. The link carries 1 a count all
// the time.
func holding(name string) shape {
	return shape{name, minute, func(r *rand.Rand, n int) transfer {
		t := transfer{make([]float64, n), 26, stats.SteadyOptions{RTT: 620 * time.Millisecond}, 10}
		next, held, share, debt := noise(r, 0.3, 0.05), 0, 0.0, 0.0
		for i := range t.counts {
			rate := next()
			switch {
			case i < t.ramp:
				rate *= math.Exp2(float64(i/6) - 5)
			case held > 0:
				if held--; held > 0 {
					debt += share * rate
					rate *= 1 - share
				} else {
					rate += debt
					debt = 0
				}
			case r.Float64() < 1.0/80:
				held, share = 12+r.IntN(13), 1-0.67*r.Float64()
			}
			t.counts[i] = rate
		}
		return t
	}}
}
