package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
)

// scriptedOutbox answers as it is told to, and notes what it is asked.
type scriptedOutbox struct {
	mu      sync.Mutex
	state   OutboxState
	letters []perigee.DeadLetter
	err     error
	asked   []string
}

func (o *scriptedOutbox) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, fmt.Sprintf(format, args...))
}

func (o *scriptedOutbox) OutboxStatus(context.Context) (OutboxState, error) { return o.state, o.err }

func (o *scriptedOutbox) DeadLetters(_ context.Context, limit int) ([]perigee.DeadLetter, error) {
	o.note("list %d", limit)
	return o.letters[:min(limit, len(o.letters))], o.err
}

func (o *scriptedOutbox) Resend(_ context.Context, ids []int64) (int, error) {
	o.note("resend %v", ids)
	if len(ids) == 0 {
		return len(o.letters), o.err
	}
	return len(ids), o.err
}

func (o *scriptedOutbox) Retry() { o.note("retry") }

// newOutbox returns an outbox whose database refuses the token since a quarter of an
// hour, and two dead letters.
func newOutbox() *scriptedOutbox {
	before := func(d time.Duration) *time.Time { t := now.Add(-d); return &t }
	return &scriptedOutbox{
		state: OutboxState{
			State: OutboxBlocked, URL: "https://influx.example.net:8086", Bucket: "perigee", Instance: "0a1b2c3d",
			Pending: 1204, Oldest: before(12 * time.Minute), DeadLetters: 2, Sent: 90210, Writes: 415, Failures: 3,
			LastSuccess: before(15 * time.Minute), NextTry: before(-5 * time.Minute),
			Problem: &OutboxProblem{
				Reason: perigee.RefusedSetup, Message: "authorization failed", Remedy: "check the token in storage.influxdb.token_file", Since: now.Add(-15 * time.Minute),
			},
			BytesSent: map[perigee.LinkID]int64{"fibre": 18_042_113, "": 512},
		},
		letters: []perigee.DeadLetter{
			{ID: 7, Kind: perigee.EntryWindow, Stream: stream("geo"), Time: epoch, Reason: "field type conflict", Since: now},
			{ID: 3, Kind: perigee.EntryGap, Stream: perigee.Stream{Site: "home"}, Time: epoch, Reason: "field type conflict", Since: now},
		},
	}
}

// outboxOptions are testOptions that forward.
func outboxOptions(t testing.TB) (Options, *scriptedOutbox) {
	o := testOptions(t)
	outbox := newOutbox()
	o.Outbox = outbox
	return o, outbox
}

// send posts a body as a program does.
func send(t *testing.T, handler http.Handler, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return recordRequest(handler, r)
}

