package stats

// A lost packet holds back what came after it until it has been sent again, and then all
// is counted at once: nothing, and then a burst. A steady part that ends in between lacks
// payload that the link has carried, over a geostationary satellite as much as two seconds
// carry; one that begins in between has payload of before its time. Both ends are therefore
// put where nothing is held back. Counts that stand where payload arrived lack nothing.
const (
	// heldRTTs is for how long payload may be held back: what is sent again takes one
	// round trip to be missed and one to come, and may be lost again.
	heldRTTs = 5

	// Payload is taken for held back if less than silent of the mean came for a round
	// trip, and owed of a round trip's payload is still to come, or came too much and
	// made for one round trip at more than burst of the mean. With some of many
	// connections held back, that is all there is to see. What CUBIC makes of its window
	// after a loss, 0.7 of it, is not so silent, and no link bursts.
	silent = 0.6
	owed   = 0.25
	burst  = 1.5
)

// caughtUp returns the last moment at which nothing was held back of what followed
// start, as far as counts can tell: the end of the series if it is not missing anything.
//
// It is where the counts are farthest ahead of their mean: from there on less came than
// the link carries, and what was to make up for it had not come yet.
func (t *transfer) caughtUp(start int) int {
	earliest := max(t.n-t.steps(heldRTTs*t.o.RTT), start+t.window)
	if t.o.InOrder != nil || earliest >= t.n || t.rtt < windowCounts {
		return t.n
	}
	end := t.n
	for range 2 { // the mean itself lacks what is held back
		mean, most := t.mean(start, end), 0.0
		end = t.n
		for i := t.n; i >= earliest; i-- {
			if ahead := t.sums[i] - t.sums[t.n] + float64(t.n-i)*mean; ahead > most {
				most, end = ahead, i
			}
		}
		if most < owed*float64(t.rtt)*mean {
			return t.n
		}
	}
	for i := end; i+t.rtt <= t.n; i++ {
		if t.mean(i, i+t.rtt) < silent*t.mean(start, end) {
			return end
		}
	}
	return t.n
}

// paid returns the first moment from start on at which all has come that was held back
// before start; start itself if nothing was.
func (t *transfer) paid(start int) int {
	lag := t.steps(heldRTTs * t.o.RTT)
	latest := min(start+lag, t.n-2*t.window)
	if t.o.InOrder != nil || latest <= start || t.rtt < windowCounts {
		return start
	}
	end := start
	for range 2 { // the mean itself has what was held back
		mean, most := t.mean(end, t.n), 0.0
		end = start
		for i := start; i <= latest; i++ {
			if ahead := t.sums[i] - t.sums[start] - float64(i-start)*mean; ahead > most {
				most, end = ahead, i
			}
		}
		if most < owed*float64(t.rtt)*mean {
			return start
		}
	}
	mean, came, quiet := t.mean(end, t.n), false, false
	for i := start; i < end && i+t.rtt <= t.n; i++ {
		came = came || t.mean(i, i+t.rtt) > burst*mean
	}
	for i := max(0, start-lag); i+t.rtt <= start; i++ {
		quiet = quiet || t.mean(i, i+t.rtt) < silent*mean
	}
	if came && quiet {
		return end
	}
	return start
}
