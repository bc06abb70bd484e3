package influx

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"perigee"
	"perigee/storage/storagetest"
)

// FuzzAnswer gives the client what any server may say instead of doing what it was asked:
// whatever it is, what a user reads of it is one short line, and nobody is left alone for
// longer than a day.
func FuzzAnswer(f *testing.F) {
	f.Add(401, "application/json; charset=utf-8", "", []byte(`{"code":"unauthorized","message":"unauthorized access"}`))
	f.Add(400, "application/json", "", []byte(`{"error":"partial write: field type conflict: input field \"rtt\" dropped=1"}`))
	f.Add(503, "text/html", "120", []byte("<html>\n<body>Bad gateway"))
	f.Add(429, "", "Wed, 21 Oct 2026 07:28:00 GMT", []byte("slow\x00down\n\n\xff"))
	f.Add(302, "text/plain", "18446744073709551616", bytes.Repeat([]byte("é"), 400))
	client, err := Open(Options{URL: "http://192.0.2.1:8086", Bucket: "perigee"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, kind, after string, body []byte) {
		header := http.Header{"Content-Type": {kind}, "Retry-After": {after}}
		a := readAnswer(&http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))})
		if a.after < 0 || a.after > 24*time.Hour {
			t.Errorf("Retry-After %q is %v", after, a.after)
		}
		for _, trouble := range []trouble{client.understand(a), client.misunderstood(a)} {
			err := trouble.failure()
			if perigee.CodeOf(err) == "" || trouble.message == "" {
				t.Errorf("%q is %+v", body, trouble)
			}
			if text := err.Error(); len(text) > 5000 || strings.ContainsFunc(text, control) {
				t.Errorf("%q is said as %q", body, text)
			}
		}
	})
}

// answering is a server that gives the same answer to every question.
type answering struct {
	body  []byte
	asked int
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked++
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/csv"}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

// through returns a client that asks by transport alone.
func through(t testing.TB, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := Open(Options{URL: "http://192.0.2.1:8086", Bucket: "perigee"})
	if err != nil {
		t.Fatal(err)
	}
	c.library, c.service = c.speak(&http.Client{Transport: transport}, "")
	return c
}

// rowsOf returns what InfluxDB answers about points with one field each.
func rowsOf(kind, column string, lines ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "#datatype,string,long,dateTime:RFC3339,%s,string,string,string,string,string,string,string,string,string\r\n", kind)
	b.WriteString("#group,false,false,false,false,true,true,true,true,true,true,true,true,true\r\n#default,_result,,,,,,,,,,,,\r\n")
	fmt.Fprintf(&b, ",result,table,_time,_value,_field,_measurement,site,link,target,method,family,load,%s\r\n", column)
	for i, line := range lines {
		fmt.Fprintf(&b, ",,%d,%s\r\n", i, line)
	}
	return []byte(b.String() + "\r\n")
}

