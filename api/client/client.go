// Package client asks a perigee monitor over its HTTP interface. It answers with the
// wire types of package api and fails with *perigee.Error, made of the problem document
// that the monitor sent or of what went wrong on the way.
//
// A Client is safe for concurrent use. It sets no deadlines of its own: the caller's
// context says how long an answer may take.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"perigee"
	"perigee/api"
)

// maxAnswer bounds an answer that is read into memory: some 100,000 points of a series.
const maxAnswer = 64 << 20

// Client asks one monitor.
type Client struct {
	base  *url.URL
	http  *http.Client
	token string
}

// New returns a client of the monitor at address, e.g. "http://127.0.0.1:8480". It uses
// http.DefaultClient if c is nil. It fails with CodeInvalid if address is not an http
// or https URL.
func New(address string, c *http.Client) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("monitor address %q: write it like http://127.0.0.1:8480", address), Err: err}
	}
	if c == nil {
		c = http.DefaultClient
	}
	return &Client{base: base, http: c}, nil
}

// WithToken returns a client that shows token with each request; none if it is empty.
func (c *Client) WithToken(token string) *Client {
	with := *c
	with.token = token
	return &with
}

// Filter narrows a question; what is zero is left to the monitor, which then takes the
// last hour and every stream.
type Filter struct {
	Site     string
	Link     string
	Target   string
	Family   perigee.Family
	Load     perigee.Load
	From, To time.Time
}

func (f Filter) values() url.Values {
	v := url.Values{}
	set(v, "site", f.Site)
	set(v, "link", f.Link)
	set(v, "target", f.Target)
	set(v, "family", string(f.Family))
	set(v, "load", string(f.Load))
	setTime(v, "from", f.From)
	setTime(v, "to", f.To)
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setTime(v url.Values, name string, t time.Time) {
	if !t.IsZero() {
		v.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

// Monitor returns what the process is that answers.
func (c *Client) Monitor(ctx context.Context) (api.MonitorResponse, error) {
	var monitor api.MonitorResponse
	return monitor, c.get(ctx, "monitor", nil, &monitor)
}

// Links returns every link as it does now.
func (c *Client) Links(ctx context.Context) ([]api.Link, error) {
	var links []api.Link
	return links, c.get(ctx, "links", nil, &links)
}

// Link returns one link with its newest samples. It fails with CodeNotFound if there
// is none of this name.
func (c *Client) Link(ctx context.Context, name string) (api.LinkDetail, error) {
	var link api.LinkDetail
	return link, c.get(ctx, "links/"+url.PathEscape(name), nil, &link)
}

// Summary returns what f.Link did over a range.
func (c *Client) Summary(ctx context.Context, f Filter) (api.SummaryResponse, error) {
	v := f.values()
	v.Del("link")
	var summary api.SummaryResponse
	return summary, c.get(ctx, "links/"+url.PathEscape(f.Link)+"/summary", v, &summary)
}

// Series returns a metric of f.Link over time. A step of 0 is chosen by the monitor.
func (c *Client) Series(ctx context.Context, metric perigee.MetricName, step time.Duration, f Filter) (api.SeriesResponse, error) {
	v := f.values()
	set(v, "metric", string(metric))
	if step != 0 {
		v.Set("step", step.String())
	}
	var series api.SeriesResponse
	return series, c.get(ctx, "series", v, &series)
}

// Outages returns the outages that overlap a range.
func (c *Client) Outages(ctx context.Context, f Filter) ([]api.Outage, error) {
	var outages []api.Outage
	return outages, c.get(ctx, "outages", f.values(), &outages)
}

// Gaps returns the gaps that overlap a range; of f, Site, Link, From and To are used.
func (c *Client) Gaps(ctx context.Context, f Filter) ([]api.Gap, error) {
	var gaps []api.Gap
	return gaps, c.get(ctx, "gaps", Filter{Site: f.Site, Link: f.Link, From: f.From, To: f.To}.values(), &gaps)
}

// ThroughputFilter narrows a question for transfers further; what is zero is left to the
// monitor. A Filter's Load is the direction.
type ThroughputFilter struct {
	Filter
	Method perigee.Method
	Limit  int // only so many, the newest

	// WithoutSeries leaves series out, which are most of an answer.
	WithoutSeries bool
}

// Throughputs returns transfers that began in a range.
func (c *Client) Throughputs(ctx context.Context, f ThroughputFilter) ([]api.Throughput, error) {
	v := f.values()
	v.Del("load")
	set(v, "direction", string(f.Load))
	set(v, "method", string(f.Method))
	if f.Limit != 0 {
		v.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.WithoutSeries {
		v.Set("series", "false")
	}
	var list []api.Throughput
	return list, c.get(ctx, "throughput", v, &list)
}

// Budget returns what was moved over each link, and what may still be. It fails with
// CodeNotFound if the process keeps no account.
func (c *Client) Budget(ctx context.Context) ([]api.LinkBudget, error) {
	var list []api.LinkBudget
	return list, c.get(ctx, "budget", nil, &list)
}

// StartProbe asks for a measurement and returns at once; Probe tells what came of it. It
// fails with CodeNotFound if the process makes none.
func (c *Client) StartProbe(ctx context.Context, p api.ProbeRequest) (api.Probe, error) {
	var probe api.Probe
	return probe, c.post(ctx, "probes", p, &probe)
}

// Probe returns how a measurement does that was asked for.
func (c *Client) Probe(ctx context.Context, id string) (api.Probe, error) {
	var probe api.Probe
	return probe, c.get(ctx, "probes/"+url.PathEscape(id), nil, &probe)
}

// Outbox returns how forwarding to InfluxDB does. It fails with CodeNotFound if none is
// configured, as do all below that are about it.
func (c *Client) Outbox(ctx context.Context) (api.OutboxResponse, error) {
	var outbox api.OutboxResponse
	return outbox, c.get(ctx, "outbox", nil, &outbox)
}

// DeadLetters returns results that InfluxDB will never take as they are, newest first, at
// most limit; 0 leaves that to the monitor.
func (c *Client) DeadLetters(ctx context.Context, limit int) ([]api.DeadLetter, error) {
	v := url.Values{}
	if limit != 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	var letters []api.DeadLetter
	return letters, c.get(ctx, "outbox/dead-letters", v, &letters)
}

// Resend makes dead letters pending again, all if no id is given, and returns how many.
func (c *Client) Resend(ctx context.Context, ids ...int64) (int, error) {
	var in api.ResendRequest
	if len(ids) > 0 {
		in.IDs = &ids
	}
	var out api.ResendResponse
	err := c.post(ctx, "outbox/resend", in, &out)
	return out.Resent, err
}

// Retry lets the monitor try at once what waits to be forwarded, and returns how
// forwarding does before the outcome is known.
func (c *Client) Retry(ctx context.Context) (api.OutboxResponse, error) {
	var outbox api.OutboxResponse
	return outbox, c.post(ctx, "outbox/retry", api.RetryRequest{}, &outbox)
}

// Export writes the samples of a range to w in format csv, jsonl or lp. If it fails, w
// may have been given a part.
func (c *Client) Export(ctx context.Context, w io.Writer, format string, resolution perigee.Resolution, f Filter) error {
	v := f.values()
	set(v, "format", format)
	set(v, "resolution", string(resolution))
	body, err := c.open(ctx, "export", v)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return unavailable("export was cut off: ask again", err)
	}
	return nil
}

// Event is one event of the live stream: the field that its kind names is set.
type Event struct {
	Sample     *api.Sample
	Throughput *api.Throughput
	Outage     *api.Outage
	Gap        *api.Gap
}

// Live yields what the monitor stores as it does. It ends with an error, when the
// connection breaks or ctx ends, and never otherwise. Events while nobody is connected
// are not repeated.
func (c *Client) Live(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		body, err := c.open(ctx, "live", nil)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, 1<<20)
		var kind string
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				kind = value
			case "data":
				event, known, err := decode(kind, []byte(value))
				if err != nil {
					yield(Event{}, err)
					return
				}
				if known && !yield(event, nil) {
					return
				}
			}
		}
		err = lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(Event{}, unavailable("live stream ended: connect again", err))
	}
}

