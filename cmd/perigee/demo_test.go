package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// TestDemoAgreesWithTheTruth runs the demo for a minute and holds every count and
// quantile that it prints against the lab's own log of what happened to each packet. It
// judges tenths of milliseconds, and so runs beside no other test of the package.
func TestDemoAgreesWithTheTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	// The p99 of 300 probes is the third largest: three stalls of the machine
	// between a stamp and its system call spoil it. Counts and order have no
	// second chance.
	if far := demoMinute(t); len(far) > 0 && raced {
		t.Logf("not judged under the race detector: %v", far)
	} else if len(far) > 0 {
		t.Logf("once more, for the machine may have stalled: %v", far)
		for _, f := range demoMinute(t) {
			t.Error(f)
		}
	}
}

// demoMinute runs the demo for a minute and returns which quantiles were too far from
// the truth.
func demoMinute(t *testing.T) (far []string) {
	t.Helper()
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	dir := t.TempDir()
	stdout, stderr, status := perigeeRun(t, "demo", "--for=60s", "--json", "--truth="+truth, "--store="+dir, "--listen=127.0.0.1:0")
	if status == exitPermission {
		t.Skip(stderr)
	}
	if status != exitDone {
		t.Fatalf("exit status %d\n%s", status, stderr)
	}
	var got api.CompareResponse
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if decoder.More() {
		t.Error("more than the comparison is on standard output")
	}
	trips := truthOf(t, truth)
	if len(got.Links) != 4 {
		t.Fatalf("%d links, want 4:\n%s", len(got.Links), stdout)
	}
	stalled := hasStalled(t, dir)
	for _, l := range got.Links {
		far = append(far, agree(t, l, trips[l.Link], stalled)...)
	}

	// The order of the links' true medians, least first.
	order := []string{"fibre", "starlink", "leo", "geo"}
	if len(got.Pairs) != 6 {
		t.Errorf("%d pairs, want each of 6", len(got.Pairs))
	}
	for _, p := range got.Pairs {
		want := " is lower by "
		if slices.Index(order, p.A) > slices.Index(order, p.B) {
			want = " is higher by "
		}
		if !strings.HasPrefix(p.Verdict, p.A+want) {
			t.Errorf("verdict on %s and %s: %q, want it to begin with %q", p.A, p.B, p.Verdict, p.A+want)
		}
	}
	return far
}

// hasStalled reports whether the monitor recorded that its machine did not let it run.
func hasStalled(t *testing.T, dir string) bool {
	t.Helper()
	store, err := sqlite.OpenReader(t.Context(), storeFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	gaps, err := store.Gaps(t.Context(), perigee.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(gaps, func(g perigee.Gap) bool { return g.Reason == perigee.GapStalled })
}

// truthOf reads a truth log as round trips by link.
func truthOf(t *testing.T, file string) map[string][]lab.RoundTrip {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var records []lab.Record
	for r, err := range lab.ReadTruth(f) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	trips := map[string][]lab.RoundTrip{}
	for _, trip := range lab.RoundTrips(records) {
		trips[trip.Link] = append(trips[trip.Link], trip)
	}
	return trips
}

// agree holds what was measured of one link against what was true. It returns the
// quantiles that were too far from it. Where the monitor says that it was stalled, it
// does not claim to know what became of the probes that were under way: they are among
// the skipped.
func agree(t *testing.T, got api.LinkSummary, trips []lab.RoundTrip, stalled bool) (far []string) {
	t.Helper()
	timeout := perigee.LossTimeoutFor(perigee.OrbitTerrestrial)
	if got.Link == "geo" {
		timeout = perigee.LossTimeoutFor(perigee.OrbitGEO)
	}
	var want perigee.Counts
	var rtts []float64
	for _, trip := range trips {
		want.Sent++
		switch {
		case trip.Fate != lab.Delivered || trip.RTT > perigee.LateHorizon(timeout):
			want.Lost++
		case trip.RTT > timeout:
			want.Late++
		default:
			want.Received++
			rtts = append(rtts, trip.RTT.Seconds())
		}
		want.Duplicates += int64(max(trip.Replies-1, 0))
	}
	c := got.Counts
	switch {
	case stalled:
		t.Logf("%s: the monitor was stalled; measured %+v, true are %+v", got.Link, c, want)
		if c.Sent > want.Sent || c.Lost > want.Lost || c.Late > want.Late || c.Received > want.Received || want.Sent > c.Sent+c.Skipped {
			t.Errorf("%s: measured %+v, true are %+v, want no more, and what is missing skipped", got.Link, c, want)
		}
	case c.Sent != want.Sent || c.Lost != want.Lost || c.Late != want.Late || c.Received != want.Received || c.Duplicates != want.Duplicates:
		t.Errorf("%s: measured %+v, true are %+v", got.Link, c, want)
	// A minute at 5 Hz. A machine that stands still for a while skips some, and says so.
	case c.Planned != 300 || want.Sent != c.Planned-c.Skipped-c.SendFailed:
		t.Errorf("%s: planned %d, skipped %d, failed %d, truly sent %d; want 300 planned", got.Link, c.Planned, c.Skipped, c.SendFailed, want.Sent)
	}
	slices.Sort(rtts)
	for q, bound := range map[float64]time.Duration{0.05: 300 * time.Microsecond, 0.5: 300 * time.Microsecond, 0.95: time.Millisecond, 0.99: time.Millisecond} {
		measured := quantileOf(t, got, q)
		exact := interpolated(rtts, q)
		tolerance := 0.005*exact + bound.Seconds()
		t.Logf("%-8s p%-2.0f true %8.3f ms, measured %+.3f ms from it", got.Link, 100*q, 1000*exact, 1000*(measured-exact))
		if math.Abs(measured-exact) > tolerance {
			far = append(far, fmt.Sprintf("%s: quantile %g is %.6f s, true is %.6f s", got.Link, q, measured, exact))
		}
	}
	return far
}

func quantileOf(t *testing.T, l api.LinkSummary, q float64) float64 {
	t.Helper()
	b, err := json.Marshal(l.RTTSeconds.Quantiles)
	if err != nil {
		t.Fatal(err)
	}
	var byName map[string]*float64
	if err := json.Unmarshal(b, &byName); err != nil {
		t.Fatal(err)
	}
	v := byName[strconv.FormatFloat(q, 'f', -1, 64)]
	if v == nil {
		t.Fatalf("%s has no quantile %g: %s", l.Link, q, b)
	}
	return *v
}

// interpolated is the q-quantile of sorted values (type 7 of Hyndman and Fan).
func interpolated(sorted []float64, q float64) float64 {
	rank := q * float64(len(sorted)-1)
	i := int(rank)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (rank-float64(i))*(sorted[i+1]-sorted[i])
}
