package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api/access"
)

// patience bounds waits that only a broken program makes long.
const patience = 20 * time.Second

// listen connects to /live and returns a reader of its lines. The connection ends with
// the test.
func listen(t *testing.T, address string) *bufio.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("GET /live = %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	lines := bufio.NewReader(response.Body)
	// The first line is written once the client is subscribed.
	if first := line(t, lines); first != "retry: 3000" {
		t.Fatalf("first line %q", first)
	}
	return lines
}

// line returns the next line that is not empty.
func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("stream ended: %v", err)
		}
		if text = strings.TrimSuffix(text, "\n"); text != "" {
			return text
		}
	}
}

func TestLiveTellsOfWhatIsStored(t *testing.T) {
	feed := &Feed{}
	o := testOptions(t)
	o.Feed = feed
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	first, second := listen(t, server.URL), listen(t, server.URL)

	sample := newSample(stream(hostile), epoch, func() float64 { return 0.05 })
	feed.Publish(perigee.Batch{
		Samples: []perigee.Sample{sample},
		Outages: []perigee.Outage{{Stream: stream("geo"), Start: epoch, End: epoch.Add(time.Second), Open: true}},
		Gaps:    []perigee.Gap{{Site: "home", Start: epoch, End: epoch.Add(time.Second), Reason: perigee.GapStalled}},
	})
	for _, client := range []*bufio.Reader{first, second} {
		for _, kind := range []string{"sample", "outage", "gap"} {
			if got := line(t, client); got != "event: "+kind {
				t.Fatalf("line %q, want event: %s", got, kind)
			}
			data, ok := strings.CutPrefix(line(t, client), "data: ")
			if !ok {
				t.Fatal("no data line")
			}
			var body struct {
				Link       *string       `json:"link"`
				Counts     *Counts       `json:"counts"`
				Start      *time.Time    `json:"start"`
				End        *time.Time    `json:"end"`
				RTTSeconds *Distribution `json:"rtt_seconds"`
			}
			if err := json.Unmarshal([]byte(data), &body); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if body.Start == nil || !body.Start.Equal(epoch) {
				t.Errorf("%s: start %v", kind, body.Start)
			}
			switch kind {
			case "sample":
				if *body.Link != hostile || body.Counts.Received != 10 || *body.RTTSeconds.Min != 0.05 {
					t.Errorf("sample %s", data)
				}
			case "outage":
				if body.End != nil {
					t.Errorf("an open outage ends at %v, want null", body.End)
				}
			case "gap":
				if body.Link != nil {
					t.Errorf("a gap of all links has link %q, want null", *body.Link)
				}
			}
		}
	}
}

func TestLiveHasAHeartbeat(t *testing.T) {
	o := testOptions(t)
	o.Feed = &Feed{}
	s := newServer(o)
	s.heartbeat = time.Millisecond
	server := httptest.NewServer(s.handler(o))
	t.Cleanup(server.Close)
	client := listen(t, server.URL)
	for range 3 {
		if got := line(t, client); got != ": alive" {
			t.Fatalf("line %q, want a comment", got)
		}
	}
}

func TestLiveDropsWhoDoesNotKeepUp(t *testing.T) {
	feed := &Feed{}
	slow, _ := feed.subscribe("slow")
	quick, _ := feed.subscribe("quick")
	one := perigee.Batch{Samples: []perigee.Sample{newSample(stream("geo"), epoch, func() float64 { return 0.6 })}}
	for range liveBacklog + 1 { // the last one finds no room
		feed.Publish(one)
		<-quick.events
	}
	var got int
	for range slow.events { // ends: closed
		got++
	}
	if got != liveBacklog {
		t.Errorf("%d events reached the slow client before it was dropped, want %d", got, liveBacklog)
	}
	if s := feed.state(); s.clients != 1 || s.dropped != 1 {
		t.Errorf("%d clients left and %d dropped, want 1 and 1", s.clients, s.dropped)
	}
	feed.unsubscribe(slow) // dropped already; harmless
	feed.unsubscribe(quick)
	if s := feed.state(); s.clients != 0 {
		t.Errorf("%d clients left, want 0", s.clients)
	}
}

func TestLiveTakesABoundedNumberOfClients(t *testing.T) {
	o := testOptions(t)
	o.Feed = &Feed{}
	for i := range maxLiveClients {
		if _, ok := o.Feed.subscribe([]string{"192.0.2.1", "a token"}[i%2]); !ok {
			t.Fatal("refused too early")
		}
	}
	w := ask(t, New(o), http.MethodGet, "/api/v1/live")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Type") != problemType || w.Header().Get("Retry-After") == "" {
		t.Errorf("one client too many is answered %d %v", w.Code, w.Header())
	}
}

// TestLiveEndsWithItsToken: a stream that lasts for ever does not outlast what it was
// begun with.
func TestLiveEndsWithItsToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	_, token, err := access.Add(file, "page", access.ScopeRead, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions(t)
	o.Feed, o.Keys = &Feed{}, access.OpenKeyring(file, time.Now, slog.New(slog.DiscardHandler))
	s := newServer(o)
	s.heartbeat = time.Millisecond
	server := httptest.NewServer(s.handler(o))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for range 3 {
		line(t, lines) // while it is good the stream goes on
	}
	if _, err := access.Revoke(file, "page"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the stream ended with %v, want its proper end", err)
	}
}

func TestLiveForgetsClientsThatLeft(t *testing.T) {
	o := testOptions(t)
	o.Feed = &Feed{}
	s := newServer(o)
	s.heartbeat = time.Millisecond
	left := make(chan struct{})
	handler := s.handler(o)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		close(left)
	}))
	t.Cleanup(server.Close)
	response, err := http.Get(server.URL + "/api/v1/live")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	select {
	case <-left:
	case <-time.After(patience):
		t.Fatal("the handler still runs")
	}
	if s := o.Feed.state(); s.clients != 0 {
		t.Errorf("%d clients left, want 0", s.clients)
	}
}

func TestOneListenerLeavesRoomForOthers(t *testing.T) {
	var feed Feed
	var clients []*liveClient
	for range maxLiveEach {
		c, ok := feed.subscribe("greedy")
		if !ok {
			t.Fatal("refused too early")
		}
		clients = append(clients, c)
	}
	if _, ok := feed.subscribe("greedy"); ok {
		t.Error("one more is let in")
	}
	if _, ok := feed.subscribe("another"); !ok {
		t.Error("another is refused")
	}
	feed.unsubscribe(clients[0])
	feed.unsubscribe(clients[0]) // once is enough
	if _, ok := feed.subscribe("greedy"); !ok {
		t.Error("after one has left there is no room")
	}
}
