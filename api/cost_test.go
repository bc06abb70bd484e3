package api

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// tenYears is a store of three streams of one link that never stopped for ten years, and
// counts what is read of it. Hours and days are as windows are: only their number counts.
type tenYears struct {
	*storagetest.Memory
	sample perigee.Sample
	gap    time.Duration // between samples, beside their length
	read   int
}

var tenYearsAgo = now.AddDate(-10, 0, 0)

func newTenYears(t *testing.T) *tenYears {
	t.Helper()
	s := &tenYears{Memory: storagetest.NewMemory(), sample: newSample(stream("fibre"), epoch, func() float64 { return 0.01 })}
	s.sample.Singletons = nil
	if err := s.Describe(t.Context(), perigee.Site{Name: "home"}, []perigee.Link{{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Mark: 1}, {ID: "geo", Orbit: perigee.OrbitGEO, Mark: 2}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *tenYears) Samples(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	length := map[perigee.Resolution]time.Duration{perigee.Hours: time.Hour, perigee.Days: 24 * time.Hour}[q.Resolution]
	if length == 0 {
		length = 10 * time.Second
	}
	return func(yield func(perigee.Sample, error) bool) {
		sample := s.sample
		sample.Length = length
		sample.Start = q.From.Truncate(length)
		if sample.Start.Before(tenYearsAgo) {
			sample.Start = tenYearsAgo.Truncate(length)
		}
		for ; sample.Start.Before(q.To) && sample.Start.Before(now); sample.Start = sample.Start.Add(length + s.gap) {
			for _, target := range []perigee.TargetID{"a", "b", "c"} {
				if sample.Stream.Target = target; !q.Matches(sample.Stream) {
					continue
				}
				s.read++
				if !yield(sample, ctx.Err()) {
					return
				}
			}
		}
	}
}

// TestTenYears asks for ten years of everything: what is answered from rollups is
// answered, what is not is refused after a handful of samples, with advice.
func TestTenYears(t *testing.T) {
	if testing.Short() {
		t.Skip("reads some million samples")
	}
	for name, c := range map[string]struct {
		target string
		status int
		advice string
	}{
		"summary":               {"/links/fibre/summary?from=3650d", 200, ""},
		"series":                {"/series?link=fibre&from=3650d", 200, ""},
		"series_by_six_hours":   {"/series?link=fibre&from=3650d&step=6h", 200, ""},
		"heatmap":               {"/heatmap?link=fibre&from=3650d", 200, ""},
		"compare":               {"/compare?links=fibre,geo&from=3650d", 200, ""},
		"distribution":          {"/distribution?from=3650d", 200, ""},
		"availability":          {"/availability?from=3650d", 200, ""},
		"disruptions":           {"/disruptions?from=3650d", 200, ""},
		"since_the_epoch":       {"/series?link=fibre&from=0&to=7258118400", 200, ""},
		"series_by_90_minutes":  {"/series?link=fibre&from=1200d&step=90m", 422, "steps of whole hours"},
		"series_by_301_minutes": {"/series?link=fibre&from=3650d&step=301m", 422, "one target"},
		"series_of_one_target":  {"/series?link=fibre&from=3650d&step=301m&target=a", 422, "a shorter range"},
		"more_than_the_steps":   {"/series?link=fibre&from=3650d&step=1h", 400, "longer steps"},
		"a_week_of_slots":       {"/slots?link=fibre&from=3650d", 400, ""},
	} {
		store := newTenYears(t)
		w := ask(t, New(Options{Store: store, Now: func() time.Time { return now }}), http.MethodGet, prefix+c.target)
		if w.Code != c.status {
			t.Errorf("%s = %d %.300s, want %d", name, w.Code, w.Body, c.status)
			continue
		}
		t.Logf("%s: %d, %d samples read", name, w.Code, store.read)
		if c.status == 200 {
			continue
		}
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || !strings.Contains(p.Remedy, c.advice) || c.status == 422 && p.Code != "too_dear" {
			t.Errorf("%s: %s, want the advice %q", name, w.Body, c.advice)
		}
		if store.read > 10 {
			t.Errorf("%s: %d samples were read before it was refused", name, store.read)
		}
	}
}

// TestAnEstimateThatGapsMakeWrong: a store with a sample a day is not taken for a full
// one for too long, and what is really too much is noticed when it is.
func TestAnEstimateThatGapsMakeWrong(t *testing.T) {
	store := newTenYears(t)
	store.gap = 45 * time.Second // a fifth of the time is measured: 3 million windows seem 14
	handler := New(Options{Store: store, Now: func() time.Time { return now }})
	if w := ask(t, handler, http.MethodGet, prefix+"/series?link=fibre&from=110d&step=10m"); w.Code != 200 || store.read > maxWork {
		t.Errorf("%d after %d samples: an estimate of three times the limit was believed", w.Code, store.read)
	}
	store.read = 0
	if w := ask(t, handler, http.MethodGet, prefix+"/series?link=fibre&from=130d&step=10m&target=a"); w.Code != 200 {
		t.Errorf("%d after %d samples", w.Code, store.read)
	}
	store.read, store.gap = 0, 0
	if w := ask(t, handler, http.MethodGet, prefix+"/series?link=fibre&from=60d&step=10m"); w.Code != 422 || store.read != maxWork+1 {
		t.Errorf("%d after %d samples, want it refused at the limit", w.Code, store.read)
	}
}
