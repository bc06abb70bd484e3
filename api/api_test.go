package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// indent makes a golden body readable and its differences small.
func indent(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("body is not JSON: %v\n%s", err, body)
	}
	return b.Bytes()
}

// wholeRange covers the fixture.
const wholeRange = "from=2026-03-01T12:00:00Z&to=2026-03-01T12:10:00Z"

func TestAnswersAreGolden(t *testing.T) {
	handler := New(testOptions(t))
	for name, target := range map[string]string{
		"links":             "/api/v1/links",
		"link":              "/api/v1/links/geo",
		"link_hostile":      "/api/v1/links/" + url.PathEscape(hostile),
		"summary":           "/api/v1/links/fibre/summary?" + wholeRange,
		"summary_empty":     "/api/v1/links/" + url.PathEscape(hostile) + "/summary?" + wholeRange,
		"usual":             "/api/v1/links/geo/usual",
		"series_rtt":        "/api/v1/series?metric=rtt&link=fibre&step=2m&" + wholeRange,
		"series_loss_ratio": "/api/v1/series?metric=loss_ratio&link=fibre&target=far&step=5m&" + wholeRange,
		"series_empty":      "/api/v1/series?link=" + url.QueryEscape(hostile) + "&" + wholeRange,
		"heatmap":           "/api/v1/heatmap?metric=availability&link=fibre&timezone=Australia/Adelaide&" + wholeRange,
		"heatmap_empty":     "/api/v1/heatmap?link=" + url.QueryEscape(hostile) + "&" + wholeRange,
		"compare":           "/api/v1/compare?links=fibre,geo&metric=rtt&" + wholeRange,
		"distribution":      "/api/v1/distribution?metric=pdv&" + wholeRange,
		"outages":           "/api/v1/outages?link=fibre&" + wholeRange,
		"disruptions":       "/api/v1/disruptions?link=fibre&" + wholeRange,
		"availability":      "/api/v1/availability?timezone=Australia/Canberra&" + wholeRange,
		"gaps":              "/api/v1/gaps?" + wholeRange,
		"gaps_empty":        "/api/v1/gaps?from=1772366400&to=1772366401.5",
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(t, handler, http.MethodGet, target)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("GET %s = %d %s\n%s", target, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			golden(t, name+".json", indent(t, w.Body.Bytes()))
		})
	}
}

func TestHeadAnswersWithoutBody(t *testing.T) {
	o := testOptions(t)
	o.Feed = &Feed{}
	handler := New(o)
	// The recorder keeps what a server would drop, so only the streams, which
	// would never end or do all the work for nothing, must write nothing.
	for target, body := range map[string]bool{"/": true, "/healthz": true, "/api/v1/links": true, "/api/v1/live": false} {
		w := ask(t, handler, http.MethodHead, target)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" {
			t.Errorf("HEAD %s = %d, Content-Type %q", target, w.Code, w.Header().Get("Content-Type"))
		}
		if !body && w.Body.Len() > 0 {
			t.Errorf("HEAD %s wrote %q", target, w.Body)
		}
	}
}

