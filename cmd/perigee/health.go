package main

import (
	"context"
	"crypto/tls"
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
	Address string `arg:"" optional:"" default:"${listen}" placeholder:"HOST:PORT" help:"Where it listens (default ${default}); https://HOST:PORT if it speaks TLS."`
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
	base := c.Address
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	err := askHealth(ctx, base, path)
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
	status, body, err := request(ctx, base, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf("%s%s answers %d %s: %s", base, path, status, http.StatusText(status), body)}
	}
	return nil
}

// answers returns why the process that serves at base does not answer; nil if it does,
// whatever the answer.
func answers(ctx context.Context, base string) error {
	_, _, err := request(ctx, base, "/healthz")
	return err
}

// request asks once, with no proxy between a machine and itself and no connection kept for
// the next time, which may be minutes away. Certificates are not checked: nothing secret is
// told, and of the answer nothing is believed but that somebody is there.
func request(ctx context.Context, base, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := strings.TrimRight(base, "/") + path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%q is not an address such as 127.0.0.1:8480", base), Err: err}
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return 0, "", &perigee.Error{Code: perigee.CodeUnavailable, Message: "ask " + url, Err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return 0, "", &perigee.Error{Code: perigee.CodeUnavailable, Message: "ask " + url, Err: err}
	}
	return response.StatusCode, strings.TrimSpace(string(text)), nil
}
