package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/storage/influx"
)

// serveCommand answers the API and the page from InfluxDB. It measures nothing and keeps
// nothing, so that any number of them may run.
type serveCommand struct {
	configFlag `embed:""`
	listenFlags
}

// Run implements the command.
func (c serveCommand) Run(ctx context.Context, s streams) error {
	loaded, err := c.loadServe("name one whose storage.influxdb says which database to show: perigee serve -c FILE")
	if err != nil {
		return err
	}
	client, err := openInflux(loaded.InfluxDB, influx.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	c.listenFlags.apply(&loaded.API)
	door, err := openDoor(s, loaded.API)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	listener, err := listen(ctx, loaded.API)
	if err != nil {
		return err
	}
	s.notef("perigee: serving from %s, bucket %s", loaded.InfluxDB.URL, loaded.InfluxDB.Bucket)
	for _, w := range loaded.Warnings {
		s.notef("warning: %s", w)
	}
	s.notef("  page and API at %s://%s/%s", door.scheme(), listener.Addr(), door.text(listener.Addr().String()))
	defer serving(listener.Addr(), loaded, door).tell(ctx, s)()
	return api.ServeTLS(ctx, listener, serveHandler(s, client.Store(), door), door.certificates)
}

// serving is what a server has to say. It is stuck if it does not answer itself; whether
// the database answers is for /readyz, since starting anew does not bring that back.
func serving(address net.Addr, c config.Serve, d door) service {
	return service{
		progress: func(ctx context.Context) error { return answers(ctx, d.scheme()+"://"+address.String()) },
		status:   func() string { return fmt.Sprintf("serving %s, bucket %s", c.InfluxDB.URL, c.InfluxDB.Bucket) },
	}
}

// serveHandler answers the API and the page from a store that somebody else fills.
func serveHandler(s streams, store perigee.Store, d door) http.Handler {
	o := answering(s, store, d)
	o.Ready = func(ctx context.Context) []api.Check {
		ctx, cancel := context.WithTimeout(ctx, readyTimeout)
		defer cancel()
		_, err := store.Links(ctx)
		return []api.Check{checkOf("influxdb", err)}
	}
	return api.New(o)
}

// loadServe reads of the configuration what a process needs that only speaks with the
// database. Where there is none, its error ends with advice.
func (f configFlag) loadServe(advice string) (config.Serve, error) {
	file, err := f.find()
	if err != nil {
		return config.Serve{}, err
	}
	if file == "" {
		return config.Serve{}, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("no configuration found in %v; %s", configPlaces, advice)}
	}
	return config.LoadServe(file)
}
