package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"perigee"
)

const (
	// heartbeat is how often a comment is sent on a quiet /live, so that proxies
	// keep the connection and clients notice its end.
	heartbeat = 15 * time.Second

	// writeTimeout is how long a client may take to accept one write.
	writeTimeout = 30 * time.Second
)

// live streams events until the client goes, falls behind, or the server stops.
func (s *server) live(context.Context, *struct{}) (*huma.StreamResponse, error) {
	if s.feed == nil {
		return nil, newProblem(perigee.CodeUnavailable, "this process does not measure, so it has nothing live to tell",
			"Ask the monitor itself, or poll /api/v1/links.")
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humachi.Unwrap(ctx)
		client, ok := s.feed.subscribe(askerOf(r.Context()).key)
		if !ok {
			newProblem(perigee.CodeUnavailable, "too many clients listen to /live", "Poll /api/v1/links instead, or try again.").write(w)
			return
		}
		defer s.feed.unsubscribe(client)
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // nginx would hold events back
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return
		}
		s.stream(r.Context(), w, client)
	}}, nil
}

func (s *server) stream(ctx context.Context, w http.ResponseWriter, client *liveClient) {
	out := http.NewResponseController(w)
	send := func(b []byte) bool {
		// Not every writer can set deadlines; a stuck one then ends with its
		// connection.
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.Write(b); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send([]byte("retry: 3000\n\n")) {
		return
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stopping(ctx):
			return
		case event, open := <-client.events:
			if !s.stillKnown(ctx) {
				return
			}
			if !open {
				send([]byte(": too slow, connect again\n\n"))
				return
			}
			if !send(event) {
				return
			}
		case <-beat.C:
			if !s.stillKnown(ctx) {
				return
			}
			if !send([]byte(": alive\n\n")) {
				return
			}
		}
	}
}
