package ookla

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/showwin/speedtest-go/speedtest"

	"perigee"
)

// never is longer than any child lives: the library must not end a transfer by its own
// notions of time and of stability.
const never = 24 * time.Hour

// newLibrary returns a client whose every request goes through tripper.
//
// The order matters. New first configures http.DefaultClient and makes it its own;
// WithDoer must come before WithUserConfig or that one configures the default client
// again; and both replace the doer's transport, so ours is set last.
func newLibrary(tripper http.RoundTripper, control func(network, address string, c syscall.RawConn) error, streams int) *speedtest.Speedtest {
	doer := new(http.Client)
	client := speedtest.New(
		speedtest.WithDoer(doer),
		// A Source that is the name of a device would be ignored without a word, so
		// that binding is left to the sockets' control.
		speedtest.WithUserConfig(&speedtest.UserConfig{DialerControl: control, MaxConnections: streams}),
	)
	doer.Transport = tripper
	client.SetCaptureTime(never)
	client.SetRateCaptureFrequency(never)
	return client
}

// findServer returns the server that is asked for, or the one that answers soonest if
// none is.
func findServer(ctx context.Context, client *speedtest.Speedtest, wanted string) (*speedtest.Server, error) {
	if wanted == "" {
		servers, err := client.FetchServerListContext(ctx)
		if err != nil {
			return nil, unavailable(err, "the list of servers cannot be had; name a server by host and port to do without")
		}
		// The library orders these by latency, and leaves out what does not answer.
		available := *servers.Available()
		if len(available) == 0 {
			return nil, unavailable(nil, "none of the %d servers in the list answers over this link", len(servers))
		}
		return available[0], nil
	}
	if _, err := strconv.ParseUint(wanted, 10, 32); err != nil {
		address := wanted
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		server, err := client.CustomServer(address)
		if err != nil || server.Host == "" {
			return nil, &perigee.Error{Code: perigee.CodeInvalid,
				Message: fmt.Sprintf("server %q: give its number, host:port, or https://host:port", wanted)}
		}
		return server, nil
	}
	server, err := client.FetchServerByIDContext(ctx, wanted)
	if errors.Is(err, speedtest.ErrServerNotFound) {
		return nil, &perigee.Error{Code: perigee.CodeNotFound,
			Message: "the directory of servers knows no server " + wanted + "; name another, or none to take the nearest"}
	}
	if err != nil {
		return nil, unavailable(err, "the directory cannot be asked for server %s; name a server by host and port to do without", wanted)
	}
	return server, nil
}

// describe names a server for people, and as a target.
func describe(s *speedtest.Server) (string, perigee.TargetID) {
	if s.ID == "Custom" {
		return s.Host, perigee.TargetID(s.Host)
	}
	return fmt.Sprintf("%s, %s (%s)", s.Sponsor, s.Name, s.ID), perigee.TargetID(s.ID)
}

// transferWith has the library make one request after the other, on as many goroutines
// as there are streams, until the process ends.
func transferWith(ctx context.Context, s *speedtest.Server, up bool) error {
	if up {
		return s.UploadTestContext(ctx)
	}
	return s.DownloadTestContext(ctx)
}

func unavailable(err error, format string, args ...any) error {
	return &perigee.Error{Code: perigee.CodeUnavailable, Message: fmt.Sprintf(format, args...), Err: err}
}
