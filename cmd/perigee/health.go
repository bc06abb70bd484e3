package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"perigee"
)

// healthTimeout is how long a process that is well may take to say so.
const healthTimeout = 10 * time.Second

// askHealth asks the process that serves at base, such as http://127.0.0.1:8480, whether
// it is there, at /healthz, or whether all of it works, at /readyz. The error says what it
// answered.
func askHealth(ctx context.Context, base, path string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := strings.TrimRight(base, "/") + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%q is not an address such as http://127.0.0.1:8480", base), Err: err}
	}
	// No proxy stands between a machine and itself, and no connection is kept for the
	// next time, which may be minutes away.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: "ask " + url, Err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: "ask " + url, Err: err}
	}
	if response.StatusCode != http.StatusOK {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(body)))}
	}
	return nil
}
