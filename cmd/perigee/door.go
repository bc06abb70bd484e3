package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"perigee"
	"perigee/api/access"
	"perigee/internal/config"
)

// listenFlags say where the API and the page are served instead of where the
// configuration says.
type listenFlags struct {
	Listen   string   `placeholder:"HOST:PORT" help:"Where the API and the page listen. Default: api.listen of the configuration."`
	Insecure []string `enum:"no_tls,no_tokens" placeholder:"WORD" help:"What may be missing although other machines reach the address: no_tls (results and tokens can be read on the way), no_tokens (whoever reaches it may ask everything), or both. Default: api.insecure of the configuration."`
}

// apply puts the flags in the place of what the configuration says.
func (f listenFlags) apply(a *config.API) {
	if f.Listen != "" {
		a.Listen = f.Listen
	}
	for _, word := range f.Insecure {
		a.Insecure = append(a.Insecure, config.Insecurity(word))
	}
}

// A door is what stands between the API and those who ask. The zero value is open.
type door struct {
	keys         *access.Keyring      // nil: anybody may ask
	certificates *access.Certificates // nil: not encrypted
	origins      []string             // whose pages may read answers
}

// openDoor reads what a configured door needs.
func openDoor(s streams, settings config.API) (d door, err error) {
	d.origins = settings.Origins
	if t := settings.TLS; t != nil {
		if d.certificates, err = access.OpenCertificates(t.Certificate, t.Key, time.Now, s.log()); err != nil {
			return d, err
		}
	}
	if settings.TokensFile != "" {
		d.keys = access.OpenKeyring(settings.TokensFile, time.Now, s.log())
	}
	return d, nil
}

// scheme is that of the URLs behind d.
func (d door) scheme() string {
	if d.certificates != nil {
		return "https"
	}
	return "http"
}

// text says, for an address that other machines reach, what d lacks, and else whether it
// asks for tokens.
func (d door) text(address string) string {
	var parts []string
	if d.keys != nil {
		parts = append(parts, "for who has a token")
	}
	reached := !config.Loopback(address)
	if reached && d.keys == nil {
		parts = append(parts, "FOR ANYBODY WHO REACHES IT")
	}
	if reached && d.certificates == nil {
		parts = append(parts, "NOT ENCRYPTED")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// listen opens the listener of the API and the page, if what stands before it allows for
// who reaches it.
func listen(ctx context.Context, settings config.API) (net.Listener, error) {
	address := settings.Listen
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen address %q is not HOST:PORT, e.g. 127.0.0.1:8480", address)}
	}
	if open := settings.Exposed(address); len(open) > 0 {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen address %q is not loopback: %s. Or listen on 127.0.0.1 and let an SSH tunnel lead there", address, strings.Join(open, "; "))}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("listen on %s: the port is in use; is another perigee running? Choose another with --listen", address), Err: err}
	case err != nil:
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "listen on " + address, Err: err}
	}
	return listener, nil
}
