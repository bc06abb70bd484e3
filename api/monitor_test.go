package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestMonitorSaysWhatItDoes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"all": {func(o *Options) {
			o.Feed, o.Outbox, o.Budget, o.Measure = &Feed{}, newOutbox(), newBudget(), &scriptedMeasure{}
		}, `{"version":"test","measures":true,"forwards":true,"budgets":true,"probes":true,"tokens":false}`},
		"without_influx": {func(o *Options) { o.Feed = &Feed{} }, `{"version":"test","measures":true,"forwards":false,"budgets":false,"probes":false,"tokens":false}`},
		"serves_only":    {func(*Options) {}, `{"version":"test","measures":false,"forwards":false,"budgets":false,"probes":false,"tokens":false}`},
	} {
		o := testOptions(t)
		c.change(&o)
		if w := ask(t, New(o), http.MethodGet, "/api/v1/monitor"); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
	}
}
