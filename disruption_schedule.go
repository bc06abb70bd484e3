package perigee

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// sameTime is how far from each other in the day outages may begin and still
	// be taken for the same appointment.
	sameTime = 5 * time.Minute

	// leastDays is on how many days of those an appointment must have been kept.
	leastDays = 3

	// mostChance is how probable it may be that an outage finds so many others at
	// its time of day if all began at times of chance.
	mostChance = 1e-3
)

// appointment is when in the day an outage began.
type appointment struct {
	start  time.Time
	length time.Duration
	day    int           // number of the day
	at     time.Duration // since midnight, by the clock
}

func appointmentOf(o Outage, location *time.Location) appointment {
	local := o.Start.In(location)
	year, month, date := local.Date()
	return appointment{
		start: o.Start, length: o.length(),
		day: int(time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix() / 86400),
		at:  time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second,
	}
}

// appointments returns those of all outages around, by stream, in order of start.
func (e *evidence) appointments(location *time.Location) map[Stream][]appointment {
	streams := map[Stream][]appointment{}
	for _, o := range e.around {
		streams[o.Stream] = append(streams[o.Stream], appointmentOf(o, location))
	}
	return streams
}

// recurs reports whether an outage returns at the same time of day, and says so in
// words: on leastDays days or more, on half or more of the days from the first of them to
// the last, and so that it is no chance. It is compared with the outages of the same
// stream that are half as long or longer, up to recurrenceReach away.
func recurs(o appointment, stream []appointment, location *time.Location) (string, bool) {
	begin, _ := slices.BinarySearchFunc(stream, o.start.Add(-recurrenceReach), func(a appointment, t time.Time) int { return a.start.Compare(t) })
	end, _ := slices.BinarySearchFunc(stream, o.start.Add(recurrenceReach), func(a appointment, t time.Time) int { return a.start.Compare(t) })
	days, others := map[int]bool{o.day: true}, 0
	first, last := o.day, o.day
	earliest, latest := o.day, o.day
	for _, other := range stream[begin:end] {
		if other.length < o.length/2 {
			continue
		}
		day := other.day
		earliest, latest = min(earliest, day), max(latest, day)
		apart := other.at - o.at
		if apart > halfDay { // either side of midnight
			day, apart = day+1, apart-2*halfDay
		} else if apart < -halfDay {
			day, apart = day-1, apart+2*halfDay
		}
		if apart.Abs() > sameTime {
			others++
			continue
		}
		days[day] = true
		first, last = min(first, day), max(last, day)
	}
	kept, of := len(days), last-first+1
	if kept < leastDays || 2*kept < of {
		return "", false
	}
	// The probability that a day has one of the others within sameTime of a given
	// moment; the outage asked about is no coincidence.
	perDay := float64(others) / float64(latest-earliest+1)
	p := -math.Expm1(-perDay * float64(sameTime) / float64(halfDay))
	if atLeast(kept-1, of-1, p) > mostChance {
		return "", false
	}
	return fmt.Sprintf("it returns at about %02d:%02d (%s), on %d of %d days", int(o.at.Hours()), int(o.at.Minutes())%60, location, kept, of), true
}

const halfDay = 12 * time.Hour

// atLeast returns the probability of k or more successes in n trials of probability p.
func atLeast(k, n int, p float64) float64 {
	var sum float64
	for i := k; i <= n; i++ {
		sum += binomial(n, i) * math.Pow(p, float64(i)) * math.Pow(1-p, float64(n-i))
	}
	return sum
}

// binomial returns n over k.
func binomial(n, k int) float64 {
	k = min(k, n-k)
	value := 1.0
	for i := range k {
		value *= float64(n-i) / float64(i+1)
	}
	return value
}
