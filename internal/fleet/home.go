package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"perigee"
	"perigee/internal/lab"
)

// Target names what all homes probe.
const Target perigee.TargetID = "far-end"

// kinds are the links of every home, best first, and the lab's profile of each.
var kinds = [...]struct {
	link    perigee.Link
	profile func() lab.Profile
}{
	{perigee.Link{ID: "fibre", Orbit: perigee.OrbitTerrestrial}, lab.Fibre},
	{perigee.Link{ID: "starlink", Orbit: perigee.OrbitStarlink}, lab.Starlink},
	{perigee.Link{ID: "leo", Orbit: perigee.OrbitLEO}, lab.LEO},
	{perigee.Link{ID: "geo", Orbit: perigee.OrbitGEO, SatelliteLongitude: 140.1, SatelliteKnown: true}, lab.GEO},
}

// home is one simulated home.
type home struct {
	site      perigee.Site
	described bool
	links     [len(kinds)]*link
}

// newHome returns home number n, from 0. Its links send at the same instants, as the
// daemon's do; the phase within the interval is the home's own.
func newHome(n int, o Options) *home {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(n)))
	h := &home{site: perigee.Site{Name: Name(n)}}
	// Inland eastern Australia, where a satellite link has a reason to be.
	h.site.Latitude, h.site.Longitude, h.site.Located = between(rng, -34, -22), between(rng, 139, 149.5), true
	phase := time.Duration(rng.Int64N(int64(o.Interval)))
	obstructed := rng.Float64() < obstructedShare
	for i, kind := range kinds {
		profile := vary(kind.profile(), rng, obstructed && kind.link.Orbit != perigee.OrbitTerrestrial)
		h.links[i] = newLink(h.site.Name, i, profile, o, phase, rng.Uint64())
	}
	return h
}

// Name returns the name of home number n, from 0: home-0001 and so on.
func Name(n int) string { return fmt.Sprintf("home-%04d", n+1) }

// describe returns the home's links as a configuration would have them.
func (h *home) describe() []perigee.Link {
	links := make([]perigee.Link, len(kinds))
	for i, kind := range kinds {
		links[i] = kind.link
		links[i].Interface = h.links[i].proof.InterfaceName
	}
	return links
}

// proof returns the evidence of link that the lab's plan of addresses would give.
func proof(i int) perigee.Proof {
	return perigee.Proof{
		InterfaceIndex: i + 2, // 1 is the loopback device
		InterfaceName:  string(kinds[i].link.ID) + "0",
		Local:          netip.AddrFrom4([4]byte{198, 18, byte(i + 1), 1}),
		Remote:         lab.Target(),
	}
}

// How homes differ from the lab's profile, each factor drawn evenly from its range. The
// middle of each range is the profile itself, so that the median of many homes is close to it.
const (
	farthest        = 0.03 // share of the propagation delay, more or less
	jitterFactor    = 1.3  // jitter from 1/1.3 to 1.3 times
	burstFactor     = 1.6  // time between losses from 1/1.6 to 1.6 times
	obstructedShare = 0.125
	obstruction     = 2.5 // how much more frequent losses are behind trees
)

// vary returns what p is at one home.
func vary(p lab.Profile, rng *rand.Rand, obstructed bool) lab.Profile {
	distance := between(rng, 1-farthest, 1+farthest)
	jitter := factor(rng, jitterFactor)
	quiet := factor(rng, burstFactor)
	if obstructed {
		quiet /= obstruction
	}
	for _, d := range []*lab.Direction{&p.Up, &p.Down} {
		d.Delay = scale(d.Delay, distance)
		d.Jitter.Median = scale(d.Jitter.Median, jitter)
		d.Burst.Good = scale(d.Burst.Good, quiet)
		d.Burst.EdgeGood = scale(d.Burst.EdgeGood, quiet)
		d.Loss /= quiet
	}
	return p
}

func between(rng *rand.Rand, low, high float64) float64 { return low + rng.Float64()*(high-low) }

// factor draws a factor from 1/most to most whose median is 1.
func factor(rng *rand.Rand, most float64) float64 {
	f := between(rng, 1, most)
	if rng.Uint64()&1 == 0 {
		return 1 / f
	}
	return f
}

func scale(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }
