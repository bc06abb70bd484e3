package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The report in a real browser, which has no network: it must ask for nothing, report no
// error, fit a phone, a desktop and paper.
func TestReportInABrowser(t *testing.T) {
	beside(t)
	chromium, err := findBrowser()
	if err != nil {
		t.Skip(err)
	}
	if isolated(t) {
		return
	}
	b := startBrowser(t, chromium)
	report := makeReport(t, "--store="+storedReport(t), "--timezone=Australia/Sydney")

	for _, c := range []struct {
		name          string
		width, height int
		media, scheme string
	}{
		{"phone", 360, 740, "screen", "light"},
		{"desktop", 1280, 900, "screen", "light"},
		{"dark", 1280, 900, "screen", "dark"},
		{"paper", 690, 980, "print", "dark"}, // A4 within its margins
	} {
		seen := b.open(report, c.width, c.height, c.media, c.scheme)
		if len(seen.requests) != 1 || !strings.HasPrefix(seen.requests[0], "file://") {
			t.Errorf("%s: it asked for %q, want itself alone", c.name, seen.requests)
		}
		if len(seen.complaints) > 0 {
			t.Errorf("%s: the browser says %q", c.name, seen.complaints)
		}
		if seen.content > c.width {
			t.Errorf("%s: the page is %d pixels wide, the screen %d: %s", c.name, seen.content, c.width, seen.wide)
		}
		if white := seen.ground == "rgb(255, 255, 255)"; white == (c.name == "dark") {
			t.Errorf("%s: the ground is %s", c.name, seen.ground)
		}
		if seen.hatch == 0 {
			t.Errorf("%s: the hatch is not drawn", c.name)
		}
	}
	if pages := b.pages(); pages < 5 || pages > 30 {
		t.Errorf("printed on %d pages", pages)
	}

	// The checks can fail: a page that does all that is wrong.
	bad := filepath.Join(t.TempDir(), "bad.html")
	if err := os.WriteFile(bad, []byte(`<!DOCTYPE html><img src="http://192.0.2.1/x.png"><script>console.error("wrong")</script><div style="width:3000px">x</div>`), 0o644); err != nil {
		t.Fatal(err)
	}
	if seen := b.open(bad, 360, 740, "screen", "light"); len(seen.requests) != 2 || len(seen.complaints) == 0 || seen.content <= 360 || seen.hatch != 0 {
		t.Errorf("a page that does everything wrong is seen as %+v", seen)
	}
}

// findBrowser returns the Chromium of this machine.
func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Chromium here to open the report in; install chromium")
}

// browser is a Chromium with one page, spoken to by the DevTools protocol over pipes.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	id      int
	seen    sight
	loaded  bool
}

// sight is what became of a page.
type sight struct {
	requests   []string
	complaints []string
	content    int    // width in pixels
	wide       string // the element that makes it so wide
	ground     string
	hatch      int // elements filled with the hatch
}

// message is one of the DevTools protocol, in either direction.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// startBrowser starts a browser that ends with the test.
func startBrowser(t *testing.T, chromium string) *browser {
	t.Helper()
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	cmd.ExtraFiles = []*os.File{in, out}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		to.Close() // it ends when nobody speaks to it
		if err := cmd.Wait(); err != nil && ctx.Err() != nil {
			t.Errorf("the browser did not end: %v\n%s", err, complaints.String())
		}
		cancel()
		from.Close()
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call asks and waits for the answer, keeping what happens meanwhile.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	line, err := json.Marshal(message{ID: b.id, SessionID: b.session, Method: method, Params: params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(line, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		m := b.next(method)
		if m.ID != b.id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v: %s", method, err, m.Result)
			}
		}
		return
	}
}

// next reads one message and notes it if it is an event.
func (b *browser) next(waitingFor string) message {
	b.t.Helper()
	line, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser ended while %s was awaited: %v", waitingFor, err)
	}
	var m message
	if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	switch m.Method {
	case "Network.requestWillBeSent":
		var p struct {
			Params struct{ Request struct{ URL string } }
		}
		if err := json.Unmarshal(line[:len(line)-1], &p); err != nil {
			b.t.Fatal(err)
		}
		b.seen.requests = append(b.seen.requests, p.Params.Request.URL)
	case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled":
		b.seen.complaints = append(b.seen.complaints, string(line[:len(line)-1]))
	case "Page.loadEventFired":
		b.loaded = true
	}
	return m
}

// open shows a file and tells what came of it.
func (b *browser) open(name string, width, height int, media, scheme string) sight {
	b.t.Helper()
	b.seen, b.loaded = sight{}, false
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": media, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.call("Page.navigate", map[string]any{"url": "file://" + name}, nil)
	for !b.loaded {
		b.next("the page")
	}
	var answer struct {
		Result struct{ Value string }
	}
	b.call("Runtime.evaluate", map[string]any{"returnByValue": true, "expression": `(() => {
		const scrolls = e => { for (; e; e = e.parentElement) if (getComputedStyle(e).overflowX === "auto") return true; return false }
		const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
		return JSON.stringify({
			content: Math.max(document.documentElement.scrollWidth, ...wide.map(e => Math.ceil(e.getBoundingClientRect().right))),
			wide: wide.length ? wide[0].outerHTML.slice(0, 200) : "",
			ground: getComputedStyle(document.body).backgroundColor,
			hatch: [...document.querySelectorAll("path")].filter(e => getComputedStyle(e).fill.includes("#hatch")).length,
		})
	})()`}, &answer)
	var measured struct {
		Content int
		Wide    string
		Ground  string
		Hatch   int
	}
	if err := json.Unmarshal([]byte(answer.Result.Value), &measured); err != nil {
		b.t.Fatalf("%v: %s", err, answer.Result.Value)
	}
	b.seen.content, b.seen.wide, b.seen.ground, b.seen.hatch = measured.Content, measured.Wide, measured.Ground, measured.Hatch
	return b.seen
}

// pages prints the page shown and counts the sheets.
func (b *browser) pages() int {
	b.t.Helper()
	var printed struct{ Data string }
	b.call("Page.printToPDF", map[string]any{"preferCSSPageSize": true, "printBackground": false}, &printed)
	pdf, err := base64.StdEncoding.DecodeString(printed.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
}
