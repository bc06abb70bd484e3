package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestMonitorSaysWhatItDoes(t *testing.T) {
	const nobody = `"version":"test","configuration_hash":null,"instance":null,"since":null`
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"all": {func(o *Options) {
			o.Feed, o.Outbox, o.Budget, o.Measure = &Feed{}, newOutbox(), newBudget(), &scriptedMeasure{}
		}, nobody + `,"measures":true,"forwards":true,"budgets":true,"probes":true,"tokens":false,`},
		"without_influx": {func(o *Options) { o.Feed = &Feed{} }, nobody + `,"measures":true,"forwards":false,"budgets":false,"probes":false,"tokens":false,`},
		"serves_only":    {func(*Options) {}, nobody + `,"measures":false,"forwards":false,"budgets":false,"probes":false,"tokens":false,`},
		"measures": {func(o *Options) { o.Feed, o.Version, o.Maker = &Feed{}, makerTwo.Version, makerTwo },
			// It was started again since, but not otherwise.
			`"version":"v1.0.0","configuration_hash":"fedcba9876543210","instance":"0a1b2c3d","since":"2026-03-01T12:02:00Z","measures":true,`},
	} {
		o := testOptions(t)
		c.change(&o)
		w := ask(t, New(o), http.MethodGet, "/api/v1/monitor")
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "{"+c.want) {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
		var body MonitorResponse
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Provenance.Spans) != 2 {
			t.Errorf("%s: %v, %+v, want two spans", name, err, body.Provenance)
		}
	}
}
