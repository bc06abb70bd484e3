package lab

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// RoundTrip is what truly happened to one ICMP echo request from home.
type RoundTrip struct {
	Link     string
	Src, Dst netip.Addr
	Echo     Echo // of the request

	// Wall and Mono are when the request entered the link, see Record.
	Wall, Mono int64

	// Fate is Delivered if a reply came home, else what became of the first
	// packet that did not arrive; Way is then its way.
	Fate Fate
	Way  Way

	// RTT is from the request's entry to the first reply's delivery. It holds
	// the time that the far host took, unlike Up + Down. All three are
	// meaningful if Fate is Delivered.
	RTT      time.Duration
	Up, Down time.Duration

	// Replies is how many copies of replies came home: 2 or more mean
	// duplicates.
	Replies int

	// Reordered is set if the first reply came home after that to a later
	// request of the same Link, Src, Dst and ID.
	Reordered bool
}

type echoKey struct {
	link      string
	home, far netip.Addr
	echo      Echo // without Type
}

// RoundTrips pairs the echo requests that entered at home with their replies, in the
// order of their entry. A reply belongs to the latest request before it with the
// same link, addresses, id, sequence number and beginning of payload.
//
// Records must be complete for the packets of interest: a request whose reply is still
// on the way, or whose own record is not written yet, counts as InFlight or is missing.
func RoundTrips(records []Record) []RoundTrip {
	echoes := make([]*Record, 0, len(records))
	for i := range records {
		r := &records[i]
		if r.Way == Up && r.Echo.Request() || r.Way == Down && r.Echo.Reply() {
			echoes = append(echoes, r)
		}
	}
	slices.SortStableFunc(echoes, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Mono, b.Mono), cmp.Compare(a.Way, b.Way))
	})

	trips := make([]RoundTrip, 0, len(echoes))
	latest := make(map[echoKey]int)
	for _, r := range echoes {
		key := echoKey{r.Link, r.Src, r.Dst, r.Echo}
		key.echo.Type = 0
		if r.Way == Up {
			latest[key] = len(trips)
			trip := RoundTrip{Link: r.Link, Src: r.Src, Dst: r.Dst, Echo: r.Echo, Wall: r.Wall, Mono: r.Mono, Fate: r.Fate, Way: Up, Up: r.Actual}
			if r.Fate == Delivered {
				trip.Fate, trip.Way = InFlight, Down // until a reply is seen
			}
			trips = append(trips, trip)
			continue
		}
		key.home, key.far = key.far, key.home
		if i, ok := latest[key]; ok {
			trips[i].reply(r)
		}
	}
	markReordered(trips)
	return trips
}

// reply takes a reply into account.
func (t *RoundTrip) reply(r *Record) {
	if r.Fate != Delivered {
		if t.Replies == 0 {
			t.Fate, t.Way = r.Fate, Down
		}
		return
	}
	rtt := time.Duration(r.Mono-t.Mono) + r.Actual
	if t.Replies == 0 || rtt < t.RTT {
		t.RTT, t.Down = rtt, r.Actual
	}
	t.Fate, t.Way = Delivered, 0
	t.Replies += r.Copies
}

// markReordered sets Reordered: from the last request to the first, a reply is
// reordered if one to a later request came before it.
func markReordered(trips []RoundTrip) {
	type stream struct {
		link      string
		home, far netip.Addr
		id        uint16
	}
	earliest := make(map[stream]int64)
	for i := len(trips) - 1; i >= 0; i-- {
		t := &trips[i]
		if t.Fate != Delivered {
			continue
		}
		key := stream{t.Link, t.Src, t.Dst, t.Echo.ID}
		came := t.Mono + int64(t.RTT)
		first, ok := earliest[key]
		t.Reordered = ok && came > first
		if !ok || came < first {
			earliest[key] = came
		}
	}
}
