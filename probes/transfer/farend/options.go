package farend

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// Options say whom a far end serves and how much. Key must be set; elsewhere zero means
// the default.
type Options struct {
	Key wire.Key // who has it is served

	// TLS, if not nil, has the certificate to speak TLS 1.3 with, and nothing else.
	TLS *tls.Config

	MaxClients    int // sessions at once; 8
	MaxPerAddress int // of these from one address (IPv6: one /64); 4

	MaxDuration    time.Duration // of a session's payload; 1 minute
	MaxBytes       int64         // of a session's payload; 10 GB
	MaxBytesPerDay int64         // of payload of one address in a UTC day; 100 GB

	// Congestion lists what clients may ask the far end to send with. With none, the
	// system's choice is all there is.
	Congestion []string

	// MaxStrangers is how many connections may be open at once that have not proved
	// the key yet; 256. One more makes the oldest go, of the address with most.
	MaxStrangers     int
	HandshakeTimeout time.Duration // for all of a connection's handshake; 10 s

	SetupTimeout time.Duration // from the grant to payload; 30 s
	IdleTimeout  time.Duration // without payload moving, then a session ends; 20 s

	Log *slog.Logger // nil for none
}

// Check says what Serve would refuse of o, or nil.
func (o Options) Check() error {
	_, err := o.complete()
	return err
}

// complete returns o with defaults, or says what cannot be.
func (o Options) complete() (Options, error) {
	if o.Key.IsZero() {
		return o, errors.New("far end: there is no key; without one anybody could use it (perigee reflect --new-key FILE makes one)")
	}
	defaultTo(&o.MaxClients, 8)
	defaultTo(&o.MaxPerAddress, 4)
	defaultTo(&o.MaxDuration, time.Minute)
	defaultTo(&o.MaxBytes, 10e9)
	defaultTo(&o.MaxBytesPerDay, 100e9)
	defaultTo(&o.MaxStrangers, 256)
	defaultTo(&o.HandshakeTimeout, 10*time.Second)
	defaultTo(&o.SetupTimeout, 30*time.Second)
	defaultTo(&o.IdleTimeout, 20*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, n := range []int64{int64(o.MaxClients), int64(o.MaxPerAddress), o.MaxBytes, o.MaxBytesPerDay, int64(o.MaxStrangers),
		int64(o.MaxDuration), int64(o.HandshakeTimeout), int64(o.SetupTimeout), int64(o.IdleTimeout)} {
		if n < 0 {
			return o, fmt.Errorf("far end: a limit of %d is below zero", n)
		}
	}
	if o.MaxDuration > wire.MaxDuration {
		return o, fmt.Errorf("far end: a session of %v is longer than the protocol's %v", o.MaxDuration, wire.MaxDuration)
	}
	if o.MaxBytes > wire.MaxBytes {
		return o, fmt.Errorf("far end: a session of %d bytes is more than the protocol's %d", o.MaxBytes, int64(wire.MaxBytes))
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.MinVersion = tls.VersionTLS13
		o.TLS.SessionTicketsDisabled = true // each connection is proved anew; tickets would be spent for nothing
	}
	return o, o.checkCongestion()
}

func defaultTo[T int | int64 | time.Duration](value *T, to T) {
	if *value == 0 {
		*value = to
	}
}

// checkCongestion finds out now what a client would be told later.
func (o Options) checkCongestion() error {
	if len(o.Congestion) == 0 {
		return nil
	}
	known, err := bind.Congestions()
	if err != nil {
		return fmt.Errorf("far end: congestion control cannot be chosen: %w", err)
	}
	for _, name := range o.Congestion {
		if !slices.Contains(known, name) {
			return fmt.Errorf("far end: congestion control %q cannot be chosen here, only %s; load it (`modprobe tcp_%s`) and allow it "+
				"(`sysctl net.ipv4.tcp_allowed_congestion_control`), or leave it out", name, strings.Join(known, ", "), name)
		}
	}
	return nil
}
