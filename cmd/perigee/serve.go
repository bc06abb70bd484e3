package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/storage/influx"
)

// serveCommand answers the API and the page from InfluxDB. It measures nothing and keeps
// nothing, so that any number of them may run.
type serveCommand struct {
	configFlag `embed:""`
	Listen     string `placeholder:"HOST:PORT" help:"Where the API and the page listen. Default: api.listen of the configuration."`
}

// Run implements the command.
func (c serveCommand) Run(ctx context.Context, s streams) error {
	file, err := c.find()
	if err != nil {
		return err
	}
	if file == "" {
		return &perigee.Error{Code: perigee.CodeInvalid,
			Message: fmt.Sprintf("no configuration found in %v; name one whose storage.influxdb says which database to show: perigee serve -c FILE", configPlaces)}
	}
	loaded, err := config.LoadServe(file)
	if err != nil {
		return err
	}
	client, err := openInflux(loaded.InfluxDB, influx.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	if c.Listen == "" {
		c.Listen = loaded.API.Listen
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	s.notef("perigee: serving from %s, bucket %s", loaded.InfluxDB.URL, loaded.InfluxDB.Bucket)
	for _, w := range loaded.Warnings {
		s.notef("warning: %s", w)
	}
	s.notef("  page and API at http://%s/", listener.Addr())
	return api.Serve(ctx, listener, serveHandler(s, client.Store()))
}

// serveHandler answers the API and the page from a store that somebody else fills.
func serveHandler(s streams, store perigee.Store) http.Handler {
	return api.New(api.Options{
		Store:   store,
		Version: buildInfo().Version,
		Now:     time.Now,
		Ready: func(ctx context.Context) []api.Check {
			ctx, cancel := context.WithTimeout(ctx, readyTimeout)
			defer cancel()
			_, err := store.Links(ctx)
			return []api.Check{checkOf("influxdb", err)}
		},
		Export: func(ctx context.Context, w io.Writer, format string, q perigee.Query) error {
			return export(ctx, w, store, format, false, q)
		},
		Log: slog.New(slog.NewTextHandler(s.err, nil)),
	})
}

// readyTimeout bounds how long /readyz waits for a database.
const readyTimeout = 5 * time.Second

// checkOf is a check that failed if err is not nil.
func checkOf(name string, err error) api.Check {
	if err != nil {
		return api.Check{Name: name, Reason: err.Error()}
	}
	return api.Check{Name: name, OK: true}
}
