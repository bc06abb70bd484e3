package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/storage/storagetest"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// odd is a link name that must be escaped everywhere.
const odd = "dish & 100% <ü>?#"

func stream(link perigee.LinkID) perigee.Stream {
	return perigee.Stream{Site: "home", Link: link, Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
}

// sample is a window of ten probes that all took rtt seconds.
func sample(link perigee.LinkID, start time.Time, rtt float64) perigee.Sample {
	s := perigee.Sample{Stream: stream(link), Start: start, Length: 10 * time.Second, Interval: time.Second, LossTimeout: 3 * time.Second}
	for i := range 10 {
		s.Counts.Add(perigee.Singleton{Seq: perigee.Seq(i), Outcome: perigee.Received})
		s.RTT.Add(rtt)
		s.LossRuns.Add(false, 1)
	}
	return s
}

// monitor serves o.Store, or if that is nil two links over twelve minutes, and returns a
// client of it.
func monitor(t *testing.T, o api.Options) *client.Client {
	t.Helper()
	store := storagetest.NewMemory()
	batch := perigee.Batch{
		Outages: []perigee.Outage{{Stream: stream(odd), Start: epoch, End: epoch.Add(2 * time.Second), Probes: 2, Reason: "no replies"}},
		Gaps:    []perigee.Gap{{Site: "home", Start: epoch, End: epoch.Add(time.Second), Reason: perigee.GapCrashed}},
	}
	for i := range 72 {
		start := epoch.Add(time.Duration(i) * 10 * time.Second)
		batch.Samples = append(batch.Samples, sample(odd, start, 0.04), sample("geo", start, 0.6))
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if o.Store == nil {
		o.Store = store
	}
	o.Now = func() time.Time { return epoch.Add(12 * time.Minute) }
	server := httptest.NewServer(api.New(o))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientAsksForDisruptions(t *testing.T) {
	c := monitor(t, api.Options{})
	f := client.Calendar{Filter: client.Filter{Site: "home", Link: odd, From: epoch, To: epoch.Add(12 * time.Minute)}, By: perigee.ByMonth, Timezone: "Australia/Canberra", Limit: 1}
	list, err := c.Disruptions(t.Context(), f)
	if err != nil || len(list) != 1 || list[0].Links[0] != odd || list[0].DurationSeconds != 2 || list[0].Blame != "monitor" {
		t.Errorf("Disruptions = %+v, %v", list, err)
	}
	a, err := c.Availability(t.Context(), f)
	if err != nil || len(a.Links) != 1 || a.By != "month" || a.Timezone != "Australia/Canberra" || len(a.Links[0].Total.Excused) != 1 || len(a.Links[0].Periods) != 1 {
		t.Errorf("Availability = %+v, %v", a, err)
	}
}

func TestClientAsksEverything(t *testing.T) {
	c := monitor(t, api.Options{Export: func(_ context.Context, w io.Writer, format string, q perigee.Query) error {
		_, err := io.WriteString(w, format+" "+string(q.Links[0])+" "+string(q.Resolution))
		return err
	}})
	ctx := t.Context()
	f := client.Filter{Site: "home", Link: odd, Target: "far", Family: perigee.IPv4, Load: perigee.LoadIdle, From: epoch, To: epoch.Add(12 * time.Minute)}

	if links, err := c.Links(ctx); err != nil || len(links) != 2 || links[0].Link != odd || links[0].State != api.StateUp {
		t.Errorf("Links = %+v, %v", links, err)
	}
	if link, err := c.Link(ctx, odd); err != nil || link.Link.Link != odd || len(link.LastSamples) != 1 {
		t.Errorf("Link = %+v, %v", link, err)
	}
	// 72 windows of 10 probes.
	if s, err := c.Summary(ctx, f); err != nil || len(s.Targets) != 1 || s.Targets[0].Counts.Received != 720 || *s.Targets[0].RTTSeconds.Max != 0.04 {
		t.Errorf("Summary = %+v, %v", s, err)
	}
	// The last minute, of 60 probes, has no part in it.
	if u, err := c.Usual(ctx, "home", odd); err != nil || len(u.Streams) != 1 || u.Streams[0].MeasuredSeconds != 660 || u.Streams[0].Enough || *u.Streams[0].RTTSeconds.High != 0.04 {
		t.Errorf("Usual = %+v, %v", u, err)
	}
	if s, err := c.Series(ctx, perigee.MetricRTT, time.Minute, f); err != nil || len(s.Points) != 12 || s.StepSeconds != 60 {
		t.Errorf("Series = %+v, %v", s, err)
	}
	if h, err := c.Heatmap(ctx, perigee.MetricLossRatio, "Australia/Adelaide", f); err != nil || len(h.Cells) != 1 || h.Cells[0].Weekday != "Sunday" || h.Cells[0].Hour != 22 || h.Cells[0].Counts.Planned != 720 {
		t.Errorf("Heatmap = %+v, %v", h, err) // 12:00 UTC is 22:30
	}
	if r, err := c.Compare(ctx, client.CompareFilter{Filter: f, Metric: perigee.MetricRTT, Links: []string{odd, "geo"}}); err != nil || len(r.Pairs) != 1 || r.Pairs[0].A != odd || *r.Pairs[0].ProbabilityALower != 1 {
		t.Errorf("Compare = %+v, %v", r, err)
	}
	if d, err := c.Distribution(ctx, perigee.MetricPDV, []string{"geo", odd}, f); err != nil || len(d.Links) != 2 || d.Links[0].Link != "geo" || d.Metric != "pdv" || d.Links[1].Points[0].Value != 0 {
		t.Errorf("Distribution = %+v, %v", d, err)
	}
	if o, err := c.Outages(ctx, f); err != nil || len(o) != 1 || o[0].DurationSeconds != 2 {
		t.Errorf("Outages = %+v, %v", o, err)
	}
	if g, err := c.Gaps(ctx, f); err != nil || len(g) != 1 || g[0].Reason != "crashed" {
		t.Errorf("Gaps = %+v, %v", g, err)
	}
	var b bytes.Buffer
	if err := c.Export(ctx, &b, "lp", perigee.Days, f); err != nil || b.String() != "lp "+odd+" day" {
		t.Errorf("Export = %q, %v", b.String(), err)
	}
}

// outbox holds three dead letters and notes what it is asked.
type outbox struct{ asked []string }

func (o *outbox) OutboxStatus(context.Context) (api.OutboxState, error) {
	return api.OutboxState{State: api.OutboxWaiting, Pending: 1204}, nil
}

func (o *outbox) DeadLetters(_ context.Context, limit int) ([]perigee.DeadLetter, error) {
	letters := []perigee.DeadLetter{{ID: 3, Stream: stream(odd)}, {ID: 2, Stream: stream(odd)}, {ID: 1, Stream: stream(odd)}}
	return letters[:min(limit, 3)], nil
}

func (o *outbox) Resend(_ context.Context, ids []int64) (int, error) {
	o.asked = append(o.asked, fmt.Sprint("resend ", ids))
	return len(ids), nil
}

func (o *outbox) Retry() { o.asked = append(o.asked, "retry") }

func TestClientAsksAboutForwarding(t *testing.T) {
	behind := &outbox{}
	c := monitor(t, api.Options{Outbox: behind})
	ctx := t.Context()
	if m, err := c.Monitor(ctx); err != nil || !m.Forwards || m.Measures {
		t.Errorf("Monitor = %+v, %v", m, err)
	}
	if o, err := c.Outbox(ctx); err != nil || o.Pending != 1204 || o.State != api.OutboxWaiting {
		t.Errorf("Outbox = %+v, %v", o, err)
	}
	if letters, err := c.DeadLetters(ctx, 2); err != nil || len(letters) != 2 || letters[0].ID != 3 || *letters[0].Link != odd {
		t.Errorf("DeadLetters(2) = %+v, %v", letters, err)
	}
	if letters, err := c.DeadLetters(ctx, 0); err != nil || len(letters) != 3 {
		t.Errorf("DeadLetters(0) = %+v, %v", letters, err)
	}
	if n, err := c.Resend(ctx, 3, 1); err != nil || n != 2 {
		t.Errorf("Resend = %d, %v", n, err)
	}
	if _, err := c.Resend(ctx); err != nil {
		t.Errorf("Resend of all: %v", err)
	}
	if o, err := c.Retry(ctx); err != nil || o.Pending != 1204 {
		t.Errorf("Retry = %+v, %v", o, err)
	}
	if want := []string{"resend [3 1]", "resend []", "retry"}; !slices.Equal(behind.asked, want) {
		t.Errorf("asked %q, want %q", behind.asked, want)
	}
	without := monitor(t, api.Options{})
	if _, err := without.Outbox(ctx); perigee.CodeOf(err) != perigee.CodeNotFound || !strings.Contains(err.Error(), "no InfluxDB is configured") {
		t.Errorf("Outbox where nothing is forwarded: %v", err)
	}
	if _, err := without.Resend(ctx); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("Resend where nothing is forwarded: %v", err)
	}
}

func TestClientHearsLive(t *testing.T) {
	feed := &api.Feed{}
	c := monitor(t, api.Options{Feed: feed})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// The monitor tells until it is heard: a client learns only from an event
	// that it is connected.
	done := make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for ctx.Err() == nil {
			feed.Publish(perigee.Batch{
				Samples:     []perigee.Sample{sample("geo", epoch, 0.6)},
				Throughputs: []perigee.Throughput{{Stream: stream("geo"), Start: epoch, Bytes: 7}},
				Outages:     []perigee.Outage{{Stream: stream("geo"), Start: epoch, End: epoch}},
				Gaps:        []perigee.Gap{{Site: "home", Start: epoch, End: epoch}},
			})
			select {
			case <-again.C:
			case <-ctx.Done():
			}
		}
	}()
	var samples, throughputs, outages, gaps int
	for event, err := range c.Live(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case event.Sample != nil && event.Sample.Counts.Received == 10:
			samples++
		case event.Throughput != nil && event.Throughput.Bytes == 7:
			throughputs++
		case event.Outage != nil:
			outages++
		case event.Gap != nil:
			gaps++
		}
		if samples > 0 && throughputs > 0 && outages > 0 && gaps > 0 {
			break
		}
	}
	cancel()
	<-done
}

