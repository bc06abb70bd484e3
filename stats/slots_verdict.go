package stats

import "math"

// SlotVerdict says whether a stream shows slots on a grid, and if not why.
type SlotVerdict int

// The verdicts.
const (
	SlotsUnknown   SlotVerdict = iota // fewer than LeastSlots edges could be compared
	SlotsDetected                     // the level steps at the grid's edges
	SlotsElsewhere                    // the level steps every period, but not at the grid's edges
	SlotsAbsent                       // it steps no more at one phase than at another
	SlotsWeak                         // it does, but hardly
	SlotsOneSided                     // it does, but always up or down, or by turns: load that comes and goes
	SlotsShorter                      // it does, but as much at other phases: another, shorter period
	SlotsLonger                       // it does, but not in every slot: another, longer period
)

// LeastSlots is how many edges must have been compared for a verdict.
const LeastSlots = 20

// What detection asks of the steps of a phase. docs/metrics.md says why, and what comes
// of it.
const (
	// leastProminence is the least mean share of the steps around it that a step
	// must exceed; 1/2 is chance. On a public Starlink trace it is 0.74.
	leastProminence = 0.6

	// leastStepRatio is the least ratio of the median step to that of other phases.
	// On that trace it is 2.4.
	leastStepRatio = 1.5

	// leastDeviations is how many standard deviations of chance the mean share must
	// lie above 1/2: that has a probability of 0.00023 at the grid's edges. The
	// other phases are a choice of many, and more is asked of them.
	leastDeviations          = 3.5
	leastDeviationsElsewhere = 4.5

	// mostOneSided bounds the share of steps that go the same way, or up and down
	// by turns. Levels of slots are drawn anew, up as often as down (59 % on that
	// trace), and by turns in two of three; load that begins on the grid steps up
	// always, and if it lasts for a slot, up and down.
	mostOneSided = 0.85
)

// differ is the 99.9 % quantile of chi-squared with as many degrees of freedom as a
// modulus has classes, less one: above it classes are not alike.
var differ = [len(classModuli)]float64{10.83, 13.82, 16.27, 18.47}

// SlotPhase describes one phase of a grid.
type SlotPhase struct {
	Sent, Lost  int64
	LossPeriods int64        // runs of two or more losses that began in it
	RTT         Distribution // seconds
	Steps       Distribution // sizes of the steps from the second before, seconds

	// Prominence is the mean share of the steps around it that a step of this
	// phase exceeds, 1/2 by chance; of Compared ones. Undefined if that is 0.
	Prominence float64
	Compared   int64
}

// SlotStatistics is what a SlotFold knows.
type SlotStatistics struct {
	Phases []SlotPhase // of which 0 begins at the grid's edge
	Slots  []Slot      // in the order measured, those without a probe left out

	// Best is the phase with the greatest prominence; meaningless unless
	// BestDefined.
	Best        int
	BestDefined bool

	// Edge are the steps at phase 0, Other those at phases that are not next to it.
	Edge, Other Distribution

	// Chance is the probability that phase 0 would be so prominent if there were
	// no slots (one-sided). 1 if nothing was compared.
	Chance float64

	Verdict SlotVerdict
}

// StepRatio returns the ratio of the mean step at phase 0 to that at phases not next to
// it. It reports false if there are none, or those have no size.
func (s SlotStatistics) StepRatio() (float64, bool) {
	if s.Edge.Count == 0 || s.Other.Count == 0 || !(s.Other.Mean > 0) {
		return 0, false
	}
	return s.Edge.Mean / s.Other.Mean, true
}

// AtEdge returns the share of events that lie within a second of an edge, one way or the
// other, and what it would be by chance if events were as frequent as probes. count
// tells the events of a phase. It reports false if there are none.
func (s SlotStatistics) AtEdge(count func(SlotPhase) int64) (share, chance float64, ok bool) {
	var sum, sent, edge, edgeSent int64
	for i, p := range s.Phases {
		sum += count(p)
		sent += p.Sent
		if i == 0 || i == len(s.Phases)-1 {
			edge += count(p)
			edgeSent += p.Sent
		}
	}
	if sum == 0 || sent == 0 {
		return 0, 0, false
	}
	return float64(edge) / float64(sum), float64(edgeSent) / float64(sent), true
}