// FuzzRows gives a Store whatever a server answers to its questions. What it makes of it
// is in order and in range, or an error that says whose fault it is; it asks no more often
// than answers are good for, and what is in range is given back as it was.
func FuzzRows(f *testing.F) {
	const names = "home,geo,cloudflare,icmp,ipv4,idle,00c0ffee"
	at := time.Unix(1_772_402_400, 0).UTC()
	s := storagetest.NewGenerator(4).Sample(storagetest.Stream("geo", "cloudflare"), at)
	s.Singletons = nil
	time := at.Format(time.RFC3339Nano)
	state := time + "," + base64.StdEncoding.EncodeToString(appendState(nil, &s)) + ",state,rtt," + names
	sketch := time + "," + base64.StdEncoding.EncodeToString(s.RTT.Sketch.Encode()) + ",sketch,rtt," + names
	transfer := perigee.Throughput{Stream: s.Stream, Start: at, Length: 10e9, Bytes: 1e6, Streams: 1, Stop: perigee.StoppedAtTime, SeriesStep: 1e8, Series: []int64{5e5, 5e5}}
	f.Add(rowsOf("string", "instance", state, sketch))
	f.Add(rowsOf("string", "instance", state))
	f.Add(rowsOf("string", "instance", time+","+base64.StdEncoding.EncodeToString(transfer.Pack(nil))+",state,throughput,"+names))
	f.Add(rowsOf("long", "reason", time+",1772402460000000000,end_ns,outage,"+names, time+",9,probes,outage,"+names))
	f.Add(rowsOf("long", "orbit", time+",1772402400000000000,first_ns,link,"+names, time+",1772402460000000000,last_ns,link,"+names))
	f.Add(rowsOf("double", "kind", "1677-10-01T00:00:00Z,1e300,length_seconds,rtt,"+names))
	f.Add([]byte("#datatype,string,long\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,Failed to parse query,897\r\n"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		server := &answering{body: body}
		store := through(t, server).Store()
		ctx := t.Context()
		for _, q := range []perigee.Query{{}, {From: at.Add(-1), To: at.Add(1)}} {
			from, to := span(q)
			inside := func(start int64) {
				if start < from || start >= to {
					t.Errorf("what began at %d is not within %d to %d", start, from, to)
				}
			}
			links, err := store.Links(ctx)
			checkStoreError(t, err)
			for i, l := range links {
				if i > 0 && links[i-1].Site.Name == l.Site.Name && links[i-1].Link.ID == l.Link.ID {
					t.Errorf("link %q of site %q stands twice", l.Link.ID, l.Site.Name)
				}
			}
			var samples []perigee.Sample
			for s, err := range store.Samples(ctx, q) {
				if checkStoreError(t, err); err != nil {
					break
				}
				samples = append(samples, s)
			}
			if !slices.IsSortedFunc(samples, inOrder) {
				t.Error("samples are not in order")
			}
			for s, err := range store.Throughputs(ctx, q) {
				if checkStoreError(t, err); err != nil {
					break
				}
				inside(s.Start.UnixNano())
			}
			outages, err := store.Outages(ctx, q)
			checkStoreError(t, err)
			for _, o := range outages {
				if !overlaps(o.Start.UnixNano(), o.End.UnixNano(), from, to) {
					t.Errorf("outage %v to %v does not overlap the range", o.Start, o.End)
				}
			}
			_, err = store.Gaps(ctx, q)
			checkStoreError(t, err)
			events, err := store.Events(ctx, q)
			checkStoreError(t, err)
			for _, e := range events {
				inside(e.Time.UnixNano())
			}
		}
		// A range of centuries is read in chunks of at most 400 days that grow
		// fourfold from the first on; each answer costs 4 questions at most.
		if server.asked > 5000 {
			t.Errorf("%d questions were asked for an answer of %d bytes", server.asked, len(body))
		}
	})
}

// checkStoreError fails for an error that does not say whose fault it is.
func checkStoreError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if e, ok := errors.AsType[*perigee.Error](err); !ok || e.Code == "" || e.Message == "" {
		t.Errorf("error %T %v", err, err)
	}
}

// FuzzHealth gives the client whatever a server says it is. A version that is taken is one
// that perigee can speak with, and what the server says of itself ends up in no message
// but in one line.
func FuzzHealth(f *testing.F) {
	for _, body := range []string{
		`{"name":"influxdb","message":"ready for queries and writes","status":"pass","version":"1.8.10"}`, `{"name":"influxdb","version":"v2.7.1"}`,
		`{"name":"influxdb","version":"3.0"}`, `{"name":"influxdb"}`, `{"name":"influxdb","version":"dev"}`, "<html>", "{}", "null", `{"name":"influxdb","version":"1.8` + "\u2028" + `"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := through(t, &answering{body: body})
		dialect, err := c.Detect(t.Context())
		if err != nil {
			checkStoreError(t, err)
			if text := err.Error(); len(text) > 5000 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q is said as %q", body, text)
			}
			return
		}
		if !json.Valid(body) || dialect != V1 && dialect != V2 || !utf8.ValidString(c.version) {
			t.Errorf("%q is taken for %s %q", body, dialect, c.version)
		}
	})
}
