package influx

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"perigee"
)

var _ perigee.Sink = (*Client)(nil)

// Write implements perigee.Sink. It sends all entries in one request and returns nil
// when the server has acknowledged it. Errors are *perigee.Refusal. An entry that
// cannot be encoded is refused for its content before anything is sent.
func (c *Client) Write(ctx context.Context, entries []perigee.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var lines []byte
	for _, e := range entries {
		var err error
		if lines, err = appendEntry(lines, e, c.options.Instance); err != nil {
			return &perigee.Refusal{Reason: perigee.RefusedContent, Message: "it cannot be written as line protocol", Err: err}
		}
	}
	t, ok := c.writeLines(ctx, lines)
	if !ok {
		return t.refusal()
	}
	return nil
}

// writeLines sends lines and reports true when they are acknowledged, which is 204 and
// nothing else: a login page says 200 to everything.
func (c *Client) writeLines(ctx context.Context, lines []byte) (trouble, bool) {
	body, err := compress(lines)
	if err != nil {
		return trouble{reason: perigee.RefusedContent, code: perigee.CodeInternal, message: "it cannot be compressed", err: err}, false
	}
	parameters := url.Values{"bucket": {c.options.Bucket}, "precision": {"ns"}}
	if c.options.Org != "" {
		parameters.Set("org", c.options.Org)
	}
	response, err := c.call(ctx, http.MethodPost, "/api/v2/write", parameters, bytes.NewReader(body),
		"Content-Type", "text/plain; charset=utf-8", "Content-Encoding", "gzip")
	if err != nil {
		return c.unanswered(err), false
	}
	if response.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return trouble{}, true
	}
	return c.understand(readAnswer(response)), false
}

// compress packs lines in memory, so that the request has a length, and can be sent
// again on a new connection if the server had just closed the old one.
func compress(lines []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(lines); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return packed.Bytes(), nil
}
