package perigee

import (
	"fmt"
	"math"
	"time"
)

const (
	// sameTime is how far from each other in the day disruptions may begin and
	// still be taken for the same appointment.
	sameTime = 5 * time.Minute

	// leastDays is on how many days of those an appointment must have been kept.
	leastDays = 3

	// mostChance is how probable it may be that a disruption finds so many others
	// at its time of day if all were spread over the day by chance.
	mostChance = 1e-3
)

// An appointment is when in the day a disruption began.
type appointment struct {
	index int // in the list of disruptions
	day   int
	at    time.Duration // since midnight
}

// markScheduled gives ClassScheduled to those disruptions of one cause that return at
// the same time of day: on leastDays days or more, on half or more of the days from the
// first of them to the last, and so that it is no chance.
func markScheduled(list []Disruption, location *time.Location) {
	if location == nil {
		location = time.UTC
	}
	groups := map[cause][]appointment{}
	for i, d := range list {
		if d.Class != ClassShort && d.Class != ClassLong {
			continue
		}
		key := cause{blame: d.Blame}
		if len(d.Links) == 1 {
			key.link = d.Links[0]
		}
		if len(d.Targets) == 1 && !d.Blame.Charged() {
			key.target = d.Targets[0]
		}
		local := d.Start.In(location)
		year, month, day := local.Date()
		groups[key] = append(groups[key], appointment{
			index: i,
			day:   int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400),
			at:    time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second,
		})
	}
	for _, group := range groups {
		for i, a := range group {
			if days, of, ok := kept(group, i); ok {
				d := &list[a.index]
				d.Class = ClassScheduled
				d.Why = fmt.Sprintf("it returns at about %02d:%02d (%s), on %d of %d days; %s", int(a.at.Hours()), int(a.at.Minutes())%60, location, days, of, d.Why)
			}
		}
	}
}

// kept reports whether the appointment at i of a group, which is in order of time, is
// kept on other days, and on how many of how many.
func kept(group []appointment, i int) (days, of int, ok bool) {
	a := group[i]
	begin, end := i, i+1
	for begin > 0 && a.day-group[begin-1].day <= reachDays {
		begin--
	}
	for end < len(group) && group[end].day-a.day <= reachDays {
		end++
	}
	on, others := map[int]bool{}, 0
	first, last := a.day, a.day
	for _, b := range group[begin:end] {
		day, apart := b.day, b.at-a.at
		if apart > 12*time.Hour { // either side of midnight
			day, apart = day+1, apart-24*time.Hour
		} else if apart < -12*time.Hour {
			day, apart = day-1, apart+24*time.Hour
		}
		if apart.Abs() > sameTime {
			others++
			continue
		}
		on[day] = true
		first, last = min(first, day), max(last, day)
	}
	days, of = len(on), last-first+1
	if days < leastDays || 2*days < of {
		return days, of, false
	}
	// The probability that a day has one of the others within sameTime of a given
	// moment; the disruption asked about is no coincidence.
	perDay := float64(others) / float64(group[end-1].day-group[begin].day+1)
	p := -math.Expm1(-perDay * float64(2*sameTime) / float64(24*time.Hour))
	return days, of, atLeast(days-1, of-1, p) <= mostChance
}

// reachDays is recurrenceReach in days.
const reachDays = int(recurrenceReach / (24 * time.Hour))

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
