package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/influxdata/influxdb-client-go/v2/api"

	"perigee"
)

// query runs a Flux query and returns its rows, which the caller reads to the end or
// closes. Errors are *perigee.Error; those that come while reading go through
// interrupted.
func (c *Client) query(ctx context.Context, flux string) (*api.QueryTableResult, error) {
	body, err := json.Marshal(map[string]any{"query": flux, "type": "flux", "dialect": api.DefaultDialect()})
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInternal, Message: "Flux query cannot be encoded", Err: err}
	}
	parameters := url.Values{}
	if c.options.Org != "" {
		parameters.Set("org", c.options.Org)
	}
	response, err := c.call(ctx, http.MethodPost, "/api/v2/query", parameters, bytes.NewReader(body),
		"Content-Type", "application/json", "Accept", "application/csv")
	if err != nil {
		return nil, c.unanswered(err).failure()
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") == "text/html" {
		return nil, c.misunderstood(readAnswer(response)).failure()
	}
	return api.NewQueryTableResult(response.Body), nil
}

// interrupted returns the *perigee.Error of an error that ended the reading of rows.
func (c *Client) interrupted(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*perigee.Error](err); ok {
		return e
	}
	if spoken := (answer{status: http.StatusInternalServerError, words: shorten(err.Error()), database: true}); spoken.says("not found", "not authorized", "unauthorized") {
		return c.misunderstood(spoken).failure()
	}
	t := c.unanswered(err)
	if t.message == c.place()+" cannot be reached" {
		t.message, t.remedy = c.place()+" broke off while it answered", ""
	}
	return t.failure()
}

// misunderstood is understand for questions: one that the server cannot make sense of
// is ours to mend.
func (c *Client) misunderstood(a answer) trouble {
	t := c.understand(a)
	if a.database && (a.says("compilation failed", "error in building plan", "type error", "undefined identifier", "loc ") || t.reason == perigee.RefusedContent) {
		t.code, t.message, t.remedy = perigee.CodeInternal, c.place()+" does not understand the question: "+a.quote(), ""
	}
	return t
}
