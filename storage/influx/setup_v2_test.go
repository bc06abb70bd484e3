package influx

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// imitated answers as the API of 2.7 is documented to; nothing in it was taken from a
// server. It shows that the mapping is right, not that such a server is as thought.
func imitated(t *testing.T) (*httptest.Server, *[]string) {
	var made []string
	bucket := `{"id":"b0","orgID":"a0","name":"perigee","retentionRules":[]}`
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("X-Influxdb-Version", "v2.7.1")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"name":"influxdb","message":"ready for queries and writes","status":"pass","checks":[],"version":"v2.7.1","commit":"407fa622e9"}`)
	})
	mux.HandleFunc("GET /api/v2/orgs", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"orgs":[{"id":"a0","name":"home"}]}`)
	})
	mux.HandleFunc("GET /api/v2/buckets", func(w http.ResponseWriter, _ *http.Request) {
		if slices.ContainsFunc(made, func(m string) bool { return strings.HasPrefix(m, "bucket") }) {
			reply(w, 200, `{"buckets":[`+bucket+`]}`)
			return
		}
		reply(w, 200, `{"buckets":[]}`)
	})
	mux.HandleFunc("POST /api/v2/buckets", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		made = append(made, "bucket "+string(body))
		reply(w, 201, bucket)
	})
	var authorizations []string
	mux.HandleFunc("GET /api/v2/authorizations", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"authorizations":[`+strings.Join(authorizations, ",")+`]}`)
	})
	mux.HandleFunc("POST /api/v2/authorizations", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		made = append(made, "token "+string(body))
		var asked struct{ Description string }
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Error(err)
		}
		authorizations = append(authorizations, fmt.Sprintf(`{"id":"c%d","description":%q,"permissions":[]}`, len(made), asked.Description))
		reply(w, 201, fmt.Sprintf(`{"id":"c%d","token":"secret-%d","description":%q,"permissions":[]}`, len(made), len(made), asked.Description))
	})
	mux.HandleFunc("POST /api/v2/write", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 400, `{"code":"invalid","message":"writing requires points"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, &made
}

func TestSetupOfImitatedV2(t *testing.T) {
	server, made := imitated(t)
	c := open(t, Options{URL: server.URL, Org: "home", Bucket: "perigee", Token: "all access"})
	first, err := c.Setup(t.Context(), SetupOptions{Retention: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if first.Dialect != V2 || first.Version != "v2.7.1" || first.WriteToken != "secret-2" || first.ReadToken != "secret-3" || len(first.Done) != 3 {
		t.Errorf("got %+v", first)
	}
	if len(*made) != 3 || !strings.Contains((*made)[0], `"everySeconds":172800`) || !strings.Contains((*made)[1], `"action":"write"`) || strings.Contains((*made)[1], `"read"`) ||
		!strings.Contains((*made)[2], `"action":"read"`) {
		t.Errorf("made %q", *made)
	}
	second, err := c.Setup(t.Context(), SetupOptions{})
	if err != nil || len(second.Found) != 3 || len(second.Done) > 0 || second.WriteToken+second.ReadToken != "" || len(*made) != 3 {
		t.Errorf("the second time %+v, %v, made %q", second, err, *made)
	}
}

// A 2.x server says that points are missing once it has found bucket and right.
func TestMayWriteOfImitatedV2(t *testing.T) {
	server, _ := imitated(t)
	if tr, ok := open(t, Options{URL: server.URL, Org: "home", Bucket: "perigee"}).mayWrite(t.Context()); !ok {
		t.Error(tr.refusal())
	}
}
