package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exampleBlock is a command of docs/api.md and what it prints.
var exampleBlock = regexp.MustCompile("(?s)```console\n\\$ curl -s 'http://127\\.0\\.0\\.1:8480([^']*)' \\| jq '([^']*)'\n(.*?)```")

// TestDocumentedExamplesAreTrue asks every example of docs/api.md again.
func TestDocumentedExamplesAreTrue(t *testing.T) {
	const name = "../docs/api.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := outboxOptions(t)
	o.Budget, o.Measure = newBudget(), newMeasure()
	o.Ready = func(context.Context) []Check {
		return []Check{{Name: "store", OK: true}, {
			Name: "clock", OK: true, State: "warning", Message: "not synchronised; round-trip times do not suffer, times of day do",
		}, {Name: "link geo", Reason: "to far: there is no device wan9"}}
	}
	handler := New(o)
	examples := 0
	updated := exampleBlock.ReplaceAllFunc(text, func(block []byte) []byte {
		examples++
		parts := exampleBlock.FindSubmatch(block)
		target, path, printed := string(parts[1]), string(parts[2]), parts[3]
		body := ask(t, handler, http.MethodGet, target).Body.Bytes()
		got := append(bytes.TrimSpace(indent(t, extract(t, body, path))), '\n')
		if !*update && !bytes.Equal(got, printed) {
			t.Errorf("%s: GET %s %s prints\n%s\nnot\n%s", name, target, path, got, printed)
		}
		command, _, _ := bytes.Cut(block[len("```console\n"):], []byte("\n"))
		return []byte("```console\n" + string(command) + "\n" + string(got) + "```")
	})
	if want := strings.Count(string(text), "\n$ "); examples != want || want < 5 {
		t.Errorf("%d of %d examples were understood", examples, want)
	}
	if *update {
		if err := os.WriteFile(name, updated, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// extract follows a path such as .a[0].b into JSON and keeps the order of members.
func extract(t *testing.T, body []byte, path string) []byte {
	t.Helper()
	for _, step := range regexp.MustCompile(`\.\w+|\[\d+\]`).FindAllString(path, -1) {
		if index, ok := strings.CutPrefix(step, "["); ok {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			var list []json.RawMessage
			if err != nil || json.Unmarshal(body, &list) != nil || i >= len(list) {
				t.Fatalf("%s leads nowhere in %s", path, body)
			}
			body = list[i]
			continue
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil || object[step[1:]] == nil {
			t.Fatalf("%s leads nowhere in %s", path, body)
		}
		body = object[step[1:]]
	}
	return body
}

// TestEveryEndpointIsDocumented keeps docs/api.md whole.
func TestEveryEndpointIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, _ := document(t, New(testOptions(t)))["paths"].(map[string]any)
	for path, operations := range paths {
		if !strings.Contains(string(text), "`"+path) {
			t.Errorf("docs/api.md does not name %s", path)
		}
		parameters, _ := at(operations, "get", "parameters").([]any)
		for _, p := range parameters {
			if name, _ := at(p, "name").(string); !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "&"+name) && name != "link" {
				t.Errorf("docs/api.md does not name parameter %s of %s", name, path)
			}
		}
	}
}
