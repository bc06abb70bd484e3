package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"perigee"
	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// timeMargin is how much longer than its duration a transfer asks for, so that it is
// ended from here, where all is known, and not from there.
const timeMargin = 5 * time.Second

// setUp opens all connections of r. What it opened is closed by r.close.
func (r *run) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTime, fmt.Errorf("not connected within %v", setupTime))
	defer cancel()
	control, remote, err := r.o.dial(ctx)
	if err != nil {
		return err
	}
	r.control = control
	r.account.open(control, false)
	r.price.secured = r.o.TLS != nil
	r.remote = remote.Addr()
	if device, err := r.o.Binder.Counters(r.remote); err == nil {
		r.deviceBase, r.deviceKnown = device.IPBytes()-r.account.look().wire, true
	}
	if err := r.askForSession(ctx); err != nil {
		return r.failed("asking the far end", err)
	}
	r.connect = control.timing
	r.proof = r.proofOf(remote)
	if r.rtt = r.o.RTT; r.rtt <= 0 {
		r.rtt = control.timing.TCP
		if info, err := bind.ReadTCPInfo(control.raw); err == nil && info.MinRTT > 0 {
			r.rtt = info.MinRTT
		}
	}
	if err := r.openStreams(ctx, remote); err != nil {
		return r.failed("opening the streams", err)
	}
	return nil
}

// failed says what failed, with the code that it means for the user.
func (r *run) failed(doing string, err error) error {
	code := perigee.CodeUnavailable
	if refusal, ok := errors.AsType[*wire.Refusal](err); ok {
		switch refusal.Code {
		case wire.RefusedKey:
			code = perigee.CodePermission
		case wire.RefusedVersion, wire.RefusedRequest, wire.RefusedCongestion:
			code = perigee.CodeInvalid
		}
	}
	if e, ok := errors.AsType[*perigee.Error](err); ok {
		code = e.Code
	}
	return &perigee.Error{Code: code, Message: "transfer: " + r.o.Address + ": " + doing, Err: err}
}

// askForSession does the handshake on the control connection.
func (r *run) askForSession(ctx context.Context) error {
	ask := wire.Start{
		Direction:   wire.Up,
		Streams:     r.o.Streams,
		MaxDuration: wire.Seconds(min(r.o.MaxDuration+timeMargin, wire.MaxDuration)),
	}
	if r.o.down() {
		ask.Direction, ask.Congestion = wire.Down, r.o.Congestion
	}
	if r.o.MaxBytes > 0 {
		if ask.MaxBytes = min(r.allowance(), wire.MaxBytes); ask.MaxBytes < leastAllowance {
			return errCap()
		}
	}
	watch := &stopwatch{Conn: r.control.Conn}
	err := r.control.within(ctx, func() (err error) {
		r.granted, err = wire.OpenControl(watch, r.control.secret, ask)
		return err
	})
	r.control.timing.FirstByte = watch.took()
	return err
}

// setupBytes is what opening a connection takes on the wire, in both directions: measured,
// and rounded up.
const (
	setupBytes    = 1500
	setupBytesTLS = 6000
)

// allowance returns how much payload the cap leaves.
func (r *run) allowance() int64 {
	r.price.mss, r.price.header = 0, 0
	if info, err := bind.ReadTCPInfo(r.control.raw); err == nil {
		r.price.mss, r.price.header = info.SndMSS, info.SegmentHeader(r.control.six)
	}
	r.price = r.price.orAssumed()
	each := int64(setupBytes)
	if r.price.secured {
		each = setupBytesTLS
	}
	return r.price.allowance(r.o.MaxBytes, int64(r.o.Streams+1)*each)
}

// openStreams opens the data connections, all at once: over a satellite each takes
// seconds.
func (r *run) openStreams(ctx context.Context, remote netip.AddrPort) error {
	r.data = make([]*connection, r.o.Streams)
	errs := make([]error, r.o.Streams)
	var wg sync.WaitGroup
	for i := range r.data {
		wg.Go(func() {
			c, err := r.o.connect(ctx, remote, r.prepare)
			if err == nil {
				r.data[i] = c
				err = c.within(ctx, func() error { return wire.OpenData(c, c.secret, r.granted.Session, i) })
			}
			if err != nil {
				errs[i] = fmt.Errorf("stream %d: %w", i, err)
			}
		})
	}
	wg.Wait()
	for _, c := range r.data {
		if c != nil {
			r.account.open(c, true)
		}
	}
	return errors.Join(errs...)
}

// prepare sets up a data connection's socket before it connects.
func (r *run) prepare(c syscall.RawConn) error {
	need := bind.NeededBuffer(r.rtt, r.o.Streams)
	if r.o.down() {
		r.warn(bind.SetBuffers(c, need, 0))
		return nil
	}
	r.warn(bind.SetBuffers(c, 0, need))
	if err := bind.LimitNotSent(c, notSentLimit); err != nil && bind.ReasonOf(err) != bind.ReasonUnsupported {
		return err
	}
	if r.o.Congestion == "" {
		return nil
	}
	return bind.SetCongestion(c, r.o.Congestion)
}

// warn passes a warning on, once.
func (r *run) warn(err error) {
	if err != nil {
		r.warned.Do(func() { r.o.OnWarning("the rate may be held back: " + err.Error()) })
	}
}

// proofOf returns the evidence of the way to remote.
func (r *run) proofOf(remote netip.AddrPort) perigee.Proof {
	proof := perigee.Proof{Remote: remote.Addr()}
	if local, err := netip.ParseAddrPort(r.control.tcp.LocalAddr().String()); err == nil {
		proof.Local = local.Addr().Unmap()
	}
	if path, err := r.o.Binder.Path(remote.Addr()); err == nil {
		proof.InterfaceIndex, proof.InterfaceName = path.Index, path.Name
	}
	return proof
}
