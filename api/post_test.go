package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzReadBody: whatever arrives, it is understood as what encoding/json reads strictly,
// or refused by a problem with a remedy.
func FuzzReadBody(f *testing.F) {
	for _, body := range []string{"{}", `{"ids":[7,3]}`, `{"ids":[]}`, `{"id":[7]}`, `{"ids":7}`, "[]", "null", `{"ids":[1e3]}`, "{}{}", "\xff", "\u00a0{}", `{"ids":[99999999999999999999]}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var in ResendRequest
		p := readBody(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), &in)
		if p == nil {
			if !json.Valid([]byte(body)) || !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
				t.Errorf("%q was understood as %+v", body, in)
			}
			return
		}
		if p.Status != http.StatusBadRequest || p.Detail == "" || p.Remedy == "" {
			t.Errorf("%q: %+v", body, p)
		}
	})
}
