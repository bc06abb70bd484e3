package influx

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	service "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// Client speaks with one InfluxDB server about one bucket. It is safe for concurrent
// use. It keeps nothing and retries nothing: what a call could not do is its error.
type Client struct {
	options   Options
	transport *http.Transport
	library   influxdb2.Client
	service   service.Service

	detecting sync.Mutex // held while the server is asked
	dialect   Dialect    // guarded by detecting; empty until the server told
	version   string     // guarded by detecting; as the server told
}

// Open returns a client for o. It does no I/O: that the server cannot be reached shows
// when it is used. It fails with CodeInvalid for options that cannot work anywhere.
func Open(o Options) (*Client, error) {
	o, _, err := o.check()
	if err != nil {
		return nil, err
	}
	c := &Client{options: o}
	c.transport = &http.Transport{
		DialContext:           o.Dial,
		TLSHandshakeTimeout:   o.Timeout,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
	if o.Dial == nil {
		c.transport.Proxy = http.ProxyFromEnvironment
		c.transport.DialContext = (&net.Dialer{Timeout: o.Timeout}).DialContext
	}
	// A redirect is an answer like any other: followed, it would carry the token
	// to wherever it points.
	client := &http.Client{
		Transport:     c.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.library, c.service = c.speak(client, o.Token)
	return c, nil
}

// speak returns the library's client and service with a token.
func (c *Client) speak(client *http.Client, token string) (influxdb2.Client, service.Service) {
	options := influxdb2.DefaultOptions().SetApplicationName("perigee").SetHTTPClient(client)
	library := influxdb2.NewClientWithOptions(c.options.URL, token, options)
	library.HTTPService().SetAuthorization(authorization(token))
	return library, library.HTTPService()
}

// authorization returns the header that carries token.
func authorization(token string) string {
	switch {
	case token == "":
		return ""
	case strings.Contains(token, ":") && strings.Contains(token, " "):
		// A password of 1.8 with a space: it splits the other header there.
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(token))
	}
	return "Token " + token
}

// Close closes the connections that are idle. Calls under way end by themselves.
func (c *Client) Close() error {
	c.library.Close()
	c.transport.CloseIdleConnections()
	return nil
}

// errSilent is the cause of giving up on a server that does not go on.
var errSilent = errors.New("no answer in time")

// call sends a request to a path under the server's URL and returns its answer, whose
// body the caller closes. It gives up when the server is silent for as long as the
// timeout, before it answers or between two parts of the answer. Headers are given as
// key, value, …
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body io.Reader, headers ...string) (*http.Response, error) {
	target := strings.TrimRight(c.service.ServerURL(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(c.options.Timeout, func() { cancel(errSilent) })
	end := func() {
		silence.Stop()
		cancel(context.Canceled)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		end()
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.service.DoHTTPRequestWithResponse(request, nil)
	if err != nil {
		err = cause(ctx, err)
		end()
		return nil, err
	}
	silence.Reset(c.options.Timeout)
	response.Body = &watched{ReadCloser: response.Body, ctx: ctx, silence: silence, timeout: c.options.Timeout, end: end}
	return response, nil
}

// cause returns why the call failed: that of ctx if it ended, else err without the
// URL, which those who report it name themselves.
func cause(ctx context.Context, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// watched is a body that gives up when nothing comes for the timeout.
type watched struct {
	io.ReadCloser
	ctx     context.Context
	silence *time.Timer
	timeout time.Duration
	end     func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.silence.Reset(w.timeout)
	}
	if err != nil && err != io.EOF {
		err = cause(w.ctx, err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.end()
	return w.ReadCloser.Close()
}

// place names the server in messages.
func (c *Client) place() string { return fmt.Sprintf("InfluxDB at %s", c.options.URL) }
