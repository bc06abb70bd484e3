package dashboards_test

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"perigee/api"
	"perigee/api/access"
	"perigee/dashboards/webtest"
)

// TestPageAsksForAToken signs in to a monitor that asks for tokens, and out again.
func TestPageAsksForAToken(t *testing.T) {
	t.Parallel()
	store, _, to := home(t)
	file := filepath.Join(t.TempDir(), "tokens")
	_, token, err := access.Add(file, "ann", access.ScopeRead, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.New(api.Options{
		Store: store, Version: "test", Now: func() time.Time { return to.Add(5 * time.Second) }, Feed: &api.Feed{},
		Keys: access.OpenKeyring(file, time.Now, slog.New(slog.DiscardHandler)),
	}))
	t.Cleanup(server.Close)
	webtest.Run(t, server.URL, nil, webtest.Check{"name": "session", "token": token})
}
