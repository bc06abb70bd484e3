package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"perigee"
	"perigee/api"
)

// answering returns what every process of ours says that answers the API from a store, to
// those who may ask.
func answering(s streams, store perigee.Store, d door) api.Options {
	return api.Options{
		Keys:         d.keys,
		Certificates: d.certificates,
		Origins:      d.origins,
		Store:        store,
		Version:      buildInfo().Version,
		Now:          time.Now,
		Export: func(ctx context.Context, w io.Writer, format string, q perigee.Query) error {
			return export(ctx, w, store, format, false, q)
		},
		Log: s.log(),
	}
}

// log is where a process tells its operator what it cannot tell a client.
func (s streams) log() *slog.Logger { return slog.New(slog.NewTextHandler(s.err, nil)) }

// readyTimeout bounds how long /readyz waits for a database.
const readyTimeout = 5 * time.Second

// checkOf is a check that failed if err is not nil.
func checkOf(name string, err error) api.Check {
	if err != nil {
		return api.Check{Name: name, Reason: err.Error()}
	}
	return api.Check{Name: name, OK: true}
}
