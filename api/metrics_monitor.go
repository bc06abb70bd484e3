package api

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"perigee"
)

// The metrics of what the monitor did and did not do. Counters begin at 0 when the process
// starts.
var (
	descGaps      = prometheus.NewDesc("perigee_gaps_total", "Times in which the monitor was not measuring, of the empty link those of all links.", []string{"site", "link", "reason"}, nil)
	descGapTime   = prometheus.NewDesc("perigee_gap_seconds_total", "How long they were.", []string{"site", "link", "reason"}, nil)
	descTransfers = prometheus.NewDesc("perigee_transfers_total", "Transfers, by what became of them.", []string{"site", "link", "direction", "outcome"}, nil)
)

// gapReasons are the values of the label reason: those of the domain, and one for all that
// may follow.
var gapReasons = []perigee.GapReason{
	perigee.GapStopped, perigee.GapCrashed, perigee.GapSuspended, perigee.GapStalled, perigee.GapClockStep, perigee.GapStoreDamaged, "other",
}

// monitor sends what was counted. All values of a label are there once one is, so that
// rates are right from the second event of a kind on.
func (ch sender) monitor(m monitorTotals) {
	gaps := map[gapKind]gapTotals{}
	for kind, t := range m.gaps {
		for _, reason := range gapReasons {
			if k := (gapKind{kind.linkOf, reason}); gaps[k].count == 0 {
				gaps[k] = gapTotals{}
			}
		}
		if !slices.Contains(gapReasons, kind.reason) {
			kind.reason = "other"
		}
		sum := gaps[kind]
		gaps[kind] = gapTotals{sum.count + t.count, sum.time + t.time}
	}
	for kind, t := range gaps {
		labels := []string{validLabel(kind.site), validLabel(string(kind.link)), string(kind.reason)}
		ch.counter(descGaps, float64(t.count), labels...)
		ch.counter(descGapTime, t.time.Seconds(), labels...)
	}
	transfers := map[transferKind]int64{}
	for kind, n := range m.transfers {
		for _, outcome := range transferOutcomes {
			transfers[transferKind{kind.linkOf, kind.direction, outcome}] += 0
		}
		transfers[kind] += n
	}
	for kind, n := range transfers {
		ch.counter(descTransfers, float64(n), validLabel(kind.site), validLabel(string(kind.link)), string(kind.direction), kind.outcome)
	}
}
