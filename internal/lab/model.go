package lab

import (
	"math"
	"math/rand/v2"
	"time"
)

// instant is one moment on both clocks, in nanoseconds.
type instant struct{ mono, wall int64 }

func (t instant) add(ns int64) instant { return instant{t.mono + ns, t.wall + ns} }

// decision is what the model does to one packet.
type decision struct {
	fate      Fate          // Delivered, or why not
	delay     time.Duration // if Delivered
	copies    int
	reordered bool
}

// model decides on the packets of one direction of one link. It is pure: it reads no
// clock and sends nothing, and the same seed and the same calls give the same
// decisions. Times must not decrease from call to call.
type model struct {
	way  Way
	seed uint64     // of the link, the same in both directions
	rng  *rand.Rand // draws per packet

	profile   Direction
	slots     Slots
	origin    int64  // the slot in which the profile was set: levels and outages count from it
	outages   uint64 // seeds Slots.Outage, the same in both directions
	levels    uint64 // seeds Level
	bursts    bursts
	handovers handovers

	busy int64 // when the packet last queued will have been sent, mono
	last int64 // when the packet last planned in order arrives, mono

	jitterAt int64
	jitter   float64 // the Gaussian process at jitterAt
	jittered bool
}

// newModel returns the model of one direction of a link from now on. The two
// directions must be given the same seed and the same now, so that they share what
// happens to both.
func newModel(p Profile, way Way, seed uint64, now instant) *model {
	s := mix(seed, uint64(way))
	m := &model{way: way, seed: seed, rng: rand.New(rand.NewPCG(s, 1)), outages: mix(seed, 10), levels: mix(s, 2)}
	m.set(p, now)
	return m
}

// set changes the profile. What is queued stays queued.
func (m *model) set(p Profile, now instant) {
	m.profile = p.Up
	if m.way == Down {
		m.profile = p.Down
	}
	m.slots = p.Slots
	if m.slots.Period > 0 {
		m.origin, _ = m.slots.locate(now.wall)
	}
	m.bursts = newBursts(m.profile.Burst, p.Slots, mix(mix(m.seed, uint64(m.way)), 3), now)
	m.handovers = newHandovers(p.Handovers, mix(m.seed, 11), now)
}

// plan decides on a packet of size bytes that enters at now.
func (m *model) plan(now instant, size int) decision {
	p := &m.profile
	sent := now
	if p.Rate > 0 {
		waiting := max(0, m.busy-now.mono)
		if bytesIn(waiting, p.Rate)+int64(size) > p.Queue {
			return decision{fate: QueueDrop}
		}
		m.busy = now.mono + waiting + sendTime(size, p.Rate)
		sent = now.add(m.busy - now.mono)
	}

	// All states move on and all draws are made for every packet that is sent,
	// so that the loss of one does not change what the next one meets.
	number, out := m.handovers.at(sent.mono)
	if m.slots.Period > 0 {
		number, out = m.slots.at(sent.wall, m.origin, m.outages)
	}
	level := p.Level.at(m.levels, number)
	jitter := m.jitterFor(sent.mono)
	burst := m.bursts.at(sent.mono) && m.chance(p.Burst.Loss)
	random := m.chance(p.Loss)
	twice := m.chance(p.Duplicate)
	held := m.chance(p.Reorder)
	switch {
	case out:
		return decision{fate: LostEdge}
	case burst:
		return decision{fate: LostBurst}
	case random:
		return decision{fate: LostRandom}
	}

	arrival := max(sent.mono+int64(p.Delay)+level+jitter, m.last)
	if held {
		arrival += int64(p.ReorderDelay)
	} else {
		m.last = arrival
	}
	d := decision{fate: Delivered, delay: time.Duration(arrival - now.mono), copies: 1, reordered: held}
	if twice {
		d.copies = 2
	}
	return d
}

func (m *model) chance(p float64) bool { return p > 0 && m.rng.Float64() < p }

// bytesIn returns how many bytes are sent in ns at rate.
func bytesIn(ns, rate int64) int64 { return int64(float64(ns) * float64(rate) / 8e9) }

// sendTime returns how many nanoseconds size bytes take at rate.
func sendTime(size int, rate int64) int64 { return int64(float64(size) * 8e9 / float64(rate)) }

func (m *model) jitterFor(mono int64) int64 {
	j := m.profile.Jitter
	if j.Median == 0 {
		return 0
	}
	var keep float64 // of the process's last value
	if m.jittered && j.Correlation > 0 {
		keep = math.Exp(-float64(mono-m.jitterAt) / float64(j.Correlation))
	}
	m.jitter = keep*m.jitter + math.Sqrt(1-keep*keep)*m.rng.NormFloat64()
	m.jitterAt, m.jittered = mono, true
	delay := float64(j.Median) * math.Exp(j.Sigma*m.jitter)
	if j.Max > 0 {
		delay = min(delay, float64(j.Max))
	}
	return int64(delay)
}

// at returns the level of slot or handover number n, in nanoseconds.
func (l Level) at(seed uint64, n int64) int64 {
	if l.Spread == 0 {
		return 0
	}
	u := uniform(seed, n)
	if l.Skew > 0 {
		u = math.Pow(u, l.Skew)
	}
	return int64(float64(l.Spread) * u)
}

// mix derives a seed from a seed (the finalizer of SplitMix64).
func mix(seed, salt uint64) uint64 {
	z := seed + (salt+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform returns a number in [0,1) that is a function of seed and n.
func uniform(seed uint64, n int64) float64 {
	return float64(mix(mix(seed, uint64(n)), 0)>>11) / (1 << 53)
}
