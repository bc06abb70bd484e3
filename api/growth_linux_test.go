package api

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// held is what a process has that abuse could make it keep.
type held struct {
	heap                    uint64 // bytes
	goroutines, descriptors int
}

// holds returns what this process has once it is no more than atMost, which takes until
// connections that end have ended, or else after a while.
func holds(t *testing.T, atMost held) held {
	t.Helper()
	var h held
	for limit := time.Now().Add(patience); ; runtime.Gosched() {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		h = held{m.HeapAlloc, runtime.NumGoroutine(), len(files)}
		if h.goroutines <= atMost.goroutines && h.descriptors <= atMost.descriptors && h.heap <= atMost.heap || time.Now().After(limit) {
			return h
		}
	}
}

// TestNothingGrowsUnderAbuse abuses a server over its socket, from many addresses, in ten
// rounds: hostile values at every endpoint that the OpenAPI document names, streams among
// them, malformed requests, large ones, and connections that are held and left. What the
// process holds after the last is what it held after the first.
func TestNothingGrowsUnderAbuse(t *testing.T) {
	o, _ := outboxOptions(t)
	o.Budget, o.Measure, o.Feed = newBudget(), newMeasure(), &Feed{}
	handler := New(o)
	var targets []string
	walkDocument(t, handler, func(method, path string, query, inPath []string, _ any) {
		for i, value := range []string{hostile, "../../etc/passwd", "3650d", strings.Repeat("9", 400)} {
			plain := strings.NewReplacer("{link}", "fibre", "{id}", "3f").Replace(path)
			if len(inPath) > 0 && i == 0 {
				plain = strings.Replace(path, "{"+inPath[0]+"}", url.PathEscape(value), 1)
			}
			values := url.Values{}
			for _, name := range query {
				if name != "link" || i == 0 {
					values.Set(name, value)
				}
			}
			targets = append(targets, method+" "+plain+"?"+values.Encode())
			if i == 0 {
				targets = append(targets, method+" "+plain+"?link=fibre&from=3650d", method+" "+plain)
			}
		}
	})
	address, stop := serve(t, handler)
	defer stop()
	var mu sync.Mutex
	codes := map[int]int{}
	round := func(n int) {
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				dialer := from(fmt.Sprintf("127.0.%d.%d", n+1, worker+1)) // nobody asks too often
				transport := &http.Transport{DialContext: dialer.DialContext}
				defer transport.CloseIdleConnections()
				client := &http.Client{Transport: transport}
				for i := worker; i < len(targets); i += 8 {
					method, target, _ := strings.Cut(targets[i], " ")
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					body := strings.NewReader(strings.Repeat(" ", 1000*i%70_000) + "{}")
					r, err := http.NewRequestWithContext(ctx, method, "http://"+address+target, body)
					if err != nil {
						t.Error(err)
						cancel()
						continue
					}
					r.Header.Set("Content-Type", "application/json")
					response, err := client.Do(r)
					if err != nil { // it may be closed on whoever sends too much
						cancel()
						continue
					}
					if strings.Contains(target, "/live") {
						cancel() // a listener who leaves
					}
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
					cancel()
					mu.Lock()
					codes[response.StatusCode]++
					mu.Unlock()
				}
				for _, half := range []string{"GET / HT", "\x16\x03\x01\x02", "POST /api/v1/probes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 40_000)} {
					c, err := dialer.DialContext(t.Context(), "tcp", address)
					if err != nil {
						t.Error(err)
						continue
					}
					_, _ = io.WriteString(c, half)
					_ = c.(*net.TCPConn).SetLinger(0) // it is gone without a word
					c.Close()
				}
			})
		}
		group.Wait()
	}
	rest := holds(t, held{math.MaxUint64, math.MaxInt, math.MaxInt})
	round(0)
	first := holds(t, held{math.MaxUint64, rest.goroutines + 5, rest.descriptors + 5})
	const rounds = 10
	for n := 1; n < rounds; n++ {
		round(n)
	}
	most := held{first.heap + 1<<20, first.goroutines + 5, first.descriptors + 5}
	last := holds(t, most)
	t.Logf("%d requests were answered %v; heap %d kB, then %d; goroutines %d, then %d; descriptors %d, then %d", len(targets)*rounds, codes,
		first.heap>>10, last.heap>>10, first.goroutines, last.goroutines, first.descriptors, last.descriptors)
	if last.heap > most.heap || last.goroutines > most.goroutines || last.descriptors > most.descriptors {
		t.Errorf("after %d rounds of abuse %+v, after one %+v", rounds, last, first)
	}
	if codes[500] > 0 || codes[200] < 100 || codes[400] < 100 {
		t.Errorf("answered %v", codes)
	}
}