// Result says what was found so far. What comes after it begins anew, as after Break.
func (f *SlotFold) Result() SlotStatistics {
	f.Break()
	s := SlotStatistics{Slots: f.slots, Chance: 1}
	for i, p := range f.phases {
		phase := SlotPhase{Sent: p.sent, Lost: p.lost, LossPeriods: p.lossPeriods, RTT: p.rtt, Steps: p.steps, Compared: p.prominence.count}
		mean, ok := p.prominence.mean()
		if phase.Prominence = mean; ok && (!s.BestDefined || mean > s.Phases[s.Best].Prominence) {
			s.Best, s.BestDefined = i, true
		}
		s.Phases = append(s.Phases, phase)
	}
	s.Edge, s.Other = f.steps(0)
	if deviations, ok := f.deviations(0); ok {
		s.Chance = normalCDF(-deviations)
	}
	s.Verdict = f.verdict(s)
	return s
}

// verdict looks for slots at phase 0, and if there are none at the best phase.
func (f *SlotFold) verdict(s SlotStatistics) SlotVerdict {
	if s.Phases[0].Compared < LeastSlots {
		return SlotsUnknown
	}
	if s.Best == 0 {
		return f.judge(0, leastDeviations)
	}
	// Something at another phase is worth a word only if it is all that slots are.
	if s.Phases[s.Best].Compared >= LeastSlots && f.judge(s.Best, leastDeviationsElsewhere) == SlotsDetected {
		return SlotsElsewhere
	}
	return SlotsAbsent
}

// judge says whether slots begin at the best phase.
func (f *SlotFold) judge(phase int, least float64) SlotVerdict {
	p := f.phases[phase]
	mean, _ := p.prominence.mean()
	deviations, _ := f.deviations(phase)
	edge, other := f.steps(phase)
	edgeMedian, _ := edge.Quantile(0.5)
	otherMedian, _ := other.Quantile(0.5)
	switch {
	case deviations < least:
		return SlotsAbsent
	case mean < leastProminence || edgeMedian < leastStepRatio*otherMedian:
		return SlotsWeak
	case p.oneSided():
		return SlotsOneSided
	case f.shorter(phase, mean):
		return SlotsShorter
	case p.longer(mean):
		return SlotsLonger
	}
	return SlotsDetected
}

// deviations returns by how many standard deviations of chance the prominence of a phase
// lies above 1/2. It reports false if nothing was compared.
func (f *SlotFold) deviations(phase int) (float64, bool) {
	p := f.phases[phase].prominence
	if p.count == 0 {
		return 0, false
	}
	return (p.sum - float64(p.count)/2) / math.Sqrt(p.variance), true
}

// steps returns the steps at a phase, and those at phases that are not next to it.
func (f *SlotFold) steps(phase int) (at, other Distribution) {
	period := len(f.phases)
	for i, p := range f.phases {
		if away := min((i-phase+period)%period, (phase-i+period)%period); away > adjacent {
			other.Merge(p.steps)
		}
	}
	at.Merge(f.phases[phase].steps)
	return at, other
}

// oneSided reports whether the steps of the phase hardly ever surprise.
func (p phaseFold) oneSided() bool {
	ups, downs := p.ups[0]+p.ups[1], p.downs[0]+p.downs[1]
	turns, others := p.ups[0]+p.downs[1], p.ups[1]+p.downs[0]
	return float64(max(ups, downs, turns, others)) > mostOneSided*float64(ups+downs)
}

// shorter reports whether the phases at which something with a shorter period would
// also show are half as prominent as the best one. Whatever its period, if it meets a
// phase again and again it meets also those a divisor of the grid's period away, or
// half of it.
func (f *SlotFold) shorter(phase int, mean float64) bool {
	period := len(f.phases)
	for d := 2; d <= (period+1)/2; d++ {
		if period%d != 0 && d < period/2 {
			continue
		}
		var together prominence
		for away := d; away <= period-d || away == d; away += d {
			p := f.phases[(phase+away)%period].prominence
			together.count += p.count
			together.sum += p.sum
		}
		if m, ok := together.mean(); ok && m-0.5 > (mean-0.5)/2 {
			return true
		}
	}
	return false
}

// longer reports whether the steps of the phase are those of some slots, while others of
// a regular choice begin without.
func (p phaseFold) longer(mean float64) bool {
	for i, classes := range p.classes {
		variance := p.prominence.variance / float64(p.prominence.count)
		squares, least := 0.0, mean
		for _, c := range classes {
			m, ok := c.mean()
			if !ok {
				continue
			}
			squares += float64(c.count) * (m - mean) * (m - mean) / variance
			least = min(least, m)
		}
		if squares > differ[i] && least-0.5 < (mean-0.5)/2 {
			return true
		}
	}
	return false
}
