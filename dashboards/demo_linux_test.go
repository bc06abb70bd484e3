package dashboards_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"perigee/dashboards/webtest"
)

// TestPageOfTheDemo looks at every view of the page while the demo measures its four
// links: real packets, a real store, a real browser.
func TestPageOfTheDemo(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.ask(t, `{"link": "fibre", "method": "transfer", "max_seconds": 5}`)
	// Some windows of each link, and a transfer in both directions.
	d.follow(t, map[string]int{"sample": 20, "throughput": 2})

	webtest.Run(t, "http://"+d.address, func(ask string) error {
		switch ask {
		case "stop":
			d.stop(t)
		case "start":
			d.start(t)
		default:
			return fmt.Errorf("it cannot be done")
		}
		return nil
	},
		webtest.Check{"name": "views", "on": screens(onPhone), "views": demoViews},
		webtest.Check{"name": "live"},
		webtest.Check{"name": "restart"},
	)
}

// demoViews are the views of the demo, and what each must show at least.
var demoViews = []map[string]any{
	{"name": "now", "address": "/#/now", "drawings": 4, "until": []any{".spark", 4}, "says": []string{"fibre", "geo", "starlink", "leo", "p95", "loss"}},
	{"name": "compare", "address": "/#/compare", "canvases": 1, "drawings": 2, "says": []string{"is lower|is higher|no difference", "95 %"}},
	{"name": "throughput", "address": "/#/throughput?from=1h", "drawings": 1, "says": []string{"Mbit/s"}},
	{"name": "slots", "address": "/#/slots?link=starlink&from=1h", "says": []string{"slots"}, "allowed": "/api/v1/slots"},
	{"name": "outages", "address": "/#/outages?from=24h", "drawings": 1},
	{"name": "heatmap", "address": "/#/heatmap?link=fibre&from=7d", "says": []string{"Mon", "Sun"}},
}

// demo is a running demo, which may be stopped and started again over the same store.
type demo struct {
	program, store, address string
	options                 []string
	cmd                     *exec.Cmd
	said                    *words
}

// words are what a program says while it is listened to.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// newDemo builds perigee and starts a demo with further options, which ends with t.
func newDemo(t *testing.T, options ...string) *demo {
	t.Helper()
	webtest.Need(t)
	program := filepath.Join(t.TempDir(), "perigee")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/perigee").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := &demo{program: program, store: t.TempDir(), address: "127.0.0.1:0", options: options}
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	return d
}

// start starts it and waits until it answers. Its address is the same from then on.
func (d *demo) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.Command(d.program, append([]string{"demo", "--store=" + d.store, "--listen=" + d.address}, d.options...)...)
	d.said = &words{}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.cmd = cmd
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(io.TeeReader(stderr, d.said))
		for lines.Scan() {
			if m := regexp.MustCompile(`http://([0-9.]+:[0-9]+)/`).FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
		close(found)
	}()
	select {
	case address, ok := <-found:
		if !ok {
			_ = cmd.Wait()
			if cmd.ProcessState.ExitCode() == 4 {
				t.Skip(d.said.String())
			}
			t.Fatalf("the demo ended: %s", d.said)
		}
		d.address = address
	case <-ctx.Done():
		t.Fatalf("the demo does not say where it answers: %s", d.said)
	}
}

// stop ends it as a person would, and waits for that.
func (d *demo) stop(t *testing.T) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("the demo cannot be stopped: %v", err)
	}
	if err := d.cmd.Wait(); err != nil && os.Getenv("PERIGEE_SHOTS") != "" {
		t.Logf("the demo ended with %v: %s", err, d.said)
	}
	d.cmd = nil
}

// ask has something measured now.
func (d *demo) ask(t *testing.T, what string) {
	t.Helper()
	answer, err := http.Post("http://"+d.address+"/api/v1/probes", "application/json", strings.NewReader(what))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusAccepted {
		t.Fatalf("%s is answered with %d %s, %v", what, answer.StatusCode, body, err)
	}
}

// follow listens to what is stored until there was enough of each kind.
func (d *demo) follow(t *testing.T, enough map[string]int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<22)
	for missing := len(enough); missing > 0; {
		if !lines.Scan() {
			t.Fatalf("the stream ended, and still there are to come %v: %v", enough, lines.Err())
		}
		kind, ok := strings.CutPrefix(lines.Text(), "event: ")
		if !ok {
			continue
		}
		if enough[kind]--; enough[kind] == 0 {
			missing--
		}
	}
}