// decode reads an event. It reports false for a kind that a later version has added.
func decode(kind string, data []byte) (e Event, known bool, err error) {
	switch kind {
	case "sample":
		err = json.Unmarshal(data, &e.Sample)
	case "throughput":
		err = json.Unmarshal(data, &e.Throughput)
	case "outage":
		err = json.Unmarshal(data, &e.Outage)
	case "gap":
		err = json.Unmarshal(data, &e.Gap)
	default:
		return Event{}, false, nil
	}
	if err == nil && e == (Event{}) {
		err = fmt.Errorf("an event of kind %s holds nothing", kind)
	}
	if err != nil {
		return Event{}, false, foreign(err)
	}
	return e, true, nil
}

// get asks for path and decodes the answer into v.
func (c *Client) get(ctx context.Context, path string, query url.Values, v any) error {
	body, err := c.open(ctx, path, query)
	if err != nil {
		return err
	}
	return read(body, v)
}

// post asks for a change at path, which in tells of, and decodes the answer into v.
func (c *Client) post(ctx context.Context, path string, in, v any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return &perigee.Error{Code: perigee.CodeInternal, Message: "request cannot be written", Err: err}
	}
	body, err := c.do(ctx, http.MethodPost, path, nil, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return read(body, v)
}

// read decodes the body of an answer into v, and closes it.
func read(body io.ReadCloser, v any) error {
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return unavailable("answer was cut off: ask again", err)
	}
	if len(b) > maxAnswer {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("answer is longer than %d MiB: ask for a shorter range", maxAnswer>>20)}
	}
	if err := json.Unmarshal(b, v); err != nil {
		return foreign(err)
	}
	return nil
}

// open asks for path and returns the body of a success.
func (c *Client) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path, query, nil)
}

// do sends a request, with a body of JSON if there is one, and returns the body of a
// success.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	address := strings.TrimSuffix(c.base.String(), "/") + "/api/v1/" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "monitor address cannot be asked: check it", Err: err}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, unavailable(fmt.Sprintf("monitor at %s does not answer: check that it runs", c.base.Host), err)
	}
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusAccepted {
		return response.Body, nil
	}
	defer response.Body.Close()
	return nil, failure(response)
}

// failure makes an error of an answer that is no success.
func failure(response *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return unavailable("answer was cut off: ask again", err)
	}
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var p api.Problem
	if mediaType != "application/problem+json" || json.Unmarshal(bytes.TrimSpace(b), &p) != nil || p.Code == "" || p.Detail == "" {
		return foreign(fmt.Errorf("status %s", strconv.Itoa(response.StatusCode)))
	}
	message := p.Detail
	if p.Remedy != "" {
		message += ": " + strings.TrimSuffix(p.Remedy, ".")
	}
	return &perigee.Error{Code: perigee.Code(printable(p.Code, 40)), Message: printable(message, 1000)}
}

// printable returns text for a terminal, at most that many bytes of it: who answers at an
// address may be anybody.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func unavailable(message string, err error) error {
	return &perigee.Error{Code: perigee.CodeUnavailable, Message: message, Err: err}
}

// foreign is the error of an answer that no monitor gives.
func foreign(err error) error {
	return &perigee.Error{Code: perigee.CodeInvalid, Message: "answer is not a perigee monitor's: check the address and its port", Err: err}
}