func TestProblems(t *testing.T) {
	handler := New(testOptions(t))
	for name, c := range map[string]struct {
		method, target string
		status         int
		code           string
		parameter      string
		says           string // in detail or remedy
	}{
		"no_such_path":              {"GET", "/api/v1/lnks", 404, "not_found", "", "openapi.json"},
		"no_such_link":              {"GET", "/api/v1/links/gео", 404, "not_found", "link", "fibre"},
		"misspelt_link":             {"GET", "/api/v1/links/fiber", 404, "not_found", "link", `Did you mean "fibre"`},
		"wrong_method":              {"POST", "/api/v1/links", 405, "invalid", "", "Use GET"},
		"misspelt_parameter":        {"GET", "/api/v1/outages?form=1h", 400, "invalid", "form", "Did you mean from?"},
		"parameter_of_none":         {"GET", "/api/v1/live?x=1", 400, "invalid", "x", "takes no parameters"},
		"parameter_twice":           {"GET", "/api/v1/gaps?from=1h&from=2h", 400, "invalid", "from", "once"},
		"parameter_empty":           {"GET", "/api/v1/gaps?from=", 400, "invalid", "from", "leave it out"},
		"bad_encoding":              {"GET", "/api/v1/gaps?from=%zz", 400, "invalid", "", "Percent-encode"},
		"not_utf8":                  {"GET", "/api/v1/gaps?link=%ff", 400, "invalid", "link", "UTF-8"},
		"bad_from":                  {"GET", "/api/v1/gaps?from=yesterday", 400, "invalid", "from", "RFC 3339"},
		"bad_to":                    {"GET", "/api/v1/gaps?to=-5", 400, "invalid", "to", "RFC 3339"},
		"from_equals_to":            {"GET", "/api/v1/gaps?from=1000&to=1000", 400, "invalid", "from", "not before"},
		"from_after_to":             {"GET", "/api/v1/gaps?from=1h&to=2h", 400, "invalid", "from", "not before"},
		"from_in_the_future":        {"GET", "/api/v1/gaps?from=2030-01-01T00:00:00Z", 400, "invalid", "from", "not before"},
		"before_1970":               {"GET", "/api/v1/gaps?from=1960-01-01T00:00:00Z", 400, "invalid", "from", "1970"},
		"duration_before_1970":      {"GET", "/api/v1/gaps?from=36525d", 400, "invalid", "from", "1970"},
		"bad_step":                  {"GET", "/api/v1/series?link=geo&step=often", 400, "invalid", "step", "10s"},
		"step_too_short":            {"GET", "/api/v1/series?link=geo&step=1ms", 400, "invalid", "step", "shorter than a second"},
		"too_many_steps":            {"GET", "/api/v1/series?link=geo&from=30d&step=1s", 400, "invalid", "step", "20000"},
		"series_without_link":       {"GET", "/api/v1/series", 400, "invalid", "link", "link=NAME"},
		"bad_metric":                {"GET", "/api/v1/compare?metric=jiter", 400, "invalid", "metric", "Did you mean jitter?"},
		"metric_not_comparable":     {"GET", "/api/v1/compare?metric=sent", 400, "invalid", "metric", "availability"},
		"unknown_link_in_compare":   {"GET", "/api/v1/compare?links=geo,leo", 404, "not_found", "links", `Did you mean "geo"`},
		"link_twice_in_compare":     {"GET", "/api/v1/compare?links=geo,geo", 400, "invalid", "links", "once"},
		"empty_link_in_compare":     {"GET", "/api/v1/compare?links=geo,,fibre", 400, "invalid", "links", "single commas"},
		"bad_family":                {"GET", "/api/v1/links/geo/summary?family=ipv5", 400, "invalid", "family", "ipv4"},
		"bad_load":                  {"GET", "/api/v1/outages?load=full", 400, "invalid", "load", "idle, down, up"},
		"bad_timezone":              {"GET", "/api/v1/availability?timezone=Canberra", 400, "invalid", "timezone", "Australia/Sydney"},
		"whose_local_time":          {"GET", "/api/v1/disruptions?timezone=Local", 400, "invalid", "timezone", "Australia/Sydney"},
		"bad_unit":                  {"GET", "/api/v1/availability?by=week", 400, "invalid", "by", "day, month"},
		"too_many_days":             {"GET", "/api/v1/availability?from=3661d", 400, "invalid", "from", "ten years"},
		"unknown_link_of_these":     {"GET", "/api/v1/disruptions?link=x", 404, "not_found", "link", "Known links"},
		"unknown_link_of_days":      {"GET", "/api/v1/availability?link=x", 404, "not_found", "link", "Known links"},
		"no_export":                 {"GET", "/api/v1/export", 503, "unavailable", "", "perigee export"},
		"nothing_live":              {"GET", "/api/v1/live", 503, "unavailable", "", "poll"},
		"unknown_link_in_outages":   {"GET", "/api/v1/outages?link=x", 404, "not_found", "link", "Known links"},
		"unknown_link_in_gaps":      {"GET", "/api/v1/gaps?link=x", 404, "not_found", "link", "Known links"},
		"unknown_link_in_series":    {"GET", "/api/v1/series?link=x", 404, "not_found", "link", "Known links"},
		"unknown_link_in_summary":   {"GET", "/api/v1/links/x/summary", 404, "not_found", "link", "Known links"},
		"metric_without_values":     {"GET", "/api/v1/distribution?metric=jitter", 400, "invalid", "metric", "rtt, pdv"},
		"unknown_link_side_by_side": {"GET", "/api/v1/distribution?links=geo,leo", 404, "not_found", "links", `Did you mean "geo"`},
		"no_link_of_distributions":  {"GET", "/api/v1/distribution?link=geo", 400, "invalid", "link", "Did you mean links?"},
		"unknown_link_is_unusual":   {"GET", "/api/v1/links/x/usual", 404, "not_found", "link", "Known links"},
		"no_range_of_the_usual":     {"GET", "/api/v1/links/geo/usual?from=1h", 400, "invalid", "from", "Possible are site"},
		"heatmap_without_link":      {"GET", "/api/v1/heatmap", 400, "invalid", "link", "link=NAME"},
		"unknown_link_in_heatmap":   {"GET", "/api/v1/heatmap?link=x", 404, "not_found", "link", "Known links"},
		"whose_hours":               {"GET", "/api/v1/heatmap?link=geo&timezone=Local", 400, "invalid", "timezone", "Australia/Sydney"},
		"metric_without_cells":      {"GET", "/api/v1/heatmap?link=geo&metric=throughput_down", 400, "invalid", "metric", "availability"},
		"unknown_site_has_no_link":  {"GET", "/api/v1/links/geo?site=away", 404, "not_found", "link", "Nothing has been measured"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(t, handler, c.method, c.target)
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Fatalf("%s %s: Content-Type %q, status %d\n%s", c.method, c.target, got, w.Code, w.Body)
			}
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || p.Status != c.status || p.Code != c.code || p.Parameter != c.parameter {
				t.Errorf("%s %s = %d %+v, want status %d, code %s, parameter %q", c.method, c.target, w.Code, p, c.status, c.code, c.parameter)
			}
			if p.Type != "about:blank" || p.Title != http.StatusText(c.status) {
				t.Errorf("type %q and title %q are not those of RFC 9457 section 4.2.1", p.Type, p.Title)
			}
			if !strings.Contains(p.Detail+" "+p.Remedy, c.says) {
				t.Errorf("problem %q does not say %q", p.Detail+" "+p.Remedy, c.says)
			}
			if p.Remedy == "" {
				t.Errorf("problem %q has no remedy", p.Detail)
			}
			if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
			if c.status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}
