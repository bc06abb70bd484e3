// Package api answers questions about stored measurements over HTTP: the versioned
// REST interface under /api/v1 with its OpenAPI 3.1 document, a stream of samples as
// they are stored, the Prometheus endpoint, the health endpoints and the page.
//
// It owns the wire: every JSON name lives here, in types that are built from domain
// types by the New… functions, so that a command that prints JSON prints what the
// interface answers. It owns no numbers: statistics come from the root package and
// are only written down here. An undefined value is null, never 0 and never absent.
// Times are RFC 3339 in UTC, durations are seconds, sizes are bytes, ratios 0 to 1.
//
// A handler reads one [perigee.Store] and holds no state of its own besides a [Feed],
// which the measuring process may fill. The few requests that change something are
// about the [Outbox] of that process. All exported functions are safe for concurrent
// use.
//
//	feed := &api.Feed{}
//	handler := api.New(api.Options{Store: store, Version: "1.0", Feed: feed})
//	err := api.Serve(ctx, listener, handler)
package api
