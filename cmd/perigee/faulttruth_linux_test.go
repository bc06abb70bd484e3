package main

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"perigee"
	"perigee/internal/lab"
)

// A claim is a packet. The time at which it left does not tell it from all others: what the
// engine reads at once, and the tap missed, has the same.
type claim struct {
	link    string
	dst     netip.Addr
	id, seq uint16
	mono    int64
}

func claimOf(r lab.RoundTrip) claim { return claim{r.Link, r.Dst, r.Echo.ID, r.Echo.Seq, r.Mono} }

// agree holds the probes of each window that was not held against the lab before with what
// truly left, and what truly came back: each probe that is told to have been sent is one
// packet, no packet is two probes, and each packet within a window is one of its probes,
// sent or skipped. It returns how many probes and windows it looked at. Windows that end
// after settled are left for the next time.
func (h *faultHome) agree(l record, settled time.Time, p *problems) (windows, probes int) {
	trips := map[string][]lab.RoundTrip{}
	for _, trip := range lab.RoundTrips(h.lab.Truth()) {
		trips[trip.Link] = append(trips[trip.Link], trip)
	}
	for _, list := range trips {
		slices.SortFunc(list, func(a, b lab.RoundTrip) int { return cmp.Compare(a.Wall, b.Wall) })
	}
	var fresh []perigee.Sample
	for _, s := range l.samples {
		if s.Singletons != nil && !h.known[keyOf(s)] && !h.shown(s.End()).After(settled) {
			fresh = append(fresh, s)
		}
	}
	type told struct {
		perigee.Singleton
		sample perigee.Sample
		at     int64
	}
	var all []told
	for _, s := range fresh {
		h.known[keyOf(s)] = true
		windows++
		for _, one := range s.Singletons {
			all = append(all, told{one, s, h.shown(s.Start.Add(one.At)).UnixNano()})
		}
	}
	// In the order of sending, whatever the load: each takes the first packet that may be its
	// own, and those that were skipped, of which some left, what is over.
	slices.SortStableFunc(all, func(a, b told) int {
		return cmp.Or(cmp.Compare(skipped(a.Outcome), skipped(b.Outcome)), cmp.Compare(a.at, b.at))
	})
	for _, one := range all {
		key := keyOf(one.sample)
		trip, ok := h.packet(trips[key.link], one.sample, one.at)
		if !ok {
			if one.Outcome.Sent() && (one.Outcome != perigee.Lost || !h.untapped(one.at)) {
				p.add("never left", "probe %d of window %v, %s, is told to have been sent and the lab saw none", one.Seq, key, one.Outcome)
			}
			continue
		}
		if one.Outcome == perigee.SendFailed || one.Outcome == perigee.Skipped && trip.Wall >= h.shown(one.sample.End()).UnixNano() {
			continue // it did not leave: the packet is another's, perhaps of a window yet to come
		}
		h.claimed[claimOf(trip)] = key
		probes++
		switch came := trip.Fate == lab.Delivered; {
		case one.Outcome == perigee.Received && !came:
			p.add("never came", "probe %d of window %v is told to have been answered; true is %v", one.Seq, key, trip.Fate)
		case one.Outcome == perigee.Lost && came && trip.RTT < 400*time.Millisecond && !h.untapped(one.at):
			p.add("falsely lost", "probe %d of window %v is told to be lost; its answer came after %v", one.Seq, key, trip.RTT)
		}
	}
	for _, s := range fresh {
		key := keyOf(s)
		from, to := h.shown(s.Start).Add(sentWithin).UnixNano(), h.shown(s.End()).Add(-sentWithin).UnixNano()
		for _, trip := range trips[key.link] {
			if trip.Wall < from || trip.Wall > to || trip.Dst != s.Proof.Remote {
				continue
			}
			if _, ok := h.claimed[claimOf(trip)]; !ok && s.Stream.Load == perigee.LoadIdle && !loadedBeside(l, s) {
				p.add("not told", "packet %d at %d ns left by %s within window %v, which does not tell of it", trip.Echo.Seq, trip.Wall, key.link, key)
			}
		}
	}
	return windows, probes
}

// untapped reports whether a device or its address came or went at about that time: what is
// sent then may end in the kernel, before the lab sees it, and so may the answer that the lab
// has delivered. It is lost.
func (h *faultHome) untapped(at int64) bool {
	return slices.ContainsFunc(h.touched, func(i interval) bool { return i.from.UnixNano() <= at && at <= i.to.UnixNano() })
}

// skipped returns 1 for what is not told to have been sent, else 0.
func skipped(o perigee.Outcome) int {
	if o.Sent() {
		return 0
	}
	return 1
}

// loadedBeside reports whether the window's link was also measured under load then: packets
// within the window may be of that stream, whose window is perhaps not stored yet.
func loadedBeside(l record, s perigee.Sample) bool {
	for _, o := range l.samples {
		if o.Stream.Load != perigee.LoadIdle && o.Stream.Link == s.Stream.Link && o.Start.Before(s.End()) && o.End().After(s.Start) {
			return true
		}
	}
	return false
}

// packet finds the first packet of those that left by a link that may be a probe which is told
// to have been sent at a time, and is not another's.
func (h *faultHome) packet(all []lab.RoundTrip, s perigee.Sample, at int64) (lab.RoundTrip, bool) {
	i, _ := slices.BinarySearchFunc(all, at-int64(stampedWithin), func(r lab.RoundTrip, t int64) int { return cmp.Compare(r.Wall, t) })
	for ; i < len(all) && all[i].Wall <= at+int64(sentWithin); i++ {
		if s.Proof.Remote.IsValid() && all[i].Dst != s.Proof.Remote {
			continue
		}
		if _, taken := h.claimed[claimOf(all[i])]; !taken {
			return all[i], true
		}
	}
	return lab.RoundTrip{}, false
}

// stampedWithin is by how much a probe may be dated after it left: starts of windows are
// whole milliseconds, and a clock that is slewed is a little beside the machine's.
const stampedWithin = 10 * time.Millisecond

// sentWithin is how far apart the time that a probe says it was sent, and that at which the
// kernel saw it leave, may be: on a machine that runs several homes at once a process may
// lose its processor in between.
const sentWithin = 190 * time.Millisecond
