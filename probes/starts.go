package probes

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"perigee"
)

// SpacingHashed places one start in each interval, where a hash of the site, the link
// and the interval's number says: as good as random, and the same after every restart.
const SpacingHashed Spacing = "hashed"

// startGrace is how late a start may be noticed and still be made. A start missed by
// more (the machine slept, or perigee was not running) is not made up for.
const startGrace = time.Minute

// maxStretch bounds how far starts are stretched. A test every five minutes, stretched
// so far, is one in a month.
const maxStretch = 10_000

// Starts tells when the scheduled transfers of one link begin. It is pure: what it
// answers follows from its fields and the arguments alone, so a restart changes no plan.
//
// Intervals of length Every are counted from the Unix epoch on the wall clock. Stretched
// by s >= 1, starts keep a mean distance of s * Every:
//
//   - hashed: uniform over a stretch of s * Every that begins (s-1)/2 * Every after the
//     end of the interval in which the last start lay. Without stretching that is one
//     start somewhere in each interval; with it, distances lie between (s-1)/2 and
//     (3s+1)/2 intervals.
//   - poisson: a Poisson process with mean distance Every, of which every event is kept
//     with probability 1/s.
//   - periodic: on the full interval, as cron does; floor(s) or floor(s)+1 intervals
//     after the last. Every start meets the same second of whatever the path does
//     periodically: on Starlink, which rearranges itself every 15 s, the same point of
//     that period for ever.
type Starts struct {
	Spacing Spacing // SpacingHashed if empty
	Every   time.Duration
	Site    string
	Link    perigee.LinkID
}

// Next returns the first start that is not before now, or one that was due up to a
// minute ago. last is the start that was made, or passed over for a reason of its own,
// before; zero if there was none. The result is later than last.
//
// A last that lies more than an interval ahead was made under a clock that has been set
// back since, and is ignored; so is the time in which starts were missed.
func (s Starts) Next(now, last time.Time, stretch float64) time.Time {
	if !(stretch > 1) {
		stretch = 1
	}
	stretch = min(stretch, maxStretch)
	since, previous := now.UnixNano()-int64(startGrace), int64(math.MinInt64)
	known := !last.IsZero() && !last.After(now.Add(s.Every))
	if known {
		previous = last.UnixNano()
	}
	var next int64
	switch s.Spacing {
	case SpacingPoisson:
		next = s.poisson(max(since, previous+1), stretch)
	case SpacingPeriodic:
		next = s.periodic(since, previous, known, stretch)
	default:
		next = s.hashed(since, previous, known, stretch)
	}
	return time.Unix(0, next).UTC()
}

// hashed returns the first hashed start from since on that is later than previous.
func (s Starts) hashed(since, previous int64, known bool, stretch float64) int64 {
	if known {
		i := s.interval(previous) + 1
		wait := time.Duration((stretch - 1) / 2 * float64(s.Every))
		length := time.Duration(stretch * float64(s.Every))
		if at := i*int64(s.Every) + int64(wait) + s.within(i, length); at >= since {
			return at
		}
	}
	for i := s.interval(since); ; i++ {
		if at := i*int64(s.Every) + s.within(i, s.Every); at >= since && at > previous {
			return at
		}
	}
}

// poisson returns the first event of the thinned process from since on. The process is
// drawn interval by interval, each for itself, which makes it one that needs no memory.
func (s Starts) poisson(since int64, stretch float64) int64 {
	for i := s.interval(since); ; i++ {
		at, end := i*int64(s.Every), (i+1)*int64(s.Every)
		for n := uint64(0); ; n++ {
			u := s.uniform("poisson", i, n)
			at += max(1, int64(-math.Log(1-u)*float64(s.Every)))
			if at >= end {
				break
			}
			if at >= since && s.uniform("thin", i, n)*stretch < 1 {
				return at
			}
		}
	}
}

// periodic returns the first full interval from since on that is far enough from the
// one that previous lay in.
func (s Starts) periodic(since, previous int64, known bool, stretch float64) int64 {
	first := s.interval(since-1) + 1
	if known {
		i := s.interval(previous)
		first = max(first, i+1)
		if far := i + int64(stretch+s.uniform("round", i, 0)); far*int64(s.Every) >= since {
			first = far
		}
	}
	return first * int64(s.Every)
}

// interval returns the number of the interval that an instant lies in.
func (s Starts) interval(at int64) int64 {
	i := at / int64(s.Every)
	if at%int64(s.Every) < 0 {
		i--
	}
	return i
}

// within returns an offset of interval i, uniform over length to the nanosecond.
func (s Starts) within(i int64, length time.Duration) int64 {
	offset, _ := bits.Mul64(s.hash("hashed", i, 0), uint64(length))
	return int64(offset)
}

// uniform returns a number in [0, 1).
func (s Starts) uniform(use string, i int64, n uint64) float64 {
	return float64(s.hash(use, i, n)>>11) / (1 << 53)
}

// hash returns 64 bits of the SHA-256 of everything that tells this draw from others.
// Names are preceded by their lengths, so that no two pairs of them run together.
func (s Starts) hash(use string, i int64, n uint64) uint64 {
	var b []byte
	for _, name := range []string{use, s.Site, string(s.Link)} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(name)))
		b = append(b, name...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Every))
	b = binary.BigEndian.AppendUint64(b, uint64(i))
	b = binary.BigEndian.AppendUint64(b, n)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}
