package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/internal/lab"
)

// TestHangupSignsNobodyOut reads the configuration of the real daemon again while somebody
// is signed in, listens, and while somebody else tries tokens.
func TestHangupSignsNobodyOut(t *testing.T) {
	if isolated(t) {
		return
	}
	newLab(t, quick("a"), quick("b"))
	dir := t.TempDir()
	file := filepath.Join(dir, "perigee.yaml")
	configure := func(links string) {
		text := fmt.Sprintf("links: [%s]\ntargets: [{name: far, address: %s}]\nprobes: {icmp: {interval: 50ms, window: 1s, loss_timeout: 300ms}}\nstorage: {path: %s}\n"+
			"api: {listen: \"127.0.0.1:0\", tokens_file: %s}\n", links, lab.Target(), filepath.Join(dir, "store"), filepath.Join(dir, "tokens"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("{name: a, orbit: terrestrial, interface: a0}")
	out, stderr, status := perigeeRun(t, "token", "add", "ann", "-c", file)
	if status != exitDone {
		t.Fatal(stderr)
	}
	token := strings.TrimSpace(out)
	p := startProcess(t, file)

	do := func(method, path, body, bearer string, cookie *http.Cookie) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		if cookie != nil {
			r.AddCookie(cookie)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	code := func(bearer string, cookie *http.Cookie) int {
		t.Helper()
		r := do(http.MethodGet, "/api/v1/links", "", bearer, cookie)
		r.Body.Close()
		return r.StatusCode
	}
	begun := do(http.MethodPost, "/api/v1/session", "{}", token, nil)
	begun.Body.Close()
	if len(begun.Cookies()) != 1 {
		t.Fatalf("a session: %s", begun.Status)
	}
	cookie := begun.Cookies()[0]

	live := do(http.MethodGet, "/api/v1/live", "", "", cookie)
	defer live.Body.Close()
	if live.StatusCode != http.StatusOK {
		t.Fatalf("/live: %s", live.Status)
	}
	heard, over := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(live.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") {
				heard <- lines.Text()
			}
		}
	}()
	hears := func(words string) {
		t.Helper()
		within(t, "an event with "+words, func() bool {
			for {
				select {
				case text := <-heard:
					if strings.Contains(text, words) {
						return true
					}
				case <-over:
					t.Fatal("the stream has ended")
				default:
					return false
				}
			}
		})
	}
	hears(`"link":"a"`)
	wrong := token[:len(token)-4] + "aaaa"
	within(t, "the limit of wrong tokens", func() bool { return code(wrong, nil) == http.StatusTooManyRequests })

	configure("{name: a, orbit: terrestrial, interface: a0}, {name: b, orbit: terrestrial, interface: b0}")
	p.hangup()
	if got := code("", cookie); got != http.StatusOK {
		t.Errorf("the session after the configuration was read again: %d", got)
	}
	tried := 0 // an address that was never heard of has ten
	within(t, "the limit again", func() bool { tried++; return code(wrong, nil) == http.StatusTooManyRequests })
	if tried > 8 {
		t.Errorf("%d wrong tokens until the limit, want what has grown back", tried)
	}
	hears(`"link":"b"`) // on the same stream

	if _, stderr, status := perigeeRun(t, "token", "revoke", "ann", "-c", file); status != exitDone {
		t.Fatal(stderr)
	}
	within(t, "the end of the session", func() bool { return code("", cookie) == http.StatusUnauthorized })
	within(t, "the end of the stream", func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	p.stop()
}
