package lab

import (
	"errors"
	"fmt"
	"time"
)

// MTU is the links' largest IP packet in bytes.
const MTU = 1500

// Profile says what a link does to packets.
type Profile struct {
	Name string

	// Slots and Handovers are the times at which the delay changes its level
	// and the link may be out, in both directions at once. A profile has at
	// most one of them.
	Slots     Slots
	Handovers Handovers

	// Up is home to far, Down is far to home: independent but for the above.
	Up, Down Direction
}

// Direction says what one direction of a link does to packets. The zero value
// delivers every packet at once.
//
// A packet first joins the queue of the rate limit, is sent when those before it are,
// may be lost on the way, and arrives Delay + level + jitter after it was sent.
// Packets keep their order, whatever the jitter, unless Reorder says otherwise: a
// packet that would overtake arrives together with the one before it.
type Direction struct {
	// Delay is the least propagation delay.
	Delay time.Duration

	// Level is added to Delay; it changes with each slot or handover.
	Level Level

	// Jitter is added to Delay.
	Jitter Jitter

	// Loss is the probability that a packet is lost, independent of all others.
	Loss float64

	// Burst loses packets in bursts.
	Burst Burst

	// Duplicate is the probability that a packet is delivered twice.
	Duplicate float64

	// Reorder is the probability that a packet is held back for ReorderDelay
	// beyond its time while later packets overtake it.
	Reorder      float64
	ReorderDelay time.Duration

	// Rate is in bits per second of IP packets; 0 is unlimited.
	Rate int64

	// Queue is how many bytes may wait for Rate, the packet being sent
	// included; a packet that finds no room is dropped (tail drop). It must
	// hold at least one packet of MTU if Rate is set.
	Queue int64
}

// Level is a delay of Spread * u^Skew, where u is uniform in 0..1, drawn anew for
// each slot or handover from its number and the seed: it does not depend on traffic.
type Level struct {
	Spread time.Duration
	Skew   float64 // 0 means 1, uniform; above 1 low levels are the more frequent
}

// Jitter is a delay that varies with time: Median * exp(Sigma * z), where z is a
// stationary Gaussian process of mean 0, variance 1 and autocorrelation
// exp(-dt/Correlation) (an Ornstein-Uhlenbeck process). Seen at times far apart it is
// log-normal; packets close together see almost the same delay, as on a real link,
// where a scheduler makes it and not chance per packet.
type Jitter struct {
	Median      time.Duration // 0 is no jitter
	Sigma       float64
	Correlation time.Duration // 0: each packet independent
	Max         time.Duration // the most it can be; 0 is no bound
}

// Slots is a grid of time slots of one length, aligned to the wall clock: the slot of
// Unix time t is floor((t+Leap)/Period). Starlink's has a period of 15 s and a leap of
// 18 s, by which GPS time is ahead of UTC.
type Slots struct {
	Period time.Duration // 0 is no slots
	Leap   time.Duration

	// Outage is the probability that a slot begins with an outage, which loses
	// every packet of both directions and is OutageMin to OutageMax long,
	// uniformly.
	Outage               float64
	OutageMin, OutageMax time.Duration
}

// Handovers are changes at irregular times, exponentially distributed.
type Handovers struct {
	Every  time.Duration // the mean interval; 0 is none
	Outage time.Duration // how long each loses every packet of both directions
}

// Burst is the two-state model of Gilbert and Elliott in continuous time: the link is
// good or bad, for exponentially distributed times, and a packet sent while it is bad
// is lost with probability Loss. The states are a function of seed and time alone,
// not of traffic, so probes and bulk transfers meet the same events.
type Burst struct {
	Good time.Duration // mean length of the good state; 0 is no bursts
	Bad  time.Duration // mean length of the bad state
	Loss float64       // in the bad state; the good state loses none

	// EdgeGood replaces Good during the first EdgeSpan of each of the profile's
	// Slots, so that bursts cluster there. 0 is no difference.
	EdgeGood time.Duration
	EdgeSpan time.Duration
}

// Validate returns everything that is wrong with p, or nil.
func (p Profile) Validate() error {
	c := check{subject: fmt.Sprintf("lab: profile %q", p.Name)}
	c.share("slot outage", p.Slots.Outage)
	c.length("slot period", p.Slots.Period)
	c.length("slot outage", p.Slots.OutageMin)
	c.length("handover interval", p.Handovers.Every)
	c.length("handover outage", p.Handovers.Outage)
	c.that(p.Slots.OutageMin <= p.Slots.OutageMax, "slot outages of %v to %v: the first is the longer", p.Slots.OutageMin, p.Slots.OutageMax)
	c.that(p.Slots.Period == 0 || p.Slots.OutageMax <= p.Slots.Period, "slot outages of up to %v are longer than a slot", p.Slots.OutageMax)
	c.that(p.Slots.Period == 0 || p.Handovers.Every == 0, "slots and handovers exclude each other")
	p.Up.validate(&c, "up", p.Slots)
	p.Down.validate(&c, "down", p.Slots)
	return errors.Join(c.errs...)
}

func (d Direction) validate(c *check, way string, slots Slots) {
	c.way = way + ": "
	c.length("delay", d.Delay)
	c.length("level spread", d.Level.Spread)
	c.length("jitter median", d.Jitter.Median)
	c.length("jitter correlation", d.Jitter.Correlation)
	c.length("jitter max", d.Jitter.Max)
	c.length("reorder delay", d.ReorderDelay)
	c.length("burst good", d.Burst.Good)
	c.length("burst bad", d.Burst.Bad)
	c.length("burst good at edges", d.Burst.EdgeGood)
	c.length("burst edge span", d.Burst.EdgeSpan)
	c.share("loss", d.Loss)
	c.share("burst loss", d.Burst.Loss)
	c.share("duplicate", d.Duplicate)
	c.share("reorder", d.Reorder)
	c.that(d.Jitter.Sigma >= 0, "jitter sigma is %v, must not be negative", d.Jitter.Sigma)
	c.that(d.Level.Skew >= 0, "level skew is %v, must not be negative", d.Level.Skew)
	c.that(d.Burst.Good == 0 || d.Burst.Bad > 0, "bursts last 0 s on average")
	c.that(d.Burst.EdgeGood == 0 || d.Burst.Good > 0 && d.Burst.EdgeSpan > 0 && d.Burst.EdgeSpan <= slots.Period,
		"bursts at slot edges need bursts elsewhere and a span within a slot")
	c.that(d.Reorder == 0 || d.ReorderDelay > 0, "reordering needs a reorder delay")
	c.that(d.Rate >= 0, "rate is %d bit/s, must not be negative", d.Rate)
	c.that(d.Rate == 0 || d.Queue >= MTU, "a queue of %d bytes holds no packet of %d", d.Queue, MTU)
}

// check gathers what is wrong with a profile.
type check struct {
	subject, way string
	errs         []error
}

func (c *check) that(ok bool, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("%s: %s%s", c.subject, c.way, fmt.Sprintf(format, args...)))
	}
}

func (c *check) share(name string, v float64) {
	c.that(v >= 0 && v <= 1, "%s is %v, must be within 0..1", name, v)
}

func (c *check) length(name string, v time.Duration) {
	c.that(v >= 0, "%s is %v, must not be negative", name, v)
}