func TestClientTellsProblemsApart(t *testing.T) {
	c := monitor(t, api.Options{})
	ctx := t.Context()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, notFound := c.Link(ctx, "gio")
	_, invalid := c.Outages(ctx, client.Filter{From: epoch.Add(time.Hour), To: epoch})
	_, gone := c.Links(cancelled)
	for name, test := range map[string]struct {
		err  error
		code perigee.Code
		says string
	}{
		"not_found":   {notFound, perigee.CodeNotFound, `link "gio" is not known: Did you mean "geo"?`},
		"invalid":     {invalid, perigee.CodeInvalid, "is not before to"},
		"unavailable": {c.Export(ctx, io.Discard, "csv", "", client.Filter{}), perigee.CodeUnavailable, "perigee export"},
		"cancelled":   {gone, perigee.CodeUnavailable, "does not answer"},
	} {
		if perigee.CodeOf(test.err) != test.code || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%s: %s, %v, want %s saying %q", name, perigee.CodeOf(test.err), test.err, test.code, test.says)
		}
	}
	if !errors.Is(gone, context.Canceled) {
		t.Errorf("the cause %v is lost", gone)
	}
	for _, err := range c.Live(ctx) {
		if perigee.CodeOf(err) != perigee.CodeUnavailable {
			t.Errorf("Live of a process that does not measure: %v", err)
		}
	}
}

func TestClientDoesNotTrustStrangers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"another_service": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"error_page":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
		"problem_without_code": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			c, err := client.New(server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Links(t.Context()); perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), "check the address") {
				t.Errorf("Links = %v", err)
			}
		})
	}
	for _, address := range []string{"", "127.0.0.1:8480", "ftp://x", "http://", ":"} {
		if _, err := client.New(address, nil); perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("New(%q) = %v", address, err)
		}
	}
}
