package influx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

// open returns a client of a server with a token; it is closed with the test.
func open(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func target(t testing.TB, o influxtest.Target) *Client {
	return open(t, Options{URL: o.URL, Org: o.Org, Bucket: o.Bucket, Token: o.Token, Instance: "0123abcd"})
}

// rows reads all of a measurement, of all time, each field in its column.
func rows(t testing.TB, c *Client, measurement string) []map[string]any {
	t.Helper()
	result, err := c.query(t.Context(), fmt.Sprintf(`from(bucket: "%s") |> range(start: 1677-10-01T00:00:00Z, stop: 2262-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "%s")
		|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`, c.options.Bucket, measurement))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for result.Next() {
		all = append(all, result.Record().Values())
	}
	if err := c.interrupted(result.Err()); err != nil {
		t.Fatal(err)
	}
	return all
}

func text(v any) string { s, _ := v.(string); return decodeTag(s) }

// Every name, every count and every bit of a float comes back from the server.
func TestSamplesComeBackExactly(t *testing.T) {
	for _, to := range influxtest.Targets(t) {
		t.Run(to.Name, func(t *testing.T) {
			c := target(t, to)
			g := storagetest.NewGenerator(3)
			want := map[string]perigee.Sample{}
			var entries []perigee.Entry
			for i, name := range awkward {
				if len(name) > 100 {
					name = name[:100]
				}
				s := g.Sample(storagetest.Stream("a", "x"), time.Unix(1_772_402_400+int64(i)*10, int64(i)))
				s.Singletons = nil
				s.Stream = perigee.Stream{Site: name, Link: perigee.LinkID(name), Target: perigee.TargetID(name), Method: perigee.Method(name), Family: perigee.Family(name), Load: perigee.Load(name)}
				want[fmt.Sprint(s.Start.UnixNano())] = s
				entries = append(entries, perigee.Entry{Kind: perigee.EntryWindow, Orbit: perigee.OrbitGEO, Sample: &s})
			}
			for range 2 { // a replay changes nothing
				if err := c.Write(t.Context(), entries); err != nil {
					t.Fatal(err)
				}
			}
			got := rows(t, c, measurementWindow)
			if len(got) != len(want) {
				t.Errorf("got %d rows, want %d", len(got), len(want))
			}
			for _, row := range got {
				at := row["_time"].(time.Time)
				s, known := want[fmt.Sprint(at.UnixNano())]
				if !known {
					t.Errorf("a row at %s was never written", at)
					continue
				}
				for _, key := range []string{"site", "link", "target", "method", "family", "load"} {
					if text(row[key]) != s.Stream.Site {
						t.Errorf("%s %q came back as %q", key, s.Stream.Site, text(row[key]))
					}
				}
				if row["orbit"] != any("geo") || row["instance"] != any("0123abcd") {
					t.Errorf("orbit %v, instance %v", row["orbit"], row["instance"])
				}
				compareFields(t, row, &s)
			}
		})
	}
}

// compareRow checks that row has each of the fields as it was written, and none that was
// left out.
func compareRow[T any](t *testing.T, row map[string]any, fields []field[T], want *T) {
	t.Helper()
	for i := range fields {
		f := &fields[i]
		got, there := row[f.name]
		there = there && got != nil
		wanted, defined := any(nil), true
		switch {
		case f.integer != nil:
			wanted, defined = f.integer(want)
		case f.float != nil:
			v, ok := f.float(want)
			wanted, defined = v, ok
			if f, isFloat := got.(float64); isFloat && math.Float64bits(f) != math.Float64bits(v) {
				wanted = "the same bits"
			}
		case f.boolean != nil:
			wanted = f.boolean(want)
		case f.text != nil:
			got, wanted, there = text(got), f.text(want), true // an empty one is read as none
		default: // decoded below
			continue
		}
		if defined != there || there && got != wanted {
			t.Errorf("%s: got %v, want %v, defined %v", f.name, got, wanted, defined)
		}
	}
}

func compareFields(t *testing.T, row map[string]any, want *perigee.Sample) {
	t.Helper()
	compareRow(t, row, sampleFields, want)
	var s perigee.Sample
	s.Stream = want.Stream
	if coded, _ := row["sketch"].(string); coded != "" {
		sketch, err := stats.DecodeSketch(unbase64(t, coded))
		if err != nil {
			t.Fatal(err)
		}
		s.RTT.Sketch = sketch
	}
	if err := decodeState(unbase64(t, row["state"].(string)), &s); err != nil {
		t.Fatal(err)
	}
	if d := storagetest.Diff(s, *want, storagetest.Tolerances{}); d != "" {
		t.Error(d)
	}
}

// Every name and every field of a transfer comes back from the server, and its state
// holds all of it.
func TestThroughputsComeBackExactly(t *testing.T) {
	for _, to := range influxtest.Targets(t) {
		t.Run(to.Name, func(t *testing.T) {
			c := target(t, to)
			want := map[int64]perigee.Throughput{}
			var entries []perigee.Entry
			for _, one := range throughputs() {
				want[one.Start.UnixNano()] = one
				entries = append(entries, perigee.Entry{Kind: perigee.EntryThroughput, Orbit: perigee.OrbitGEO, Throughput: &one})
			}
			for range 2 { // a replay changes nothing
				if err := c.Write(t.Context(), entries); err != nil {
					t.Fatal(err)
				}
			}
			got := rows(t, c, measurementThroughput)
			if len(got) != len(want) {
				t.Errorf("got %d rows, want %d", len(got), len(want))
			}
			for _, row := range got {
				one, known := want[row["_time"].(time.Time).UnixNano()]
				if !known {
					t.Errorf("a row at %s was never written", row["_time"])
					continue
				}
				for key, value := range map[string]string{"site": one.Stream.Site, "link": string(one.Stream.Link), "target": string(one.Stream.Target),
					"method": string(one.Stream.Method), "family": string(one.Stream.Family), "load": string(one.Stream.Load), "orbit": "geo", "instance": "0123abcd"} {
					if text(row[key]) != value {
						t.Errorf("%s %q came back as %q", key, value, text(row[key]))
					}
				}
				compareRow(t, row, throughputFields, &one)
				state, err := decodeThroughput(one.Stream, one.Start.UnixNano(), row["state"])
				if err != nil {
					t.Fatal(err)
				}
				if d := storagetest.DiffThroughput(state, one); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// Outages, gaps, events and links come back as they were, however many share an
// instant.
func TestOthersComeBackExactly(t *testing.T) {
	for _, to := range influxtest.Targets(t) {
		t.Run(to.Name, func(t *testing.T) {
			c := target(t, to)
			at := time.Unix(1_772_402_400, 123_456_789).UTC()
			var entries []perigee.Entry
			details := map[string]bool{}
			for _, detail := range awkward[:30] {
				details[detail] = true
				entries = append(entries,
					perigee.Entry{Kind: perigee.EntryGap, Gap: &perigee.Gap{Site: "home", Start: at, End: at.Add(time.Minute), Reason: perigee.GapStalled, Detail: detail}},
					perigee.Entry{Kind: perigee.EntryEvent, Event: &perigee.Event{Site: "home", Link: "a", Time: at, Kind: perigee.EventRebound, Detail: detail}})
			}
			outage := perigee.Outage{Stream: storagetest.Stream("a", "x"), Start: at, End: at.Add(1500 * time.Millisecond), Open: true, Probes: 7, Reason: `no "route", to = host\`}
			link := perigee.LinkState{At: at.Truncate(time.Hour), Rolled: at.Truncate(time.Hour)}
			link.Site = perigee.Site{Name: "home", Located: true, Latitude: -35.28, Longitude: 149.13}
			link.Link = perigee.Link{ID: "a", Interface: "wan 0", Mark: 16}
			entries = append(entries, perigee.Entry{Kind: perigee.EntryOutage, Outage: &outage}, perigee.Entry{Kind: perigee.EntryLink, Link: &link, Orbit: perigee.OrbitGEO})
			if err := c.Write(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			for _, measurement := range []string{measurementGap, measurementEvent} {
				got := rows(t, c, measurement)
				seen := map[string]bool{}
				for _, row := range got {
					seen[text(row["detail"])] = true
					if row["start_ns"] != any(at.UnixNano()) {
						t.Errorf("start %v, want %d", row["start_ns"], at.UnixNano())
					}
					if off := row["_time"].(time.Time).Sub(at.Truncate(time.Millisecond)); off < 0 || off >= time.Millisecond {
						t.Errorf("the point lies %s after its millisecond", off)
					}
				}
				if len(got) != len(details) || len(seen) != len(details) {
					t.Errorf("%s: %d points with %d details, want %d", measurement, len(got), len(seen), len(details))
				}
			}
			row := rows(t, c, measurementOutage)[0]
			if text(row["reason"]) != outage.Reason || row["end_ns"] != any(outage.End.UnixNano()) || row["open"] != any(true) || row["probes"] != any(int64(7)) || row["seconds"] != any(1.5) {
				t.Errorf("outage came back as %v", row)
			}
			row = rows(t, c, measurementLink)[0]
			if row["latitude"] != any(-35.28) || text(row["interface"]) != "wan 0" || row["mark"] != any(int64(16)) || row["rolled_ns"] != any(link.Rolled.UnixNano()) || row["first_ns"] != nil {
				t.Errorf("link came back as %v", row)
			}
		})
	}
}

// A number that InfluxDB cannot hold never leaves.
func TestWhatCannotBeHeldIsRefusedHere(t *testing.T) {
	c := open(t, Options{URL: "http://127.0.0.1:1", Bucket: "b"})
	s := storagetest.NewGenerator(1).Sample(storagetest.Stream("a", "x"), time.Unix(1_772_402_400, 0))
	for name, change := range map[string]func(*perigee.Sample){
		"NaN":           func(s *perigee.Sample) { s.RTT.Mean = math.NaN() },
		"infinity":      func(s *perigee.Sample) { s.Variation.JitterSum = math.Inf(-1) },
		"the zero time": func(s *perigee.Sample) { s.Start = time.Time{} },
	} {
		bad := s
		change(&bad)
		err := c.Write(t.Context(), []perigee.Entry{{Kind: perigee.EntryWindow, Sample: &bad}})
		if r, ok := errors.AsType[*perigee.Refusal](err); !ok || r.Reason != perigee.RefusedContent {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func aWindow() []perigee.Entry {
	s := storagetest.NewGenerator(1).Sample(storagetest.Stream("a", "x"), time.Now())
	return []perigee.Entry{{Kind: perigee.EntryWindow, Sample: &s}}
}

// Each wrong setup has its own message, and its remedy, on the real server: of writing
// and of checking.
func TestEachWrongSetupNamesItsRemedy(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	database, _, _ := strings.Cut(bucket, "/")
	s.Exec(t, fmt.Sprintf(`CREATE USER "reader_%s" WITH PASSWORD 'p'; GRANT READ ON %q TO "reader_%s"`, database, database, database))
	full := influxtest.Start(t, influxtest.NoFlux(), influxtest.MaxSeries(1), influxtest.Setting("INFLUXDB_DATA_INDEX_VERSION", "inmem"))
	fullBucket := full.Bucket(t)
	filler := open(t, Options{URL: full.URL, Bucket: fullBucket, Token: full.Token})
	if err := filler.Write(t.Context(), aWindow()); err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	for name, c := range map[string]struct {
		options Options
		message string
		remedy  string
		check   bool // whether Check sees it without writing a point
	}{
		"token missing":    {Options{URL: s.URL, Bucket: bucket}, "asks for a token and none is configured", "token_file", true},
		"token wrong":      {Options{URL: s.URL, Bucket: bucket, Token: "admin:wrong"}, "does not know the token", "token_file", true},
		"token read-only":  {Options{URL: s.URL, Bucket: bucket, Token: "reader_" + database + ":p"}, "no right", "GRANT WRITE", true},
		"database missing": {Options{URL: s.URL, Bucket: "nope", Token: s.Token}, `bucket "nope" is missing`, "perigee influx setup", true},
		"policy missing":   {Options{URL: s.URL, Bucket: database + "/nope", Token: s.Token}, "is missing", "perigee influx setup", true},
		"database full":    {Options{URL: full.URL, Bucket: fullBucket, Token: full.Token, Instance: "new"}, "the database is full", "max-series-per-database", false},
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, c.options)
			err := client.Write(t.Context(), aWindow())
			r, ok := errors.AsType[*perigee.Refusal](err)
			if !ok || r.Reason != perigee.RefusedSetup || !strings.Contains(r.Message, c.message) || !strings.Contains(r.Remedy, c.remedy) {
				t.Fatalf("got %v", err)
			}
			if other, known := messages[r.Message]; known {
				t.Errorf("has the message of %q: %s", other, r.Message)
			}
			messages[r.Message] = name
			if !c.check {
				return
			}
			findings, err := client.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range findings {
				if f.Check == "write" {
					found = !f.OK && strings.Contains(f.Message, c.message) && strings.Contains(f.Remedy, c.remedy)
				}
			}
			if !found {
				t.Errorf("got %+v", findings)
			}
		})
	}
}

func TestAHealthyWayHasNothingToRemedy(t *testing.T) {
	for _, to := range influxtest.Targets(t) {
		c := target(t, to)
		if err := c.Write(t.Context(), aWindow()); err != nil {
			t.Fatal(err)
		}
		findings, err := c.Check(t.Context())
		if err != nil || len(findings) != 6 {
			t.Fatalf("%v, %+v", err, findings)
		}
		for _, f := range findings {
			if !f.OK {
				t.Errorf("%+v", f)
			}
		}
		if n := len(rows(t, c, measurementWindow)); n != 1 {
			t.Errorf("after the check there are %d rows", n)
		}
	}
}

// Two services with the same site and link are told apart, and told of.
func TestCheckSeesTwoServicesOfOneName(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	for _, instance := range []string{"11111111", "22222222"} {
		c := open(t, Options{URL: s.URL, Bucket: bucket, Token: s.Token, Instance: instance})
		link := perigee.LinkState{At: time.Now().Truncate(time.Hour)}
		link.Site.Name, link.Link.ID = "home", "a"
		if err := c.Write(t.Context(), []perigee.Entry{{Kind: perigee.EntryLink, Link: &link}}); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, Options{URL: s.URL, Bucket: bucket, Token: s.Token}).checkInstances(t.Context())
	if f.OK || !strings.Contains(f.Message, "home/a (11111111, 22222222)") || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}

// A type conflict refuses the point for its content, and no other.
func TestATypeConflictIsOfTheContent(t *testing.T) {
	s := influxtest.Shared(t)
	c := open(t, Options{URL: s.URL, Bucket: s.Bucket(t), Token: s.Token})
	if tr, ok := c.writeLines(t.Context(), []byte("rtt,site=home planned=1.5 1772402400000000000\n")); !ok {
		t.Fatal(tr.refusal())
	}
	sample := storagetest.NewGenerator(1).Sample(storagetest.Stream("a", "x"), time.Unix(1_772_402_410, 0))
	err := c.Write(t.Context(), []perigee.Entry{{Kind: perigee.EntryWindow, Sample: &sample}})
	if r, ok := errors.AsType[*perigee.Refusal](err); !ok || r.Reason != perigee.RefusedContent || !strings.Contains(r.Message, "another type") {
		t.Errorf("got %v", err)
	}
}

// Check names the field that another program has spoilt.
func TestCheckSeesFieldsOfAnotherType(t *testing.T) {
	s := influxtest.Shared(t)
	c := open(t, Options{URL: s.URL, Bucket: s.Bucket(t), Token: s.Token})
	line := fmt.Sprintf("rtt,site=home planned=1.5,sent=1i %d\n", time.Now().UnixNano())
	if tr, ok := c.writeLines(t.Context(), []byte(line)); !ok {
		t.Fatal(tr.refusal())
	}
	if f := c.checkFields(t.Context()); f.OK || !strings.HasSuffix(f.Message, ": planned") || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}

func TestPointsBeyondRetentionAreOfTheContent(t *testing.T) {
	s := influxtest.Shared(t)
	database, _, _ := strings.Cut(s.Bucket(t), "/")
	s.Exec(t, fmt.Sprintf(`CREATE RETENTION POLICY "day" ON %q DURATION 1d REPLICATION 1`, database))
	c := open(t, Options{URL: s.URL, Bucket: database + "/day", Token: s.Token})
	sample := storagetest.NewGenerator(1).Sample(storagetest.Stream("a", "x"), time.Unix(1_000_000_000, 0))
	err := c.Write(t.Context(), []perigee.Entry{{Kind: perigee.EntryWindow, Sample: &sample}})
	if r, ok := errors.AsType[*perigee.Refusal](err); !ok || r.Reason != perigee.RefusedContent || !strings.Contains(r.Message, "older than") {
		t.Errorf("got %v", err)
	}
}

// What is set up works: the writer may write and not read, the reader the reverse, and
// a second time changes nothing and shows no secret.
func TestSetupMakesWhatWorks(t *testing.T) {
	s := influxtest.Shared(t)
	for _, bucket := range []string{"set up/kept", "plainly"} {
		admin := open(t, Options{URL: s.URL, Bucket: bucket, Token: s.Token})
		first, err := admin.Setup(t.Context(), SetupOptions{Retention: 48 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if first.WriteToken == "" || first.ReadToken == "" || first.Dialect != V1 {
			t.Fatalf("%+v", first)
		}
		writer := open(t, Options{URL: s.URL, Bucket: bucket, Token: first.WriteToken})
		reader := open(t, Options{URL: s.URL, Bucket: bucket, Token: first.ReadToken})
		if err := writer.Write(t.Context(), aWindow()); err != nil {
			t.Error(err)
		}
		if err := reader.Write(t.Context(), aWindow()); err == nil {
			t.Error("the reader may write")
		}
		if n := len(rows(t, reader, measurementWindow)); n != 1 {
			t.Errorf("the reader sees %d rows", n)
		}
		if err := writer.mayRead(t.Context()); perigee.CodeOf(err) != perigee.CodePermission {
			t.Errorf("the writer reads: %v", err)
		}
		database, _, _ := strings.Cut(bucket, "/")
		if policies := s.Exec(t, "SHOW RETENTION POLICIES ON "+identifier(database)); !strings.Contains(policies, "48h0m0s") {
			t.Errorf("results are not kept for two days: %s", policies)
		}
		second, err := admin.Setup(t.Context(), SetupOptions{Retention: 48 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if len(second.Done) > 0 || second.WriteToken != "" || second.ReadToken != "" || len(second.Found) != 4 {
			t.Errorf("the second time: %+v", second)
		}
	}
}

// A login page that says 200 to everything has acknowledged nothing, and no token goes
// where it points.
func TestOnlyTheServersWordCounts(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	for _, a := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		reason perigee.RefusalReason
		after  time.Duration
	}{
		{"a login page", 200, map[string]string{"Content-Type": "text/html"}, "<html>", perigee.RefusedUnreachable, 0},
		{"a redirect to it", 302, map[string]string{"Location": other.URL}, "", perigee.RefusedUnreachable, 0},
		{"moved for good", 308, map[string]string{"Location": other.URL}, "", perigee.RefusedSetup, 0},
		{"a proxy that knows no such path", 404, map[string]string{"Content-Type": "text/html"}, "<html>", perigee.RefusedSetup, 0},
		{"a proxy without its server", 502, nil, "bad gateway", perigee.RefusedUnreachable, 0},
		{"a slow one", 504, nil, "", perigee.RefusedUnreachable, 0},
		{"a crash", 500, map[string]string{"X-Influxdb-Version": "1.8.10"}, `{"error":"engine is closed"}`, perigee.RefusedUnreachable, 0},
		{"busy", 503, map[string]string{"Retry-After": "7"}, "", perigee.RefusedBusy, 7 * time.Second},
		{"too many", 429, map[string]string{"Date": "Mon, 02 Mar 2026 10:00:00 GMT", "Retry-After": "Mon, 02 Mar 2026 10:01:00 GMT"}, "", perigee.RefusedBusy, time.Minute},
		{"too large", 413, nil, "", perigee.RefusedTooLarge, 0},
		{"partial", 422, map[string]string{"X-Influxdb-Version": "v2.7.1", "Content-Type": "application/json"}, `{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=1"}`, perigee.RefusedContent, 0},
		{"full", 400, map[string]string{"X-Influxdb-Version": "1.8.10"}, `{"error":"partial write: max-values-per-tag limit exceeded (1/1): dropped=1"}`, perigee.RefusedSetup, 0},
		{"2.x without its bucket, as documented", 404, map[string]string{"Content-Type": "application/json"}, `{"code":"not found","message":"bucket \"b\" not found"}`, perigee.RefusedSetup, 0},
		{"2.x with a wrong token, as documented", 401, map[string]string{"Content-Type": "application/json"}, `{"code":"unauthorized","message":"unauthorized access"}`, perigee.RefusedSetup, 0},
		{"2.x with a reading token, as documented", 403, map[string]string{"Content-Type": "application/json"}, `{"code":"forbidden","message":"insufficient permissions for write"}`, perigee.RefusedSetup, 0},
	} {
		t.Run(a.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range a.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(a.status)
				fmt.Fprint(w, a.body)
			}))
			t.Cleanup(server.Close)
			err := open(t, Options{URL: server.URL, Bucket: "b", Token: "secret"}).Write(t.Context(), aWindow())
			r, ok := errors.AsType[*perigee.Refusal](err)
			if !ok || r.Reason != a.reason || r.RetryAfter != a.after || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
	if elsewhere > 0 {
		t.Errorf("%d requests were carried elsewhere", elsewhere)
	}
}

// A server that accepts and then is silent is given up on, and a caller who has enough
// is let go.
func TestSilenceEnds(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	err := open(t, Options{URL: server.URL, Bucket: "b", Timeout: time.Millisecond}).Write(t.Context(), aWindow())
	if r, ok := errors.AsType[*perigee.Refusal](err); !ok || r.Reason != perigee.RefusedUnreachable || !strings.Contains(r.Message, "within 1ms") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, Options{URL: server.URL, Bucket: "b"}).Write(ctx, aWindow()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
