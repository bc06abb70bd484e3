package api

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// countingStore counts the questions that it is asked.
type countingStore struct {
	*storagetest.Memory
	questions atomic.Int64
}

func (s *countingStore) Links(ctx context.Context) ([]perigee.LinkRecord, error) {
	s.questions.Add(1)
	return s.Memory.Links(ctx)
}

func (s *countingStore) Samples(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	s.questions.Add(1)
	return s.Memory.Samples(ctx, q)
}

func (s *countingStore) Outages(ctx context.Context, q perigee.Query) ([]perigee.Outage, error) {
	s.questions.Add(1)
	return s.Memory.Outages(ctx, q)
}

func (s *countingStore) Gaps(ctx context.Context, q perigee.Query) ([]perigee.Gap, error) {
	s.questions.Add(1)
	return s.Memory.Gaps(ctx, q)
}

// newFleet returns a store with four links at each of 2,000 sites and their last windows.
func newFleet(t testing.TB) *countingStore {
	t.Helper()
	store := storagetest.NewMemory()
	var batch perigee.Batch
	sample := newSample(stream(""), now, func() float64 { return 0.05 })
	for site := range 2000 {
		name := fmt.Sprintf("site-%04d", site)
		for _, link := range []perigee.LinkID{"fibre", "geo", "lte", "starlink"} {
			for _, age := range []time.Duration{30 * time.Second, 20 * time.Second} {
				s := sample
				s.Stream.Site, s.Stream.Link, s.Start = name, link, now.Add(-age)
				batch.Samples = append(batch.Samples, s)
			}
		}
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return &countingStore{Memory: store}
}

func TestFleetIsAnsweredWithFewQuestions(t *testing.T) {
	store := newFleet(t)
	handler := New(Options{Store: store, Now: func() time.Time { return now }})
	for target, most := range map[string]int64{
		"/api/v1/links":                                  3,
		"/api/v1/links?site=site-0007":                   3,
		"/api/v1/links/geo?site=site-0007":               3,
		"/api/v1/outages?link=geo":                       2,
		"/api/v1/gaps?link=geo":                          2,
		"/api/v1/links/geo/summary?site=site-0007":       4,
		"/api/v1/series?link=geo&site=site-0007":         4,
		"/api/v1/compare?site=site-0007":                 5,
		"/api/v1/compare?site=site-0007&links=geo,fibre": 5,
	} {
		store.questions.Store(0)
		w := ask(t, handler, http.MethodGet, target)
		if n := store.questions.Load(); w.Code != http.StatusOK || n > most {
			t.Errorf("%s: %d after %d questions of the store, want at most %d\n%.300s", target, w.Code, n, most, w.Body)
		}
	}
	var links []Link
	if err := json.Unmarshal(ask(t, handler, http.MethodGet, "/api/v1/links").Body.Bytes(), &links); err != nil || len(links) != 8000 {
		t.Fatalf("%d links, %v, want 8000", len(links), err)
	}
	for i, l := range links {
		// Ordered by site and name, each with its own two windows of ten probes.
		if want := fmt.Sprintf("site-%04d", i/4); l.Site != want || l.State != StateUp || len(l.LastMinute) != 1 || l.LastMinute[0].Counts.Received != 20 {
			t.Fatalf("link %d: %+v, want one of %s with 20 replies", i, l, want)
		}
	}
}

func TestFleetProblemsAreShort(t *testing.T) {
	one := storagetest.NewMemory()
	var batch perigee.Batch
	for i := range maxCompared + 1 {
		batch.Samples = append(batch.Samples, newSample(stream(perigee.LinkID(fmt.Sprintf("l%d", i))), epoch, func() float64 { return 0.05 }))
	}
	if err := one.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	at := func() time.Time { return now }
	fleet, large := New(Options{Store: newFleet(t), Now: at}), New(Options{Store: one, Now: at})
	for name, c := range map[string]struct {
		handler   http.Handler
		target    string
		status    int
		parameter string
		says      string
	}{
		"link_of_many_sites":    {fleet, "links/geo", 400, "site", "one of site-0000, site-0001, "},
		"unknown_link":          {fleet, "links/sat", 404, "link", "Known links: fibre, geo, lte, starlink."},
		"compare_many_sites":    {fleet, "compare", 400, "site", "the links belong to 2000 sites"},
		"compare_named_at_many": {fleet, "compare?links=geo,lte", 400, "site", "and 1980 more"},
		"compare_too_many":      {large, "compare", 400, "links", "65 links are more than one comparison takes (64)"},
		"unknown_of_many":       {large, "links/x", 404, "link", "and 45 more."},
	} {
		w := ask(t, c.handler, http.MethodGet, "/api/v1/"+c.target)
		p := problemIn(t, w)
		if w.Code != c.status || p.Parameter != c.parameter || !strings.Contains(p.Detail+" "+p.Remedy, c.says) || w.Body.Len() > 1000 {
			t.Errorf("%s: %d %+v, want %d saying %q in less than 1000 bytes", name, w.Code, p, c.status, c.says)
		}
	}
}
