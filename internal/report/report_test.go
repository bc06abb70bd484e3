package report

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"perigee"
	"perigee/stats"
)

// What is in the document must be all of it: no browser may have a reason to ask for
// more, or to run anything.
func TestDocumentNeedsNothingElse(t *testing.T) {
	root, source := write(t, oneDay())
	for _, e := range elements(root) {
		switch e.Data {
		case "script", "link", "img", "image", "iframe", "object", "embed", "base", "form", "use", "video", "audio", "foreignobject":
			t.Errorf("element %s", e.Data)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" {
				t.Errorf("attribute %s=%q of %s", a.Key, a.Val, e.Data)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("link to %s", a.Val)
			}
		}
	}
	for _, url := range regexp.MustCompile(`url\([^)]*\)|@import[^;]*|https?:[^" <]*`).FindAllString(source, -1) {
		if url != "url(#hatch)" {
			t.Errorf("the document names %s", url)
		}
	}
	if !strings.Contains(source, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`) {
		t.Error("no content security policy")
	}
}

// hostileNames break out of text, attributes, styles, file names or layouts, if they can.
var hostileNames = []string{
	`</title><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</style><svg onload=alert(1)>`,
	`{{.Site}}`, `javascript:alert(1)`, "\u202egnol\u202c", "линия-卫星-🛰️", strings.Repeat("verylongname", 30), "a\x00b\nc", `&lt;b&gt;`, `]]>--><!--`,
}

func TestHostileNamesAreOnlyNames(t *testing.T) {
	plain, _ := write(t, oneDay())
	shape := func(root *html.Node) (names []string) {
		for _, e := range elements(root) {
			names = append(names, e.Data)
		}
		return names
	}
	for _, name := range hostileNames {
		r := oneDay()
		r.Site, r.Command, r.Gaps[0].Detail, r.Links[0].Disruptions[0].Why = name, name, name, name
		r.Links[0].Link.ID = perigee.LinkID(name)
		r.Links[0].Warnings = nil
		r.Links[0].Main.Sample.Stream.Link, r.Links[0].Main.Sample.Stream.Target = perigee.LinkID(name), perigee.TargetID(name)
		for i := range r.Links[0].Streams {
			s := &r.Links[0].Streams[i].Sample.Stream
			s.Link, s.Target = perigee.LinkID(name), perigee.TargetID(name)
		}
		root, _ := write(t, r)
		if !slices.Equal(shape(root), shape(plain)) {
			t.Errorf("the name %q changed the document's elements", name)
		}
		if !strings.Contains(name, "\x00") && !strings.Contains(text(root), name) {
			t.Errorf("the name %q is not shown as it is", name)
		}
	}
}

// The definitions are those of the numbers shown: none without one, none too many, and
// all from the catalogue.
func TestDefinitionsAreOfTheNumbersShown(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"all": func(*Report) {},
		"no_transfer": func(r *Report) {
			l := &r.Links[0]
			l.Transfers, l.Rates, l.Streams, l.Link.Plan = nil, nil, l.Streams[:1], perigee.Plan{}
		},
		"nothing": func(r *Report) { r.Links[0] = Link{Link: r.Links[0].Link} },
	} {
		r := oneDay()
		change(&r)
		root, _ := write(t, r)
		shown, defined := map[string]bool{}, map[string]bool{}
		for _, e := range elements(root) {
			if metric, ok := attribute(e, "data-metric"); ok {
				shown[metric] = true
			}
			if class, _ := attribute(e, "class"); class == "definitions" {
				for _, d := range elements(e) {
					if d.Data == "code" {
						defined[text(d)] = true
					}
				}
			}
		}
		for metric := range shown {
			if _, ok := perigee.LookupMetric(perigee.MetricName(metric)); !ok {
				t.Errorf("%s: %s is shown and not in the catalogue", name, metric)
			}
			if !defined[metric] {
				t.Errorf("%s: %s is shown and not defined", name, metric)
			}
		}
		if name == "no_transfer" && (defined[string(perigee.MetricRTTLoaded)] || defined[string(perigee.MetricThroughputDown)]) {
			t.Errorf("%s: defined are %v", name, slices.Sorted(maps.Keys(defined)))
		}
	}
}

// A person reads the text, a program the value: they must say the same.
func TestFiguresSayWhatTheirValuesAre(t *testing.T) {
	root, _ := write(t, oneDay())
	scale := map[string]float64{"ms": 1e-3, "s": 1, "%": 0.01, "Mbit/s": 1e6, "Gbit/s": 1e9, "kbit/s": 1e3, "": 1}
	checked := 0
	for _, e := range elements(root) {
		if e.Data != "data" {
			continue
		}
		value, _ := attribute(e, "value")
		want, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		number, unit, _ := strings.Cut(strings.ReplaceAll(text(e), "\u202f", ""), "\u00a0")
		if strings.Contains(unit, "\u00a0") {
			continue // a time in two units
		}
		got, err := strconv.ParseFloat(number, 64)
		if scale[unit] == 0 || err != nil {
			if unit == "h" || unit == "min" || unit == "d" {
				continue
			}
			t.Fatalf("%q of %s", text(e), value)
		}
		if got *= scale[unit]; math.Abs(got-want) > 0.006*math.Abs(want)+1e-12 {
			t.Errorf("%q is shown for %s", text(e), value)
		}
		checked++
	}
	if checked < 30 {
		t.Errorf("%d figures", checked)
	}
}

func TestAvailabilityIsNeverRoundedUp(t *testing.T) {
	for ratio, want := range map[float64]string{
		1: "100", 0.99999: "99.99", 0.999999: "99.99", 0.99996: "99.99", 0.9996: "99.96", 0.5: "50.00", 0: "0.00", 0.999: "99.90", 0.29: "29.00",
	} {
		if got := availabilityDigits(ratio); got != want {
			t.Errorf("%v is written %s, want %s", ratio, got, want)
		}
	}
}

func TestSameReportSameBytes(t *testing.T) {
	_, a := write(t, oneDay())
	_, b := write(t, oneDay())
	if a != b {
		t.Error("the same report gave other bytes")
	}
}

func TestNoTransfersNoLinksNoGaps(t *testing.T) {
	r := oneDay()
	r.Links, r.Gaps = nil, nil
	if root, _ := write(t, r); !strings.Contains(text(root), "measured without a gap") {
		t.Error("no word that there were no gaps")
	}
	r = oneDay()
	r.Links[0] = Link{Link: r.Links[0].Link}
	root, _ := write(t, r)
	if !strings.Contains(text(root), "No latency was measured over this link in the range.") || strings.Contains(text(root), "Available") && strings.Contains(text(root), "100 %") {
		t.Error("a link without data is not told as one")
	}
}

// A year of a link that fails all the time is a document that opens.
func TestLongReportStaysSmall(t *testing.T) {
	r := oneDay()
	l := &r.Links[0]
	r.To = r.From.AddDate(1, 0, 0)
	l.RTT = series(r.From, r.To, 24*time.Hour, nil)
	l.Disruptions, l.Transfers, r.Gaps, l.Days.Periods = nil, nil, nil, nil
	for i := range 100_000 {
		at := r.From.Add(time.Duration(i) * 5 * time.Minute)
		blame := perigee.BlameLink
		if i%7 == 0 {
			blame = perigee.BlameTarget
		}
		l.Disruptions = append(l.Disruptions, perigee.Disruption{Start: at, End: at.Add(time.Duration(1+i%50) * time.Second), Class: perigee.ClassShort, Blame: blame, Why: "because"})
		if i%2 == 0 {
			l.Transfers = append(l.Transfers, Transfer{Start: at, Length: 10 * time.Second, Direction: perigee.LoadDown, Rate: float64(i) * 1e3, Steady: true})
		}
		r.Gaps = append(r.Gaps, perigee.Gap{Site: "home", Start: at, End: at.Add(time.Second), Reason: perigee.GapStalled})
	}
	var rates stats.Distribution
	for _, one := range l.Transfers {
		rates.Add(one.Rate)
	}
	l.Rates = map[perigee.Load]Rates{perigee.LoadDown: {Steady: rates}}
	for i := range 365 {
		at := r.From.AddDate(0, 0, i)
		l.Days.Periods = append(l.Days.Periods, perigee.Reliability{From: at, To: at.AddDate(0, 0, 1), Planned: 24 * time.Hour, Down: time.Hour, Failures: 1})
	}
	root, source := write(t, r)
	if len(source) > 400_000 {
		t.Errorf("%d bytes", len(source))
	}
	words := text(root)
	for _, want := range []string{
		"the 30 longest of 100000", "99970 more are in gaps.jsonl", "50\u202f000\u00a0transfers",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("not a word of %q", want)
		}
	}
	// The longest are listed, in order of time.
	if list := newOutageList(r, *l); list.Rows[0].Length != "50"+space+"s" || list.Rows[0].Start > list.Rows[1].Start {
		t.Errorf("%+v", list.Rows[:2])
	}
}

// Text must be readable on its ground: WCAG 2.1 asks for a contrast of 4.5.
func TestContrastIsEnough(t *testing.T) {
	light, rest, _ := strings.Cut(pageCSS, "@media screen and (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "* { box-sizing")
	colour := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	for mode, css := range map[string]string{"light": light, "dark": dark} {
		c := map[string]string{}
		for _, m := range colour.FindAllStringSubmatch(css, -1) {
			c[m[1]] = m[2]
		}
		pairs := [][2]string{{"ink", "ground"}, {"quiet", "ground"}, {"ink", "soft"}, {"quiet", "soft"}}
		for _, l := range levels {
			pairs = append(pairs, [2]string{l.class + "-ink", l.class})
		}
		for _, p := range pairs {
			if c[p[0]] == "" || c[p[1]] == "" {
				t.Fatalf("%s: %v are not both in %v", mode, p, c)
			}
			if ratio := contrast(t, c[p[0]], c[p[1]]); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", mode, p[0], p[1], ratio)
			}
		}
	}
	// On paper without colour the levels still fall in lightness.
	c := map[string]string{}
	for _, m := range colour.FindAllStringSubmatch(light, -1) {
		c[m[1]] = m[2]
	}
	for i, l := range levels[1:] {
		if luminance(t, c[l.class]) >= luminance(t, c[levels[i].class]) {
			t.Errorf("%s is not darker than %s", l.class, levels[i].class)
		}
	}
}

// contrast is the ratio of WCAG 2.1.
func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// luminance is the relative luminance of WCAG 2.1.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// Two links have one pair: its verdicts are one list. Of more links each metric has its
// own, and of many pairs the summary has those of the first metric.
func TestSummaryIsShort(t *testing.T) {
	metrics := []perigee.MetricName{perigee.MetricRTT, perigee.MetricLossRatio}
	for _, c := range []struct {
		links, lists, verdicts int
	}{{1, 0, 0}, {2, 1, 2}, {3, 2, 6}, {4, 1, 6}} {
		r := oneDay()
		r.Links = nil
		for i := range c.links {
			r.Links = append(r.Links, Link{Link: perigee.Link{ID: perigee.LinkID(rune('a' + i))}})
		}
		for _, name := range metrics {
			metric, _ := perigee.LookupMetric(name)
			comparison := perigee.Comparison{Metric: metric}
			for i := range c.links {
				for j := range i {
					comparison.Pairs = append(comparison.Pairs, perigee.Pair{A: r.Links[j].Link.ID, B: r.Links[i].Link.ID, Verdict: "no difference shown", EnoughData: true})
				}
			}
			r.Comparisons = append(r.Comparisons, comparison)
		}
		root, _ := write(t, r)
		lists, verdicts := 0, 0
		for _, e := range elements(root) {
			switch class, _ := attribute(e, "class"); class {
			case "verdicts":
				lists++
			case "verdict":
				verdicts++
			}
		}
		if lists != c.lists || verdicts != c.verdicts {
			t.Errorf("%d links: %d verdicts in %d lists, want %d in %d", c.links, verdicts, lists, c.verdicts, c.lists)
		}
	}
}
