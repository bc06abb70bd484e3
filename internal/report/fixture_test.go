package report

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"perigee"
	"perigee/stats"
)

// day is a day without a change of clocks anywhere.
var day = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)

// idle is the stream that a link of the tests measures.
func idle(link perigee.LinkID) perigee.Stream {
	return perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
}

// summary measures n round trips of some 40 ms, one in a hundred lost.
func summary(s perigee.Stream, n int) perigee.Summary {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	var sample perigee.Sample
	sample.Stream, sample.Interval, sample.LossTimeout = s, 200*time.Millisecond, 3*time.Second
	sample.Proof = perigee.Proof{InterfaceName: "wan0", Local: netip.MustParseAddr("192.0.2.2"), Remote: netip.MustParseAddr("198.51.100.1")}
	for i := range n {
		one := perigee.Singleton{Outcome: perigee.Received, RTT: time.Duration(40+20*random.Float64()) * time.Millisecond}
		if i%100 == 7 {
			one = perigee.Singleton{Outcome: perigee.Lost}
		} else {
			sample.RTT.Add(one.RTT.Seconds())
		}
		sample.Counts.Add(one)
		sample.LossRuns.Add(one.Outcome == perigee.Lost, 0.2)
	}
	return perigee.Summary{Sample: sample, Availability: 0.9996, AvailabilityDefined: true, Floor: 0.0073, FloorDefined: true}
}

// series has a point in each step of the range but those that skip names.
func series(from, to time.Time, step time.Duration, skip func(int) bool) perigee.TimeSeries {
	s := perigee.TimeSeries{From: from, To: to, Step: step}
	for i := 0; from.Add(time.Duration(i) * step).Before(to); i++ {
		if skip == nil || !skip(i) {
			s.Points = append(s.Points, perigee.SeriesPoint{
				Start: from.Add(time.Duration(i) * step), Length: step, StepValues: perigee.StepValues{
					Counts: perigee.Counts{Planned: 100, Sent: 100, Received: 99, Lost: 1},
					P5:     0.03, P50: 0.04, P95: 0.07, QuantilesDefined: true, LossRatio: 0.01, LossDefined: true,
				},
			})
		}
	}
	return s
}

// oneDay is a report of a day of one link.
func oneDay() Report {
	to := day.AddDate(0, 0, 1)
	s := summary(idle("dish"), 1000)
	loaded := idle("dish")
	loaded.Load = perigee.LoadDown
	var oneRate stats.Distribution
	oneRate.Add(150e6)
	total := perigee.Reliability{From: day, To: to, Planned: 24 * time.Hour, Down: 36 * time.Second, Failures: 1, Longest: 36 * time.Second,
		Classes: map[perigee.DisruptionClass]perigee.Share{perigee.ClassLong: {Count: 1, Down: 36 * time.Second}},
		Excused: map[perigee.Blame]perigee.Share{perigee.BlameTarget: {Count: 1, Down: time.Minute}}}
	return Report{
		Site: "home", From: day, To: to, Zone: time.UTC, Made: to, Perigee: "test", Command: "perigee report",
		Links: []Link{{
			Link: perigee.Link{ID: "dish", Orbit: perigee.OrbitStarlink, Plan: perigee.Plan{Down: 200e6, Availability: 0.999}},
			Main: s, Streams: []perigee.Summary{s, summary(loaded, 200)}, RTT: series(day, to, 5*time.Minute, nil),
			Days: perigee.LinkReliability{Total: total, Periods: []perigee.Reliability{total}},
			Disruptions: []perigee.Disruption{
				{Start: day.Add(time.Hour), End: day.Add(time.Hour + 36*time.Second), Class: perigee.ClassLong, Blame: perigee.BlameLink, Why: "because"},
				{Start: day.Add(2 * time.Hour), End: day.Add(2*time.Hour + time.Minute), Class: perigee.ClassLong, Blame: perigee.BlameTarget, Why: "because"},
			},
			Transfers: []Transfer{{Start: day.Add(3 * time.Hour), Length: 10 * time.Second, Direction: perigee.LoadDown, Rate: 150e6, Steady: true}},
			Rates:     map[perigee.Load]Rates{perigee.LoadDown: {Steady: oneRate}},
			Kept:      perigee.PlanKept{Plan: perigee.Plan{Down: 200e6, Availability: 0.999}, Down: 1, Days: 1, DaysMet: 1},
			Moved:     map[perigee.Purpose]int64{perigee.PurposeProbing: 5e6},
		}},
		Gaps: []perigee.Gap{{Site: "home", Start: day.Add(5 * time.Hour), End: day.Add(6 * time.Hour), Reason: perigee.GapCrashed, Detail: "no word"}},
		Data: Data{Format: 1, SHA256: strings.Repeat("a", 64), Files: []DataFile{{Name: "samples.jsonl", Rows: 1, Bytes: 2, SHA256: strings.Repeat("b", 64)}}},
	}
}

// write returns the document, parsed and as it is.
func write(t testing.TB, r Report) (*html.Node, string) {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

// elements returns all elements below n.
func elements(n *html.Node) []*html.Node {
	var list []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode {
			list = append(list, d)
		}
	}
	return list
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text is all text below n.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// paths returns the data of the paths of a class in drawings.
func paths(d drawing, class string) []string {
	var list []string
	for _, m := range d.Marks {
		if m.Path != "" && (m.Class == class || m.Class == "cell "+class) {
			list = append(list, m.Path)
		}
	}
	return list
}

// rects reads the rectangles that path.rect wrote.
func rects(t *testing.T, path string) (list []struct{ x, y, width, height float64 }) {
	t.Helper()
	for one := range strings.SplitSeq(strings.TrimPrefix(path, "M"), "M") {
		var r struct{ x, y, width, height float64 }
		if _, err := fmt.Sscanf(strings.NewReplacer("h", " ", "v", " ").Replace(one), "%g %g %g %g", &r.x, &r.y, &r.width, &r.height); err != nil {
			t.Fatalf("%q: %v", one, err)
		}
		list = append(list, r)
	}
	return list
}
