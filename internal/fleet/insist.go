package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"perigee"
)

const (
	// retryMin and retryMax bound the pause after a store was not available.
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second

	// grace is how long a write that was begun may go on after the fleet was told
	// to end.
	grace = 10 * time.Second
)

var errBusy = &perigee.Error{Code: perigee.CodeInvalid, Message: "fleet: it is running already"}

// insist calls write until it succeeds, ctx ends, or it fails for a reason that waiting
// does not cure. A write that was begun is finished though ctx ends meanwhile, so that
// what was stored is known.
func (f *Fleet) insist(ctx context.Context, write func(context.Context) error) error {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := patiently(ctx, write)
		f.ledger.tried(err)
		if err == nil {
			return nil
		}
		if perigee.CodeOf(err) != perigee.CodeUnavailable {
			return fmt.Errorf("fleet: %w", err)
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// patiently calls write with a context that ends a while after ctx.
func patiently(ctx context.Context, write func(context.Context) error) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if sleep(inner, grace) {
			cancel()
		}
	})
	defer stop()
	return write(inner)
}

// ended returns what Run returns for err.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return nil
	}
	return err
}
