package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee"
)

// State says in one word how a link does.
type State string

// The states. A link is silent if the monitor says nothing of it, which tells nothing
// of the link itself.
const (
	StateUp         State = "up"         // every stream is answered
	StateDegraded   State = "degraded"   // loses at least degradedLoss, or some streams have no reply
	StateDown       State = "down"       // no stream has a reply
	StateSilent     State = "silent"     // measured before, but no data comes any more
	StateUnmeasured State = "unmeasured" // never measured
)

const (
	// degradedLoss is the loss ratio over the last minute from which a link is
	// called degraded: twice what Starlink loses at worst when idle (2.5 %).
	degradedLoss = 0.05

	// minute is the span of "the last minute", counted back from a stream's last
	// sample.
	minute = time.Minute

	// recently is how far back a link's state is looked for: a window and its wait
	// for late replies, a minute, and some.
	recently = 5 * time.Minute

	// grace is how much later than due a sample may come before its stream is
	// called silent.
	grace = 5 * time.Second
)

// streamState is what is known of one stream now.
type streamState struct {
	last   perigee.Sample
	minute perigee.Sample  // merged over the last minute
	outage *perigee.Outage // the open one, if any
	loaded bool            // its probes go to the stream of a transfer's load meanwhile
}

// lastMinutes holds the samples of each stream's last minute, by start. Of a fleet's
// thousands of streams no more is held than that.
type lastMinutes map[perigee.Stream][]perigee.Sample

// add takes samples ordered by start.
func (l lastMinutes) add(s perigee.Sample) {
	begin := s.End().Add(-minute - perigee.Adjacency)
	kept := slices.DeleteFunc(l[s.Stream], func(earlier perigee.Sample) bool { return !earlier.Start.After(begin) })
	l[s.Stream] = append(kept, s)
}

// states returns the state of every stream, in the order of streams.
func (l lastMinutes) states(outages []perigee.Outage) []streamState {
	byStream := make(map[perigee.Stream]*streamState, len(l))
	for stream, samples := range l {
		state := &streamState{last: samples[len(samples)-1]}
		for _, s := range samples {
			state.minute.Merge(s)
		}
		byStream[stream] = state
	}
	for i, o := range outages {
		// An outage that was left open by a monitor that crashed is over once a
		// later probe was answered.
		state := byStream[o.Stream]
		if state != nil && o.Open && (state.last.Counts.Received == 0 || !state.last.Start.After(o.End)) {
			state.outage = &outages[i]
		}
	}
	states := make([]streamState, 0, len(byStream))
	for _, s := range byStream {
		states = append(states, *s)
	}
	slices.SortFunc(states, func(a, b streamState) int { return a.last.Stream.Compare(b.last.Stream) })
	return states
}

// state returns the stream's state and says it in words.
func (s streamState) state(now time.Time) (State, string) {
	age := max(now.Sub(s.last.End()), 0)
	c := s.last.Counts
	switch {
	case age > s.patience() && s.loaded:
		return StateUp, "answers while a transfer runs"
	case age > s.patience():
		return StateSilent, "no data for " + inWords(age)
	case s.outage != nil:
		text := "no reply for " + inWords(max(now.Sub(s.outage.Start), 0))
		if s.outage.Reason != "" && s.outage.Reason != "no replies" {
			text += " (" + s.outage.Reason + ")"
		}
		return StateDown, text
	case c.Received == 0 && c.Sent+c.SendFailed > 0:
		text := "no reply in the last " + inWords(s.last.Length)
		if s.last.Cause != "" {
			text += " (" + s.last.Cause + ")"
		}
		return StateDown, text
	}
	if loss, ok := s.minute.Counts.LossRatio(); ok && loss >= degradedLoss {
		return StateDegraded, fmt.Sprintf("loses %.0f %% of probes", 100*loss)
	}
	if failed := s.minute.Counts.SendFailed; failed > 0 {
		return StateDegraded, fmt.Sprintf("%d of %d probes could not be sent", failed, s.minute.Counts.Planned)
	}
	return StateUp, "answers"
}

// patience is how old a stream's last sample may be: the next one ends a window
// later and is closed when the fate of its last probe is decided.
func (s streamState) patience() time.Duration {
	return max(s.last.Length, 10*time.Second) + perigee.LateHorizon(s.last.LossTimeout) + grace
}

// atRest returns what a link's state is made of. Loss and delay beside a transfer of our
// own tell of the transfer; that its probes are sent at all tells that the monitor is not
// silent. Of what went before, a stream under load says nothing once it is over.
func atRest(streams []streamState, now time.Time) []streamState {
	fresh := map[perigee.Stream]bool{} // streams without load that have one under load
	var kept []streamState
	for _, s := range streams {
		if s.last.Stream.Load == perigee.LoadIdle {
			kept = append(kept, s)
		} else if now.Sub(s.last.End()) <= s.patience() {
			rest := s.last.Stream
			rest.Load = perigee.LoadIdle
			fresh[rest] = true
		}
	}
	for i := range kept {
		kept[i].loaded = fresh[kept[i].last.Stream]
	}
	if len(kept) == 0 {
		return streams // a long load is all that there is
	}
	return kept
}

// linkState sums up the streams of a link whose newest sample ended at last.
func linkState(streams []streamState, last, now time.Time) (State, string) {
	if last.IsZero() {
		return StateUnmeasured, "never measured"
	}
	var texts = map[State]string{}
	var silent, down, degraded []string
	streams, hop := withoutFirstHop(atRest(streams, now), now)
	for _, s := range streams {
		state, text := s.state(now)
		if _, ok := texts[state]; !ok {
			texts[state] = text
		}
		name := string(s.last.Stream.Target)
		switch state {
		case StateSilent:
			silent = append(silent, name)
		case StateDown:
			down = append(down, name)
		case StateDegraded:
			degraded = append(degraded, name)
		}
	}
	measured := len(streams) - len(silent)
	switch {
	case measured == 0:
		return StateSilent, "no data for " + inWords(max(now.Sub(last), 0))
	case len(down) == measured:
		return StateDown, texts[StateDown] + hop
	case len(down) > 0:
		return StateDegraded, "no reply from " + strings.Join(slices.Compact(down), ", ")
	case len(degraded) > 0:
		return StateDegraded, texts[StateDegraded]
	case len(silent) > 0:
		return StateDegraded, "no data from " + strings.Join(slices.Compact(silent), ", ")
	}
	return StateUp, texts[StateUp]
}

// withoutFirstHop returns the streams beyond a link's first hop, and what that tells of a
// link that is down. If its first hop is all that is measured, it is all there is.
func withoutFirstHop(streams []streamState, now time.Time) (beyond []streamState, text string) {
	for _, s := range streams {
		if s.last.Stream.Target != perigee.FirstHop {
			beyond = append(beyond, s)
			continue
		}
		switch state, _ := s.state(now); state {
		case StateUp, StateDegraded:
			text = ", beyond its first hop"
		case StateDown:
			text = ", nor from its first hop"
		}
	}
	if len(beyond) == 0 {
		return streams, ""
	}
	return beyond, text
}

// inWords writes a duration to the precision that people want of it.
func inWords(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
