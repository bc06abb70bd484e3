package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5/middleware"

	"perigee"
)

const (
	// queryTimeout is how long an answer may take to work out.
	queryTimeout = 30 * time.Second

	// maxBody bounds request bodies: thousands of ids.
	maxBody = 64 << 10
)

// securityHeaders stand on every answer. The page needs nothing from elsewhere, and no
// other page may frame or read it.
var securityHeaders = map[string]string{
	"Content-Security-Policy":      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Cache-Control":                "no-store",
}

func withSecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range securityHeaders {
			w.Header().Set(name, value)
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// withHostCheck refuses requests that reached the loopback interface under a name
// that is not the machine's own: a page from elsewhere whose name was made to resolve
// to 127.0.0.1 (DNS rebinding) would otherwise read everything. A reverse proxy on
// the same machine either sends such a name or one of allowed.
func withHostCheck(allowed []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			if onLoopback(local) && !ownHost(r.Host, allowed) {
				newProblem(perigee.CodePermission, fmt.Sprintf("host %q is not a name of this machine's loopback interface", r.Host),
					"Use http://localhost or http://127.0.0.1 with the monitor's port.").write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func onLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func ownHost(host string, allowed []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "."), "["), "]"))
	if host == "localhost" || slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// withRecovery turns a panic into an internal error, or breaks the connection if an
// answer has begun or the panic means to.
func (s *server) withRecovery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			err := fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			s.report(r, err)
			if out.Status() != 0 {
				panic(http.ErrAbortHandler)
			}
			problemOf(err).write(out)
		}()
		next.ServeHTTP(out, r)
	})
}

// strictly refuses parameters that the operation does not know, that stand twice or
// that are empty: a misspelt from would otherwise answer a question nobody asked.
func strictly(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	var known []string
	for _, p := range ctx.Operation().Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	if p := checkQuery(r.URL.RawQuery, known); p != nil {
		p.write(w)
		return
	}
	next(ctx)
}

// withDeadlines limits how long an answer may take to work out and to write. Streams
// keep their own.
func withDeadlines(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().Metadata["streamed"] == true {
		next(ctx)
		return
	}
	_, w := humachi.Unwrap(ctx)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(queryTimeout + writeTimeout)) // unsupported by some writers
	limited, cancel := context.WithTimeout(ctx.Context(), queryTimeout)
	defer cancel()
	next(huma.WithContext(ctx, limited))
}
