package api

import (
	"net/http"
	"slices"
)

// withOrigins lets pages of the allowed origins read answers, and nothing else: they are
// compared letter by letter, cookies are not taken from them, and what a page of another
// origin asks gets no header that would let it read the answer.
func withOrigins(allowed []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if len(allowed) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Add("Vary", "Origin")
			origin := r.Header.Get("Origin")
			if !slices.Contains(allowed, origin) {
				next.ServeHTTP(w, r)
				return
			}
			h.Set("Access-Control-Allow-Origin", origin)
			if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
				h.Set("Access-Control-Expose-Headers", "Location, Retry-After, WWW-Authenticate")
				next.ServeHTTP(w, r)
				return
			}
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// protection refuses changes that pages of other origins than the allowed ask for.
func protection(allowed []string) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	for _, origin := range allowed {
		if err := p.AddTrustedOrigin(origin); err != nil {
			panic(err) // what is no origin
		}
	}
	return p
}
