package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// document fetches and decodes the OpenAPI document.
func document(t *testing.T, handler http.Handler) map[string]any {
	t.Helper()
	w := ask(t, handler, http.MethodGet, "/api/v1/openapi.json")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("GET openapi.json = %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	var d map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// at walks into decoded JSON; a "~1" stands for "/" as in a JSON pointer.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[strings.ReplaceAll(name, "~1", "/")]
	}
	return v
}

func TestDocumentIsComplete(t *testing.T) {
	d := document(t, New(testOptions(t)))
	if d["openapi"] != "3.1.0" || at(d, "info", "title") != "perigee" || at(d, "info", "version") != "test" {
		t.Errorf("openapi %v, info %v", d["openapi"], d["info"])
	}
	paths, _ := d["paths"].(map[string]any)
	methods := map[string]string{"/outbox/resend": "post", "/outbox/retry": "post", "/probes": "post"}
	for _, path := range []string{
		"/links", "/links/{link}", "/links/{link}/summary", "/series", "/compare", "/outages", "/gaps", "/export", "/live",
		"/monitor", "/outbox", "/outbox/dead-letters", "/outbox/resend", "/outbox/retry",
		"/throughput", "/budget", "/probes", "/probes/{id}", "/slots", "/disruptions", "/availability", "/distribution", "/links/{link}/usual", "/heatmap", "/session",
	} {
		op, _ := at(paths, prefix+path, cmp.Or(methods[path], "get")).(map[string]any)
		if op == nil {
			t.Errorf("%s is not described", path)
			continue
		}
		if op["operationId"] == nil || op["summary"] == nil {
			t.Errorf("%s has no operationId or no summary", path)
		}
		if at(op, "responses", "default", "content", "application/problem+json", "schema", "$ref") != "#/components/schemas/Problem" {
			t.Errorf("%s does not say that errors are problem documents", path)
		}
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			if at(p, "description") == nil {
				t.Errorf("%s: parameter %v has no description", path, at(p, "name"))
			}
		}
	}
	if len(paths) != 25 {
		t.Errorf("%d paths are described, want 25: a new one belongs into this test", len(paths))
	}
	resolveRefs(t, d, d)
}

// resolveRefs fails for a reference to nothing.
func resolveRefs(t *testing.T, root, v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if at(root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
				t.Errorf("%s refers to nothing", ref)
			}
		}
		for _, child := range v {
			resolveRefs(t, root, child)
		}
	case []any:
		for _, child := range v {
			resolveRefs(t, root, child)
		}
	}
}

