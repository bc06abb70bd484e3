package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"perigee"
	"perigee/api/access"
	"perigee/api/client"
	"perigee/internal/config"
)

// tokenVariable names the token that commands show a monitor that asks for one. An
// argument would be seen by everybody who lists processes.
const tokenVariable = "PERIGEE_TOKEN"

// monitorAt returns a client of the monitor at address, by c if that is not nil.
func monitorAt(address string, c *http.Client) (*client.Client, error) {
	monitor, err := client.New(address, c)
	if err != nil {
		return nil, err
	}
	return monitor.WithToken(strings.TrimSpace(os.Getenv(tokenVariable))), nil
}

// ownMonitor returns a client of the monitor that runs on this machine with settings. Its
// certificate need not be of a name of this machine's, nor of anybody who is trusted: it
// must be the very one that settings name.
func ownMonitor(settings config.API) (*client.Client, error) {
	host, port, err := net.SplitHostPort(settings.Listen)
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen address %q is not HOST:PORT", settings.Listen), Err: err}
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
		if addr.Is6() {
			host = "::1"
		}
	}
	address := net.JoinHostPort(host, port)
	if settings.TLS == nil {
		return monitorAt("http://"+address, nil)
	}
	pair, err := access.ReadCertificate(settings.TLS.Certificate)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // in favour of what is stricter, below
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, pair.Raw) {
				return errors.New("what answers shows another certificate than the one that is configured")
			}
			return nil
		},
	}}
	return monitorAt("https://"+address, &http.Client{Transport: transport})
}

// withTokenAdvice says, of the failure to show a monitor a token, how a command is given
// one.
func withTokenAdvice(err error) error {
	if e, ok := errors.AsType[*perigee.Error](err); ok && e.Code == perigee.CodeUnauthenticated {
		return &perigee.Error{Code: e.Code, Message: fmt.Sprintf("the running monitor asks for a token (%s); put one into the environment as %s", strings.SplitN(e.Message, ":", 2)[0], tokenVariable)}
	}
	return err
}
