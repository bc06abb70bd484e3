package influx_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"perigee"
	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

// measuredBy has an instance forward n windows of home's link a from begin on, and the
// description of the link as its outbox would.
func measuredBy(t testing.TB, o influx.Options, instance string, begin time.Time, n int) []perigee.Sample {
	t.Helper()
	o.Instance = instance
	client := openAt(t, o)
	samples := storagetest.NewGenerator(uint64(begin.Unix())).Samples(begin, n, storagetest.Stream("a", "far"))
	var entries []perigee.Entry
	for i := range samples {
		samples[i].Singletons = nil
		entries = append(entries, perigee.Entry{Kind: perigee.EntryWindow, Orbit: perigee.OrbitLEO, Sample: &samples[i]})
	}
	state := &perigee.LinkState{At: begin.Truncate(time.Hour), LinkRecord: perigee.LinkRecord{
		Site: perigee.Site{Name: samples[0].Stream.Site}, Link: perigee.Link{ID: "a", Orbit: perigee.OrbitLEO},
		First: samples[0].Start, Last: samples[n-1].End()}}
	entries = append(entries, perigee.Entry{Kind: perigee.EntryLink, Orbit: perigee.OrbitLEO, Link: state})
	if err := client.Write(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	return samples
}

// sites counts the windows that a query finds, by the site they are shown under.
func sites(t testing.TB, store perigee.Store, q perigee.Query) map[string]int {
	t.Helper()
	found := map[string]int{}
	for s, err := range store.Samples(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		found[s.Stream.Site]++
	}
	return found
}

// Two services that measured links of one name at the same time are two sites; neither
// hides a window of the other.
func TestInstancesAtOneTimeAreToldApart(t *testing.T) {
	server := influxtest.Shared(t)
	o := influx.Options{URL: server.URL, Token: server.Token, Bucket: server.Bucket(t)}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := measuredBy(t, o, "11111111", begin, 30)
	measuredBy(t, o, "22222222", begin.Add(time.Minute), 20)
	store := openAt(t, o).Store()

	home := first[0].Stream.Site
	other := home + "~22222222"
	if got := sites(t, store, perigee.Query{}); got[home] != 30 || got[other] != 20 || len(got) != 2 {
		t.Errorf("all: %v", got)
	}
	if got := sites(t, store, perigee.Query{Site: home}); got[home] != 30 || len(got) != 1 {
		t.Errorf("the first: %v", got)
	}
	if got := sites(t, store, perigee.Query{Site: other}); got[other] != 20 || len(got) != 1 {
		t.Errorf("the other: %v", got)
	}
	links, err := store.Links(t.Context())
	if err != nil || len(links) != 2 || links[0].Site.Name != home || links[1].Site.Name != other ||
		!links[0].First.Equal(begin) || !links[1].First.Equal(begin.Add(time.Minute)) {
		t.Errorf("links %+v, %v", links, err)
	}
}

// A service whose storage was replaced is another instance, but its links have one
// history.
func TestInstancesInTurnAreOneHistory(t *testing.T) {
	server := influxtest.Shared(t)
	o := influx.Options{URL: server.URL, Token: server.Token, Bucket: server.Bucket(t)}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := append(measuredBy(t, o, "11111111", begin, 30), measuredBy(t, o, "22222222", begin.Add(10*time.Minute), 20)...)
	store := openAt(t, o).Store()
	var got []perigee.Sample
	for s, err := range store.Samples(t.Context(), perigee.Query{Site: want[0].Stream.Site}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	if len(got) != len(want) {
		t.Fatalf("%d windows, want %d", len(got), len(want))
	}
	for i := range want {
		if d := storagetest.Diff(got[i], want[i], storagetest.Tolerances{}); d != "" {
			t.Errorf("window %d: %s", i, d)
		}
	}
	links, err := store.Links(t.Context())
	if err != nil || len(links) != 1 || !links[0].First.Equal(begin) || !links[0].Last.Equal(want[len(want)-1].End()) {
		t.Errorf("links %+v, %v", links, err)
	}
}

// Whatever a user asks for is a name to the database, never a part of the question.
func TestNamesCannotChangeTheQuestion(t *testing.T) {
	server := influxtest.Shared(t)
	o := influx.Options{URL: server.URL, Token: server.Token, Bucket: server.Bucket(t)}
	all := measuredBy(t, o, "11111111", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 5)
	store := openAt(t, o).Store()
	for _, name := range []string{
		`a" or r.link != "`, `" or true or "" == "`, `${r.link}`, `a\`, `\x22 or true`, "a\"\n  |> drop(columns: [\"link\"])\n//",
		`a") |> yield() from(bucket: "_internal`, "\x00", "\xff\xfe", "a' or '1'='1",
	} {
		for _, q := range []perigee.Query{
			{Links: []perigee.LinkID{perigee.LinkID(name)}}, {Targets: []perigee.TargetID{perigee.TargetID(name)}}, {Site: name},
			{Method: perigee.Method(name)}, {Family: perigee.Family(name)}, {Load: perigee.Load(name)},
		} {
			if got := sites(t, store, q); len(got) != 0 {
				t.Errorf("%q found %v", name, got)
			}
			if _, err := store.Outages(t.Context(), q); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if got := sites(t, store, perigee.Query{Links: []perigee.LinkID{"a"}}); got[all[0].Stream.Site] != len(all) {
		t.Errorf("the link itself: %v", got)
	}
}

// Who stops reading, or is stopped, is let go: the answer is not read to its end.
func TestReadingCanBeBrokenOff(t *testing.T) {
	server := influxtest.Shared(t)
	backend, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int64 // bytes of answers
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Body = &countedBody{ReadCloser: r.Body, n: &passed}
		return nil
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	o := influx.Options{URL: front.URL, Token: server.Token, Bucket: server.Bucket(t)}
	const n = 3000
	measuredBy(t, o, "11111111", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), n)
	store := openAt(t, o).Store()

	whole := sites(t, store, perigee.Query{})
	all := passed.Swap(0)
	if total := slices.Collect(maps.Values(whole)); len(total) != 1 || total[0] != n {
		t.Fatalf("whole: %v", whole)
	}
	for range store.Samples(t.Context(), perigee.Query{}) {
		break
	}
	if got := passed.Swap(0); got >= all {
		t.Errorf("reading one window took %d bytes, reading all takes %d", got, all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	var last error
	for _, err := range store.Samples(ctx, perigee.Query{}) {
		if last = err; err != nil {
			break
		}
		if read++; read == 10 {
			cancel()
		}
	}
	cancel()
	if perigee.CodeOf(last) != perigee.CodeUnavailable || read >= n {
		t.Errorf("cancelled after 10 windows: %d were read, then %v", read, last)
	}
}

// countedBody counts what is read of a body.
type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// A server that is away is an error of every question, which says so and may be asked
// again; nothing is answered as if there were no results.
func TestQuestionsWhileTheServerIsAway(t *testing.T) {
	server := influxtest.Start(t)
	o := influx.Options{URL: server.URL, Token: server.Token, Bucket: server.Bucket(t)}
	want := measuredBy(t, o, "11111111", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 20)
	store := openAt(t, o).Store()
	questions := map[string]func(context.Context) (int, error){
		"samples": func(ctx context.Context) (n int, err error) {
			for _, err = range store.Samples(ctx, perigee.Query{}) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		},
		"hours": func(ctx context.Context) (n int, err error) {
			for _, err = range store.Samples(ctx, perigee.Query{Resolution: perigee.Hours}) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		},
		"outages": func(ctx context.Context) (int, error) {
			l, err := store.Outages(ctx, perigee.Query{})
			return len(l), err
		},
		"gaps": func(ctx context.Context) (int, error) { l, err := store.Gaps(ctx, perigee.Query{}); return len(l), err },
		"events": func(ctx context.Context) (int, error) {
			l, err := store.Events(ctx, perigee.Query{})
			return len(l), err
		},
	}
	before := map[string]int{}
	ask := func(t *testing.T, away bool) {
		for name, question := range questions {
			n, err := question(t.Context())
			switch {
			case away && (perigee.CodeOf(err) != perigee.CodeUnavailable || !strings.Contains(fmt.Sprint(err), server.URL)):
				t.Errorf("%s: %d and %v, want an error that names the server", name, n, err)
			case !away && err != nil:
				t.Errorf("%s: %v", name, err)
			case !away && before[name] != n:
				t.Errorf("%s: %d, before %d", name, n, before[name])
			}
		}
	}
	for name, question := range questions {
		n, err := question(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before[name] = n
	}
	if before["samples"] != len(want) || before["hours"] != 1 {
		t.Fatalf("%v", before)
	}
	server.Kill()
	ask(t, true)
	server.Restart(t)
	ask(t, false)
}
