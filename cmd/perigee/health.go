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

// healthCommand asks a running process whether it is well, for health checks of
// containers and scripts, which have no other client at hand.
type healthCommand struct {
	Address string `arg:"" optional:"" default:"${listen}" placeholder:"HOST:PORT" help:"Where it listens (default ${default})."`
	Ready   bool   `help:"Ask whether all of it works, database and every stream included, not only whether it is there."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// healthVerdict is what the command prints with --json.
type healthVerdict struct {
	Address string `json:"address"`
	Healthy bool   `json:"healthy"`
	Reason  string `json:"reason,omitempty"`
}

// Run implements the command.
func (c healthCommand) Run(ctx context.Context, s streams) error {
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	err := askHealth(ctx, "http://"+c.Address, path)
	if c.JSON {
		v := healthVerdict{Address: c.Address, Healthy: err == nil}
		if err != nil {
			v.Reason = err.Error()
		}
		if err := writeJSON(s.out, v); err != nil {
			return err
		}
		if err != nil {
			return errExit(exitStatus(err))
		}
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s is well\n", c.Address)
	return err
}

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
