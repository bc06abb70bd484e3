package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"perigee"
	"perigee/probes/transfer/farend"
	"perigee/probes/transfer/wire"
)

// reflectCommand is the far end of throughput tests.
type reflectCommand struct {
	Listen  string `placeholder:"HOST:PORT" help:"TCP address to listen on, e.g. :4862 for port 4862 of all addresses. There is no default."`
	KeyFile string `placeholder:"FILE" type:"path" help:"File with the key that clients must have. Needed."`
	NewKey  string `placeholder:"FILE" type:"path" help:"Write a new key to FILE, which must not exist, readable by its owner alone, and end."`
	TLSCert string `placeholder:"FILE" name:"tls-cert" type:"path" help:"Speak TLS with this certificate (PEM, self-signed will do: the key proves who is there)."`
	TLSKey  string `placeholder:"FILE" name:"tls-key" type:"path" help:"The certificate's private key."`

	MaxClients     int           `placeholder:"N" default:"8" help:"Tests served at once (default ${default})."`
	MaxPerAddress  int           `placeholder:"N" default:"4" help:"Of these, from one address (default ${default})."`
	MaxDuration    time.Duration `placeholder:"DURATION" default:"1m" help:"Longest test, at most 5m (default ${default})."`
	MaxBytes       byteCount     `placeholder:"BYTES" default:"10GB" help:"Payload of one test (default ${default})."`
	MaxBytesPerDay byteCount     `placeholder:"BYTES" default:"100GB" help:"Payload of one address in a UTC day (default ${default})."`
	Congestion     []string      `placeholder:"NAME" help:"What clients may have the far end send with, e.g. cubic,bbr,reno. Default: the system's choice alone."`

	JSON bool `name:"json" help:"Status lines as JSON on standard output."`
}

// Run implements the command.
func (c reflectCommand) Run(ctx context.Context, s streams) error {
	if c.NewKey != "" {
		return c.writeKey(s)
	}
	o, err := c.options(s)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process as it would any other
	listener, err := listenTCP(ctx, c.Listen)
	if err != nil {
		return err
	}
	c.announce(s, listener.Addr(), o)
	defer service{
		progress: func(context.Context) error { return nil }, // of what hangs in it, nothing tells
		status:   func() string { return "far end at " + listener.Addr().String() },
	}.tell(ctx, s)()
	if err := farend.Serve(ctx, listener, o); err != nil {
		return &perigee.Error{Code: perigee.CodeInternal, Message: "reflect", Err: err}
	}
	o.Log.Info("stopped")
	return nil
}

// writeKey makes a key file.
func (c reflectCommand) writeKey(s streams) error {
	if c.Listen != "" || c.KeyFile != "" {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "--new-key writes a key and ends; run perigee reflect again to listen"}
	}
	f, err := os.OpenFile(c.NewKey, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--new-key: %s exists and is left as it is; name another file, or remove it first", c.NewKey)}
		}
		return fileError("--new-key", err)
	}
	_, err = io.WriteString(f, wire.NewKey().Reveal()+"\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fileError("--new-key", err), os.Remove(c.NewKey))
	}
	s.notef("perigee: wrote a new key to %s\n  give the far end and its sites a copy each, by a way that others cannot read", c.NewKey)
	return nil
}

// fileError is the failure to read or write the file that a flag names.
func fileError(flag string, err error) error {
	code := perigee.CodeInvalid
	if errors.Is(err, fs.ErrPermission) {
		code = perigee.CodePermission
	}
	return &perigee.Error{Code: code, Message: flag, Err: err}
}

