package dashboards_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/dashboards/webtest"
	"perigee/storage/storagetest"
)

// served serves the page over a store, as a process that does not measure does.
func served(t testing.TB, store perigee.Store) string { return servedAt(t, store, nil) }

// servedAt is served by another clock.
func servedAt(t testing.TB, store perigee.Store, now func() time.Time) string {
	t.Helper()
	server := httptest.NewServer(api.New(api.Options{Store: store, Version: "test", Now: now}))
	t.Cleanup(server.Close)
	return server.URL
}

// fill stores windows of each link for the hours before now.
func fill(t *testing.T, store perigee.Store, hours int, window, interval time.Duration, links ...perigee.Link) {
	t.Helper()
	webtest.Need(t)
	if err := store.Describe(t.Context(), perigee.Site{Name: "home"}, links); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Truncate(window)
	for i, link := range links {
		generator := storagetest.NewGenerator(uint64(i))
		generator.Window, generator.Interval, generator.RTT = window, interval, time.Duration(20+7*i)*time.Millisecond
		stream := perigee.Stream{Site: "home", Link: link.ID, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
		var batch perigee.Batch
		for at := end.Add(-time.Duration(hours) * time.Hour); at.Before(end); at = at.Add(window) {
			sample := generator.Sample(stream, at)
			sample.Singletons = nil
			batch.Samples = append(batch.Samples, sample)
		}
		if err := store.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

// each has either screen and either scheme once. What is odd in a store is looked at on one
// of the two.
var each = [][]string{{"phone", "dark"}, {"desktop", "light"}}
var onPhone, onDesktop = each[:1], each[1:]

// screens are those given, or all that there are where minutes may be taken.
func screens(few [][]string) [][]string {
	if os.Getenv("PERIGEE_LONG") == "" {
		return few
	}
	return append([][]string{{"phone", "light"}, {"desktop", "dark"}}, each...)
}

// everyView is each view at its address, for stores of which little can be asked.
func everyView(says map[string]string) []map[string]any {
	var views []map[string]any
	for _, id := range []string{"now", "compare", "throughput", "slots", "outages", "heatmap"} {
		v := map[string]any{"name": id, "address": "/#/" + id}
		if id == "slots" {
			v["allowed"] = "/api/v1/slots" // says that there is not enough data
		}
		if words := says[id]; words != "" {
			v["says"] = []string{words}
		}
		views = append(views, v)
	}
	return views
}

// TestPageOfAnEmptyStore says in each view that there is nothing, and what to do.
func TestPageOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	nothing := "no link|nothing|not yet|none"
	webtest.Run(t, served(t, storagetest.NewMemory()), nil, webtest.Check{"name": "detectors"}, webtest.Check{"name": "empty", "check": "views", "on": onPhone, "views": everyView(map[string]string{
		"now": nothing, "compare": nothing, "throughput": nothing, "slots": nothing, "outages": nothing, "heatmap": nothing,
	})})
}

// TestPageOfOneLink has nothing to compare, and says so.
func TestPageOfOneLink(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory()
	fill(t, store, 1, 10*time.Second, time.Second, perigee.Link{ID: "only", Orbit: perigee.OrbitStarlink})
	webtest.Run(t, served(t, store), nil, webtest.Check{"name": "one", "check": "views", "on": onDesktop, "views": everyView(map[string]string{
		"now": "only", "compare": "only", "heatmap": "only",
	})})
}

// TestPageOfThirtyLinks draws what a person can take in, and offers the rest.
func TestPageOfThirtyLinks(t *testing.T) {
	t.Parallel()
	var links []perigee.Link
	for i := range 30 {
		links = append(links, perigee.Link{ID: perigee.LinkID(fmt.Sprintf("link %02d", i)), Orbit: perigee.Orbits[i%len(perigee.Orbits)]})
	}
	store := storagetest.NewMemory()
	fill(t, store, 1, 10*time.Second, time.Second, links...)
	webtest.Run(t, served(t, store), nil, webtest.Check{"name": "thirty", "check": "views", "on": onPhone, "views": everyView(map[string]string{
		"now": "link 29", "compare": "link 00",
	})})
}

// TestPageShowsNamesAsText holds names of any script, and such as would be markup or an
// address, to being text in every view.
func TestPageShowsNamesAsText(t *testing.T) {
	t.Parallel()
	names := []string{"<script>alert(1)</script>", "القمر الصناعي", "卫星链路", `a&b="c"/d?e#f%20'`}
	var links []perigee.Link
	for _, name := range names {
		links = append(links, perigee.Link{ID: perigee.LinkID(name), Orbit: perigee.OrbitLEO})
	}
	store := storagetest.NewMemory()
	fill(t, store, 1, 10*time.Second, time.Second, links...)
	webtest.Run(t, served(t, store), nil,
		webtest.Check{"name": "names", "names": names, "addresses": []string{"/#/now"}},
		webtest.Check{"name": "hostile", "check": "views", "on": onPhone, "views": everyView(nil)})
}

// TestPageOfAYearIsAsLightAsOfADay holds the bytes of a first view to 200 kB, and those of
// a year to twice those of a day: the server answers series of the same number of points.
func TestPageOfAYearIsAsLightAsOfADay(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory()
	fill(t, store, 366*24, time.Hour, 20*time.Second, perigee.Link{ID: "dish", Orbit: perigee.OrbitStarlink}, perigee.Link{ID: "fibre", Orbit: perigee.OrbitTerrestrial})
	first := 200_000
	webtest.Run(t, served(t, store), nil, webtest.Check{"name": "weight", "addresses": []map[string]any{
		{"name": "now", "address": "/#/now", "most": first},
		{"name": "compare of a day", "address": "/#/compare?from=24h", "most": first},
		{"name": "compare of a year", "address": "/#/compare?from=365d", "most": first},
		{"name": "heat map of a year", "address": "/#/heatmap?link=dish&from=365d", "most": first},
		{"name": "outages of a year", "address": "/#/outages?from=365d", "most": first},
	}})
}