// problemIn decodes the problem document that w must be.
func problemIn(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != problemType {
		t.Fatalf("%d %s %s is no problem document", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if p.Status != w.Code || p.Title != http.StatusText(w.Code) || p.Remedy == "" {
		t.Errorf("status %d, %+v", w.Code, p)
	}
	return p
}

func TestOutboxAnswersAreGolden(t *testing.T) {
	o, outbox := outboxOptions(t)
	handler := New(o)
	golden(t, "outbox.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/outbox").Body.Bytes()))
	golden(t, "dead_letters.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters").Body.Bytes()))
	outbox.state = OutboxState{State: OutboxIdle, URL: "http://127.0.0.1:8086", Bucket: "perigee/autogen", Instance: "0a1b2c3d"}
	outbox.letters = nil
	golden(t, "outbox_idle.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/outbox").Body.Bytes()))
	golden(t, "dead_letters_none.json", indent(t, ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters").Body.Bytes()))
}

func TestOutboxInWords(t *testing.T) {
	ago := now.Add(-12 * time.Minute)
	trouble := &OutboxProblem{Reason: perigee.RefusedUnreachable}
	for name, c := range map[string]struct {
		state OutboxState
		want  string
	}{
		"nothing_waits":        {OutboxState{State: OutboxIdle}, "all results are forwarded"},
		"nothing_is_left":      {OutboxState{State: OutboxSending}, "all results are forwarded"},
		"a_few_on_their_way":   {OutboxState{State: OutboxSending, Pending: 100, Oldest: &ago}, "results are forwarded as they come"},
		"a_few_not_picked_yet": {OutboxState{State: OutboxIdle, Pending: 4, Oldest: &ago}, "results are forwarded as they come"},
		"a_backlog":            {OutboxState{State: OutboxSending, Pending: 1_234_567, Oldest: &ago}, "1,234,567 results wait to be forwarded (oldest 12 min)"},
		"unreachable":          {OutboxState{State: OutboxWaiting, Pending: 1204, Oldest: &ago, Problem: trouble}, "1,204 results wait for InfluxDB (oldest 12 min)"},
		"trying_again":         {OutboxState{State: OutboxSending, Pending: 1204, Oldest: &ago, Problem: trouble}, "1,204 results wait for InfluxDB (oldest 12 min)"},
		"own_store_fails":      {OutboxState{State: OutboxWaiting, Pending: 1204, Oldest: &ago, Problem: &OutboxProblem{Reason: reasonStore}}, "1,204 results wait (oldest 12 min)"},
		"one":                  {OutboxState{State: OutboxWaiting, Pending: 1, Oldest: &ago, Problem: trouble}, "1 result waits for InfluxDB (oldest 12 min)"},
		"blocked":              {OutboxState{State: OutboxBlocked, Pending: 900, Oldest: &ago, Problem: trouble}, "InfluxDB does not take results; 900 results wait (oldest 12 min)"},
		"blocked_at_the_start": {OutboxState{State: OutboxBlocked, Problem: trouble}, "InfluxDB does not take results"},
		"held":                 {OutboxState{State: OutboxHeld, Pending: 900, Oldest: &ago}, "900 results wait (oldest 12 min), held back by this monitor"},
	} {
		if got := outboxText(c.state, now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 12345: "12,345", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDeadLettersAreResent(t *testing.T) {
	o, outbox := outboxOptions(t)
	handler := New(o)
	for body, want := range map[string]struct{ asked, answer string }{
		`{}`:            {"resend []", `{"resent":2}`},
		` {"ids":[7]} `: {"resend [7]", `{"resent":1}`},
		`{"ids":[3,7]}`: {"resend [3 7]", `{"resent":2}`},
	} {
		outbox.asked = nil
		w := send(t, handler, "/api/v1/outbox/resend", body)
		if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want.answer || w.Header().Get("Content-Type") != "application/json" || !slices.Equal(outbox.asked, []string{want.asked}) {
			t.Errorf("%s: %d %s after %q, want %s after %q", body, w.Code, w.Body, outbox.asked, want.answer, want.asked)
		}
	}
	outbox.asked = nil
	w := send(t, handler, "/api/v1/outbox/retry", "{}")
	if !slices.Equal(outbox.asked, []string{"retry"}) || !bytes.Equal(w.Body.Bytes(), ask(t, handler, http.MethodGet, "/api/v1/outbox").Body.Bytes()) {
		t.Errorf("retry: %d %s after %q, want the outbox as it is", w.Code, w.Body, outbox.asked)
	}
	outbox.asked = nil
	ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters")
	ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters?limit=20")
	if want := []string{"list 100", "list 20"}; !slices.Equal(outbox.asked, want) {
		t.Errorf("asked %q, want %q", outbox.asked, want)
	}
}

func TestOutboxProblems(t *testing.T) {
	o, outbox := outboxOptions(t)
	handler := New(o)
	for name, c := range map[string]struct {
		target, body string
		status       int
		code         string
		says         string
	}{
		"empty":              {"resend", "", 400, "invalid", "Send one object such as {}"},
		"not_json":           {"resend", "ids=7", 400, "invalid", "not one JSON object"},
		"null":               {"resend", "null", 400, "invalid", "not one JSON object"},
		"list":               {"resend", "[7]", 400, "invalid", "not one JSON object"},
		"two_objects":        {"resend", "{}{}", 400, "invalid", "not one JSON object"},
		"cut_off":            {"resend", `{"ids":[7`, 400, "invalid", "not one JSON object"},
		"misspelt":           {"resend", `{"id":[7]}`, 400, "invalid", `member "id" is not known`},
		"no_list":            {"resend", `{"ids":7}`, 400, "invalid", "ids: a number is not possible"},
		"no_numbers":         {"resend", `{"ids":["7"]}`, 400, "invalid", "a string is not possible"},
		"none":               {"resend", `{"ids":[]}`, 400, "invalid", "leave ids out"},
		"parameter":          {"resend?ids=7", `{}`, 400, "invalid", "takes no parameters"},
		"too_large":          {"resend", `{"ids":[` + strings.Repeat("1,", 40<<10) + `1]}`, 413, "invalid", "more than 65536 bytes"},
		"member_of_retry":    {"retry", `{"ids":[7]}`, 400, "invalid", `member "ids" is not known`},
		"limit_zero":         {"dead-letters?limit=0", "", 400, "invalid", "from 1 to 1000"},
		"limit_large":        {"dead-letters?limit=1001", "", 400, "invalid", "from 1 to 1000"},
		"limit_no_number":    {"dead-letters?limit=+5", "", 400, "invalid", "from 1 to 1000"},
		"post_to_the_status": {"", "{}", 405, "invalid", "Use GET"},
		"get_of_a_change":    {"resend", "", 405, "invalid", "Use POST"},
	} {
		target := strings.TrimSuffix("/api/v1/outbox/"+c.target, "/")
		var w *httptest.ResponseRecorder
		if strings.HasPrefix(name, "limit") || strings.HasPrefix(name, "get") {
			w = ask(t, handler, http.MethodGet, target)
		} else {
			w = send(t, handler, target, c.body)
		}
		p := problemIn(t, w)
		if w.Code != c.status || p.Code != c.code || !strings.Contains(p.Detail+" "+p.Remedy, c.says) {
			t.Errorf("%s: %d %+v, want %d %s saying %q", name, w.Code, p, c.status, c.code, c.says)
		}
		if want := map[string]string{"post_to_the_status": "GET, HEAD", "get_of_a_change": "POST"}[name]; w.Header().Get("Allow") != want {
			t.Errorf("%s: Allow %q, want %q", name, w.Header().Get("Allow"), want)
		}
	}
	if len(outbox.asked) > 0 {
		t.Errorf("%q was asked of the outbox all the same", outbox.asked)
	}
}

func TestChangesAskedForByOtherSitesAreRefused(t *testing.T) {
	o, outbox := outboxOptions(t)
	handler := New(o)
	for name, c := range map[string]struct {
		header map[string]string
		status int
	}{
		"program":              {map[string]string{}, 200},
		"charset":              {map[string]string{"Content-Type": "application/json; charset=utf-8"}, 200},
		"own_page":             {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8480"}, 200},
		"own_page_old_browser": {map[string]string{"Origin": "http://127.0.0.1:8480"}, 200},
		"typed_address":        {map[string]string{"Sec-Fetch-Site": "none"}, 200},
		"other_site":           {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		"other_port":           {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9999"}, 403},
		"other_old_browser":    {map[string]string{"Origin": "https://evil.example"}, 403},
		"other_port_old":       {map[string]string{"Origin": "http://127.0.0.1:9999"}, 403},
		"hidden_origin":        {map[string]string{"Origin": "null"}, 403},
		"form":                 {map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		"plain_text":           {map[string]string{"Content-Type": "text/plain"}, 415},
		"no_type":              {map[string]string{"Content-Type": ""}, 415},
	} {
		for _, target := range []string{"resend", "retry"} {
			outbox.asked = nil
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8480/api/v1/outbox/"+target, strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			for key, value := range c.header {
				r.Header.Set(key, value)
			}
			w := recordRequest(handler, r)
			if w.Code != c.status || (len(outbox.asked) > 0) != (c.status == 200) {
				t.Errorf("%s %s: %d %s, asked %q, want %d", name, target, w.Code, w.Body, outbox.asked, c.status)
			}
			if c.status != 200 {
				problemIn(t, w)
			}
		}
	}
}

func TestOutboxThatFails(t *testing.T) {
	o, outbox := outboxOptions(t)
	outbox.err = &perigee.Error{Code: perigee.CodeUnavailable, Message: "store is locked", Err: errors.New("secret")}
	handler := New(o)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"outbox": ask(t, handler, http.MethodGet, "/api/v1/outbox"), "dead-letters": ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters"),
		"resend": send(t, handler, "/api/v1/outbox/resend", "{}"), "retry": send(t, handler, "/api/v1/outbox/retry", "{}"),
	} {
		if p := problemIn(t, w); w.Code != http.StatusServiceUnavailable || p.Detail != "store is locked" || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	if body := ask(t, handler, http.MethodGet, "/metrics").Body.String(); strings.Contains(body, "perigee_outbox") || !strings.Contains(body, "perigee_build_info") {
		t.Error("/metrics has figures of an outbox that cannot tell, or nothing else")
	}
}

func TestWithoutInfluxDBThereIsNoOutbox(t *testing.T) {
	handler := New(testOptions(t))
	for name, w := range map[string]*httptest.ResponseRecorder{
		"outbox": ask(t, handler, http.MethodGet, "/api/v1/outbox"), "dead-letters": ask(t, handler, http.MethodGet, "/api/v1/outbox/dead-letters"),
		"resend": send(t, handler, "/api/v1/outbox/resend", "{}"), "retry": send(t, handler, "/api/v1/outbox/retry", "{}"),
	} {
		if p := problemIn(t, w); w.Code != http.StatusNotFound || p.Code != "not_found" || !strings.Contains(p.Detail, "no InfluxDB is configured") || !strings.Contains(p.Remedy, "storage.influxdb") {
			t.Errorf("%s: %d %+v", name, w.Code, p)
		}
	}
	if body := ask(t, handler, http.MethodGet, "/metrics").Body.String(); strings.Contains(body, "perigee_outbox") {
		t.Error("/metrics has figures of an outbox that does not exist")
	}
}

func TestOutboxMetrics(t *testing.T) {
	o, outbox := outboxOptions(t)
	handler := New(o)
	check := func(want string) {
		t.Helper()
		body := ask(t, handler, http.MethodGet, "/metrics").Body.String()
		var got strings.Builder
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "perigee_outbox") {
				got.WriteString(line)
			}
		}
		if got.String() != want {
			t.Errorf("got\n%swant\n%s", got.String(), want)
		}
	}
	check(`perigee_outbox_blocked{reason="busy"} 0
perigee_outbox_blocked{reason="content"} 0
perigee_outbox_blocked{reason="other"} 0
perigee_outbox_blocked{reason="setup"} 1
perigee_outbox_blocked{reason="store"} 0
perigee_outbox_blocked{reason="too_large"} 0
perigee_outbox_blocked{reason="unreachable"} 0
perigee_outbox_bytes_total{link=""} 512
perigee_outbox_bytes_total{link="fibre"} 1.8042113e+07
perigee_outbox_dead_letters 2
perigee_outbox_failures_total 3
perigee_outbox_last_success_timestamp_seconds 1.772366112e+09
perigee_outbox_oldest_seconds 720
perigee_outbox_pending 1204
perigee_outbox_sent_total 90210
perigee_outbox_writes_total 415
`)
	// A reason that this version does not know must not make a series of its own.
	outbox.state = OutboxState{State: OutboxBlocked, Problem: &OutboxProblem{Reason: "moon"}}
	check(`perigee_outbox_blocked{reason="busy"} 0
perigee_outbox_blocked{reason="content"} 0
perigee_outbox_blocked{reason="other"} 1
perigee_outbox_blocked{reason="setup"} 0
perigee_outbox_blocked{reason="store"} 0
perigee_outbox_blocked{reason="too_large"} 0
perigee_outbox_blocked{reason="unreachable"} 0
perigee_outbox_dead_letters 0
perigee_outbox_failures_total 0
perigee_outbox_oldest_seconds 0
perigee_outbox_pending 0
perigee_outbox_sent_total 0
perigee_outbox_writes_total 0
`)
}