// options turns the flags into what the far end takes.
func (c reflectCommand) options(s streams) (farend.Options, error) {
	o := farend.Options{
		MaxClients: c.MaxClients, MaxPerAddress: c.MaxPerAddress, MaxDuration: c.MaxDuration,
		MaxBytes: int64(c.MaxBytes), MaxBytesPerDay: int64(c.MaxBytesPerDay), Congestion: c.Congestion, Log: c.log(s),
	}
	for _, limit := range []struct {
		flag string
		n    int64
	}{
		{"max-clients", int64(c.MaxClients)}, {"max-per-address", int64(c.MaxPerAddress)}, {"max-duration", int64(c.MaxDuration)},
		{"max-bytes", int64(c.MaxBytes)}, {"max-bytes-per-day", int64(c.MaxBytesPerDay)},
	} {
		if limit.n <= 0 {
			return o, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--%s must be more than 0", limit.flag)}
		}
	}
	if c.KeyFile == "" {
		return o, &perigee.Error{Code: perigee.CodeInvalid,
			Message: "there is no key, and without one anybody could use this far end; make one with \"perigee reflect --new-key FILE\" and name it with --key-file"}
	}
	var err error
	if o.Key, err = readKey(s, c.KeyFile); err != nil {
		return o, err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return o, &perigee.Error{Code: perigee.CodeInvalid, Message: "TLS needs both --tls-cert and --tls-key"}
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return o, fileError("--tls-cert, --tls-key", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if err := o.Check(); err != nil {
		return o, &perigee.Error{Code: perigee.CodeInvalid, Message: "reflect", Err: err}
	}
	return o, nil
}

// readKey reads the far end's key, and says so if others can.
func readKey(s streams, file string) (wire.Key, error) {
	f, err := os.Open(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return wire.Key{}, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--key-file: there is no %s; make it with \"perigee reflect --new-key %s\"", file, file)}
		}
		return wire.Key{}, fileError("--key-file", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		s.notef("warning: %s can be read by others than its owner; chmod 600 it, or make a new key if they did", file)
	}
	key, err := wire.ReadKey(f)
	if err != nil {
		return wire.Key{}, fileError("--key-file "+file, err)
	}
	return key, nil
}

// listenTCP listens where the operator says, which may be all addresses: who comes must
// have the key.
func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, &perigee.Error{Code: perigee.CodeInvalid,
			Message: fmt.Sprintf("--listen %q is not HOST:PORT; say where to listen, e.g. --listen :%d for all addresses of this machine", address, wire.DefaultPort)}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--listen %s: the port is in use; choose another", address), Err: err}
	case err != nil:
		return nil, fileError("--listen "+address, err)
	}
	return listener, nil
}

// announce says what is served to whom.
func (c reflectCommand) announce(s streams, address net.Addr, o farend.Options) {
	if c.JSON {
		o.Log.Info("listening", "address", address.String(), "tls", o.TLS != nil, "max_clients", c.MaxClients, "max_per_address", c.MaxPerAddress,
			"max_duration_seconds", c.MaxDuration.Seconds(), "max_bytes", int64(c.MaxBytes), "max_bytes_per_day", int64(c.MaxBytesPerDay), "congestion", c.Congestion)
		return
	}
	over := ""
	if o.TLS != nil {
		over = " with TLS"
	}
	congestion := "the system's"
	if len(c.Congestion) > 0 {
		congestion = strings.Join(c.Congestion, ", ")
	}
	s.notef("perigee: far end at %s, TCP%s, for clients with the key in %s", address, over, c.KeyFile)
	s.notef("  %d tests at once, %d of one address; each at most %v and %v, an address %v a day", c.MaxClients, c.MaxPerAddress, c.MaxDuration, c.MaxBytes, c.MaxBytesPerDay)
	s.notef("  congestion control: %s; stop with Ctrl-C or SIGTERM", congestion)
}

// log is where the far end tells what happens.
func (c reflectCommand) log(s streams) *slog.Logger {
	if !c.JSON {
		return s.log()
	}
	return slog.New(slog.NewJSONHandler(s.out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.MessageKey {
			a.Key = "event"
		}
		return a
	}}))
}

// byteCount is a number of bytes as people write it: 500MB, 10GB, or digits alone.
type byteCount int64

// byteUnits are decimal, as those of data plans.
var byteUnits = []struct {
	name string
	size float64
}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *byteCount) UnmarshalText(text []byte) error {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*u.size <= 1e15) {
			break
		}
		*b = byteCount(n * u.size)
		return nil
	}
	return fmt.Errorf("%q is not a number of bytes; write one such as 500MB or 10GB", text)
}

// String returns b with a unit.
func (b byteCount) String() string { return byteSize(float64(b)) }
