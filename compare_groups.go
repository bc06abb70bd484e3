package perigee

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee/stats"
)

// key tells groups apart, and is cheap to make of every sample.
type key struct {
	order int64  // among the groups
	text  string // of a target, family or load; otherwise order says all
}

// group is a part of a grouped comparison.
type group struct {
	key
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

// of returns the key of a sample's group; of phases, which divide samples, see phase.
func (g grouping) of(s Sample) key {
	switch g.by {
	case ByHour:
		return key{order: int64(s.Start.In(g.zone).Hour())}
	case ByWeekday:
		return key{order: int64(s.Start.In(g.zone).Weekday()+6) % 7} // from Monday
	case ByDate:
		year, month, day := s.Start.In(g.zone).Date()
		return key{order: time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()}
	case ByLoad:
		return key{int64(slices.Index([]Load{LoadIdle, LoadDown, LoadUp}, s.Stream.Load)), string(s.Stream.Load)}
	case ByTarget:
		return key{text: string(s.Stream.Target)}
	case ByFamily:
		return key{text: string(s.Stream.Family)}
	default:
		return key{}
	}
}

// phase returns the key of the group of a probe sent at a Unix second.
func (g grouping) phase(second int64) key { return key{order: int64(g.grid.Phase(second))} }

// group returns the group of a key.
func (g grouping) group(k key) group {
	name, words := k.text, ""
	switch g.by {
	case ByHour:
		name = fmt.Sprintf("%02d:00", k.order)
		words = fmt.Sprintf("from %s to %02d:00 %s ", name, (k.order+1)%24, g.zoneName())
	case ByWeekday:
		name = time.Weekday((k.order + 1) % 7).String()
		words = "on " + name + "s "
	case ByDate:
		name = time.Unix(k.order, 0).UTC().Format(time.DateOnly)
		words = "on " + name + " "
	case ByPhase:
		name = fmt.Sprint(k.order)
		words = "in second " + name + " of slots "
	case ByLoad:
		words = "with load going " + name + " "
		if Load(name) == LoadIdle {
			words = "without load "
		}
	case ByTarget:
		words = "at " + name + " "
	case ByFamily:
		words = "over " + map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}[Family(name)] + " "
	}
	return group{k, name, words}
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
