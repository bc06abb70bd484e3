package perigee

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee/stats"
)

// group is a part of a grouped comparison.
type group struct {
	order int64
	name  string
	words string // how a verdict begins
}

// grouping divides samples into groups.
type grouping struct {
	by   Grouping
	zone *time.Location
	grid stats.SlotGrid // of phases
}

func newGrouping(q CompareQuery) (grouping, error) {
	g := grouping{by: q.By, zone: q.Zone}
	if g.by != "" && !slices.Contains(Groupings, g.by) {
		names := make([]string, len(Groupings))
		for i, known := range Groupings {
			names[i] = string(known)
		}
		return g, &Error{Code: CodeInvalid, Message: fmt.Sprintf("by %q: use one of %s", g.by, strings.Join(names, ", "))}
	}
	if g.zone == nil {
		g.zone = time.UTC
	}
	leap := q.LeapSeconds
	if leap == 0 {
		leap = LeapSeconds
	}
	g.grid = stats.StarlinkGrid(leap)
	return g, nil
}

// of returns the group of a sample; of phases, which divide samples, see phase.
func (g grouping) of(s Sample) group {
	switch g.by {
	case ByHour:
		hour := s.Start.In(g.zone).Hour()
		return group{int64(hour), fmt.Sprintf("%02d:00", hour), fmt.Sprintf("from %02d:00 to %02d:00 %s ", hour, (hour+1)%24, g.zoneName())}
	case ByWeekday:
		day := s.Start.In(g.zone).Weekday()
		return group{int64(day+6) % 7, day.String(), "on " + day.String() + "s "}
	case ByDate:
		day := s.Start.In(g.zone)
		name := day.Format(time.DateOnly)
		return group{int64(day.Year())*1000 + int64(day.YearDay()), name, "on " + name + " "}
	case ByLoad:
		order := int64(slices.Index([]Load{LoadIdle, LoadDown, LoadUp}, s.Stream.Load))
		words := fmt.Sprintf("with load going %s ", s.Stream.Load)
		if s.Stream.Load == LoadIdle {
			words = "without load "
		}
		return group{order, string(s.Stream.Load), words}
	case ByTarget:
		return group{0, string(s.Stream.Target), fmt.Sprintf("at %s ", s.Stream.Target)}
	case ByFamily:
		return group{0, string(s.Stream.Family), fmt.Sprintf("over %s ", map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}[s.Stream.Family])}
	default:
		return group{}
	}
}

// phase returns the group of a probe sent at a Unix time in nanoseconds.
func (g grouping) phase(at int64) group {
	phase := g.grid.Phase(at)
	return group{int64(phase), fmt.Sprint(phase), fmt.Sprintf("in second %d of slots ", phase)}
}

func (g grouping) zoneName() string {
	if g.zone == time.UTC {
		return "UTC"
	}
	return g.zone.String()
}

// mostGroupedWindows bounds the windows that a grouped comparison of long ranges holds in
// memory at once, some 2 kB each.
const mostGroupedWindows = 100_000

// resolution returns the length of the windows that a range is compared by, and the
// coarsest samples that these may be made from.
//
// Up to two days they are made from windows as measured, at most mostWindows of them; up
// to two months from hours, and beyond from days. Hours of the day are made from shorter
// windows for a week, because days are too few then.
func (g grouping) resolution(length time.Duration) (grid time.Duration, coarsest Resolution) {
	const day = 24 * time.Hour
	grid = stepFor(length, mostWindows)
	switch {
	case g.by == ByPhase:
		return max(grid, blockTime), Windows
	case length <= 2*day, g.by == ByHour && length <= 7*day:
		return min(grid, time.Hour), Windows
	case g.by == ByHour || g.by == ByDate:
		return time.Hour, Hours
	case length > 60*day && (g.by != ByWeekday || g.zone == time.UTC):
		return max(grid, day), Days
	default:
		return max(min(grid, day), time.Hour), Hours
	}
}

// check refuses a grouping that the metric or the range does not allow.
func (g grouping) check(q CompareQuery, metric Metric, length time.Duration, links int) error {
	invalid := func(format string, args ...any) error {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case g.by == ByPhase && metric.Name != MetricRTT && metric.Name != MetricLossRatio && metric.Name != MetricPDV:
		return invalid("by phase: single probes have no %s; compare by rtt, pdv or loss_ratio", metric.Name)
	case g.by == ByPhase && length > MaxSlotsRange:
		return invalid("by phase: every probe of the range is read, so that it may be %s at most; ask for a shorter one", MaxSlotsRange)
	case g.by == ByPhase && !q.BaselineFrom.IsZero():
		return invalid("by phase: periods are not compared by it; ask for each")
	case g.by == ByLoad && (metric.transfers() || metric.Name == MetricRTTLoaded):
		return invalid("by load: %s is of one load already; compare by rtt, pdv, jitter or loss_ratio", metric.Name)
	case g.by == ByLoad && q.Load != "":
		return invalid("by load: load %s alone was asked for; leave one of the two out", q.Load)
	case g.by == ByDate && !q.BaselineFrom.IsZero():
		return invalid("by day: an earlier period has other days; compare by hour or weekday")
	}
	if g.by == ByHour || g.by == ByDate || g.by == ByWeekday {
		grid, _ := g.resolution(length)
		if windows := int64(links) * int64(length/grid); windows > mostGroupedWindows {
			return invalid("by %s: %d links over %.0f days are too much at once; name fewer links or a shorter range", g.by, links, length.Hours()/24)
		}
	}
	return nil
}
