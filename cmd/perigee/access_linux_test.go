package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"perigee/api/access/accesstest"
	"perigee/internal/lab"
)

// TestRunAsksForTokens runs the daemon where other machines could reach it, and changes
// its tokens and its certificate while it measures. Everything it wrote is searched for
// the tokens.
func TestRunAsksForTokens(t *testing.T) {
	beside(t)
	if isolated(t) {
		return
	}
	newLab(t, quick("main"))
	dir := t.TempDir()
	accesstest.WritePair(t, dir, "first", time.Now().AddDate(0, 1, 0))
	file := filepath.Join(dir, "perigee.yaml")
	text := fmt.Sprintf(`links: [{name: one, orbit: terrestrial, interface: main0}]
targets: [{name: far, address: %s}]
probes: {icmp: {interval: 20ms, window: 1s, loss_timeout: 100ms}}
storage: {path: %s}
api: {listen: "0.0.0.0:0", tokens_file: %[3]s/tokens, tls: {certificate: %[3]s/monitor.pem, key: %[3]s/monitor.key}}
`, lab.Target(), filepath.Join(dir, "store"), dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	add := func(name string) string {
		stdout, stderr, status := perigeeRun(t, "token", "add", name, "-c", file)
		if status != exitDone {
			t.Fatal(stderr)
		}
		tokens = append(tokens, strings.TrimSpace(stdout))
		return strings.TrimSpace(stdout)
	}
	first := add("first")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr log
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--config=" + file}, strings.NewReader(""), &stdout, &stderr)
	}()
	address := regexp.MustCompile(`https://\[::\]:(\d+)/|https://0\.0\.0\.0:(\d+)/`)
	within(t, "the daemon to listen", func() bool { return address.MatchString(stderr.String()) })
	found := address.FindStringSubmatch(stderr.String())
	url := "https://127.0.0.1:" + found[1] + found[2]
	if !strings.Contains(stderr.String(), "(for who has a token)") || strings.Contains(stderr.String(), "NOT ENCRYPTED") {
		t.Errorf("the daemon says of its door:\n%s", stderr.String())
	}

	var said strings.Builder
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ask := func(path, token string) (status int, body, certificate string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&said, "%v\n%s\n", response.Header, b)
		return response.StatusCode, string(b), response.TLS.PeerCertificates[0].Subject.CommonName
	}
	if status, body, _ := ask("/api/v1/links", ""); status != 401 {
		t.Errorf("without a token %d %s", status, body)
	}
	if status, body, _ := ask("/api/v1/links", first); status != 200 || !strings.Contains(body, `"link":"one"`) {
		t.Errorf("with a token %d %s", status, body)
	}
	if status, body, _ := ask("/", ""); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("the page %d %.100s", status, body)
	}

	second := add("second")
	within(t, "the new token to be good", func() bool { status, _, _ := ask("/metrics", second); return status == 200 })
	if _, stderr, status := perigeeRun(t, "token", "revoke", "first", "-c", file); status != exitDone {
		t.Fatal(stderr)
	}
	within(t, "the old token to be refused", func() bool { status, _, _ := ask("/api/v1/links", first); return status == 401 })
	accesstest.WritePair(t, dir, "second", time.Now().AddDate(0, 1, 0))
	within(t, "the new certificate", func() bool { _, _, name := ask("/healthz", ""); return name == "second" })

	// A broken file is told of, by the log, the doctor and a metric, and changes nothing.
	good, err := os.ReadFile(filepath.Join(dir, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokens"), []byte("perigee-tokens 1\n"+second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, "the metric of a broken file", func() bool {
		status, body, _ := ask("/metrics", second)
		return status == 200 && strings.Contains(body, `perigee_access_file_usable{file="tokens"} 0`)
	})
	if !strings.Contains(stderr.String(), "the tokens file cannot be used") {
		t.Errorf("the log does not tell of the broken file:\n%s", stderr.String())
	}
	doctor, _, status := perigeeRun(t, "doctor", "-c", file)
	if status != exitUsage || !strings.Contains(doctor, "failed   tokens: ") || !strings.Contains(doctor, "ok       certificate: ") {
		t.Errorf("doctor: %d\n%s", status, doctor)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokens"), good, 0o600); err != nil {
		t.Fatal(err)
	}

	cancel()
	if status := <-ended; status != exitDone {
		t.Errorf("exit status %d\n%s", status, stderr.String())
	}
	for where, text := range map[string]string{"standard output": stdout.String(), "the log": stderr.String(), "what was answered": said.String(), "what the doctor said": doctor} {
		for _, token := range tokens {
			if strings.Contains(text, token[len(token)-52:]) {
				t.Errorf("%s has a token in it", where)
			}
		}
	}
}
