package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5/middleware"
)

// withCompression compresses answers of JSON for clients that take gzip. What is streamed
// has other media types and goes out as it is written: events must not wait for more to
// compress.
func withCompression(next http.Handler) http.Handler {
	compressed := middleware.Compress(gzip.DefaultCompression, "application/json", problemType, openAPIType)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !takesGzip(r.Header) {
			w.Header().Add("Vary", "Accept-Encoding")
			next.ServeHTTP(w, r)
			return
		}
		// The library looks for names alone, so that it would take a refusal for
		// consent, and it knows the encoding deflate, of which browsers know two.
		r.Header.Set("Accept-Encoding", "gzip")
		compressed.ServeHTTP(w, r)
	})
}

// takesGzip reports whether a client accepts gzip (RFC 9110 section 12.5.3).
func takesGzip(h http.Header) bool {
	named, any, isNamed := false, false, false
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		quality, weighed := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
		q, err := strconv.ParseFloat(quality, 64)
		accepted := !weighed || err == nil && q > 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			named, isNamed = named || accepted, true
		case "*":
			any = any || accepted
		}
	}
	return named || any && !isNamed
}

// gzipped returns content compressed as far as it goes, and whether it is shorter so.
func gzipped(content []byte) ([]byte, bool) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // only for a level that there is not
	}
	_, _ = w.Write(content) // a buffer takes all
	_ = w.Close()
	return b.Bytes(), b.Len() < len(content)
}