// TestAnswersFollowTheirSchemas validates real answers with the schemas that the
// document promises, and that nothing is answered that they do not name.
func TestAnswersFollowTheirSchemas(t *testing.T) {
	o, outbox := outboxOptions(t)
	measure := newMeasure()
	o.Budget, o.Measure = newBudget(), measure
	server := newServer(o)
	api := server.register(chi.NewRouter(), o.Version)
	handler := server.handler(o)
	registry := api.OpenAPI().Components.Schemas
	name := url.PathEscape(hostile)
	for _, c := range []struct{ path, target string }{
		{"/links", "/links"},
		{"/links/{link}", "/links/fibre"},
		{"/links/{link}", "/links/" + name},
		{"/links/{link}/summary", "/links/fibre/summary?" + wholeRange},
		{"/links/{link}/summary", "/links/" + name + "/summary?" + wholeRange},
		{"/links/{link}/usual", "/links/fibre/usual"},
		{"/series", "/series?link=fibre&step=10s&" + wholeRange},
		{"/series", "/series?link=" + name},
		{"/heatmap", "/heatmap?link=fibre&timezone=Australia/Sydney&" + wholeRange},
		{"/heatmap", "/heatmap?link=" + name},
		{"/compare", "/compare?" + wholeRange},
		{"/compare", "/compare?metric=availability&" + wholeRange},
		{"/distribution", "/distribution?" + wholeRange},
		{"/slots", "/slots?link=fibre&series=true&" + wholeRange},
		{"/outages", "/outages?" + wholeRange},
		{"/disruptions", "/disruptions?" + wholeRange},
		{"/availability", "/availability?by=month&" + wholeRange},
		{"/gaps", "/gaps?" + wholeRange},
		{"/monitor", "/monitor"},
		{"/outbox", "/outbox"},
		{"/outbox/dead-letters", "/outbox/dead-letters"},
		{"/outbox/resend", "/outbox/resend"},
		{"/outbox/retry", "/outbox/retry"},
		{"/throughput", "/throughput?" + wholeRange},
		{"/throughput", "/throughput?series=false&" + wholeRange},
		{"/budget", "/budget"},
		{"/probes", "/probes"},
		{"/probes/{id}", "/probes/3f"},
		{"/probes/{id}", "failed"},
		{"/outbox", "idle"},
	} {
		operation := api.OpenAPI().Paths[prefix+c.path].Get
		if c.target == "idle" {
			outbox.state, c.target = OutboxState{State: OutboxIdle}, "/outbox"
		}
		if c.target == "failed" {
			c.target = "/probes/" + measure.fail()
		}
		w := ask(t, handler, http.MethodGet, prefix+c.target)
		done := "200"
		if operation == nil {
			operation = api.OpenAPI().Paths[prefix+c.path].Post
			body := "{}"
			if c.path == "/probes" {
				body, done = `{"link":"geo","method":"transfer"}`, "202"
			}
			w = send(t, handler, prefix+c.target, body)
			if operation.RequestBody.Content["application/json"].Schema == nil {
				t.Errorf("%s: the body is not described", c.path)
			}
		}
		schema := operation.Responses[done].Content["application/json"].Schema
		if fmt.Sprint(w.Code) != done {
			schema = operation.Responses["default"].Content[problemType].Schema
		}
		var body any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatalf("%s: %v", c.target, err)
		}
		var result huma.ValidateResult
		huma.Validate(registry, schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, body, &result)
		for _, err := range result.Errors {
			t.Errorf("%s: %v", c.target, err)
		}
		undescribed(t, registry, schema, body, c.target)
	}
}

// undescribed fails for members of body that schema does not name: schemas allow more,
// so that clients of today take answers of tomorrow, but ours of today are all named.
func undescribed(t *testing.T, registry huma.Registry, schema *huma.Schema, body any, where string) {
	if schema.Ref != "" {
		schema = registry.SchemaFromRef(schema.Ref)
	}
	switch body := body.(type) {
	case map[string]any:
		for key, child := range body {
			property := schema.Properties[key]
			if property == nil {
				t.Errorf("%s.%s is in no schema", where, key)
				continue
			}
			undescribed(t, registry, property, child, where+"."+key)
		}
	case []any:
		for _, child := range body {
			undescribed(t, registry, schema.Items, child, where+"[]")
		}
	}
}

// TestParametersInPathsAreDecoded guards the adapter: a name may hold any character.
func TestParametersInPathsAreDecoded(t *testing.T) {
	handler := New(testOptions(t))
	w := ask(t, handler, http.MethodGet, "/api/v1/links/"+url.PathEscape(hostile))
	var link Link
	if err := json.Unmarshal(w.Body.Bytes(), &link); err != nil || link.Link != hostile {
		t.Errorf("link %q, %v, want %q", link.Link, err, hostile)
	}
}

// TestPageAsksWhatIsThere keeps the page and the interface together.
func TestPageAsksWhatIsThere(t *testing.T) {
	paths, _ := document(t, New(testOptions(t)))["paths"].(map[string]any)
	sources, err := filepath.Glob("../dashboards/web/src/*/*.js")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../dashboards/web/src/*.js")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, name := range append(sources, more...) {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range regexp.MustCompile(`(?:\b(?:get|post|path)\(|base \+ )["`+"`"+`](/[^"`+"`"+`?]*)["`+"`"+`]`).FindAllStringSubmatch(string(source), -1) {
			asked = append(asked, regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(a[1], "{link}"))
		}
	}
	if len(asked) < 3 {
		t.Fatalf("the page asks %q, want at least 3 addresses", asked)
	}
	for _, a := range asked {
		if paths[prefix+a] == nil {
			t.Errorf("the page asks %s, which does not exist", a)
		}
	}
}
