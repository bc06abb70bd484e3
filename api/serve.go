package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"perigee/api/access"
)

const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 16 << 10
	shutdownTimeout = 5 * time.Second

	// maxConnections and maxConnectionsEach bound the connections that are open, and
	// those of one address: at some 50 KiB each with TLS they fit a small machine.
	maxConnections     = 1024
	maxConnectionsEach = 256

	// maxStreams bounds the requests at one time in one connection of HTTP/2.
	maxStreams = 64
)

type stoppingKey struct{}

// stopping returns a channel that is closed when the server that gave ctx begins to
// stop; nil, which is never ready, if there is no such server.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}

// Serve answers requests on listener until ctx ends, then lets requests finish for at
// most five seconds; streams end at once. It closes the listener and returns nil if
// ctx ended, else why it cannot go on. Slow and oversized requests are cut off.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	return ServeTLS(ctx, listener, handler, nil)
}

// ServeTLS is Serve that speaks TLS, if certificates are not nil: HTTP/1.1 and HTTP/2,
// with the certificate that is in force when a connection begins.
func ServeTLS(ctx context.Context, listener net.Listener, handler http.Handler, certificates *access.Certificates) error {
	base := context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, ctx.Done())
	connections := access.NewConnections(listener, maxConnections, maxConnectionsEach)
	server := &http.Server{
		ConnState:         connections.State,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		// What the library logs are the faults of clients, who could fill a disk so.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		if certificates == nil {
			failed <- server.Serve(connections)
			return
		}
		server.TLSConfig = certificates.Config()
		failed <- server.ServeTLS(connections, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(deadline)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-failed
	if err != nil {
		return fmt.Errorf("stop serving %s: %w", listener.Addr(), err)
	}
	return nil
}
