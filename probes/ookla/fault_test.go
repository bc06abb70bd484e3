package ookla_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
	"perigee/probes/bind"
	"perigee/probes/ookla"
)

// both runs a test for either direction.
func both(t *testing.T, f func(t *testing.T, load perigee.Load)) {
	for _, load := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
		t.Run(string(load), func(t *testing.T) { f(t, load) })
	}
}

// fails runs a measurement that must fail with a code and words.
func fails(t *testing.T, o ookla.Options, code perigee.Code, words ...string) {
	t.Helper()
	r, err := ookla.Run(t.Context(), o)
	if err == nil || perigee.CodeOf(err) != code {
		t.Fatalf("got %+v and %q error %v, want a %q error", r, perigee.CodeOf(err), err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	t.Log(err)
}

// TestDefaultClientIsLeftAlone fails without giveBackDefaultClient, by the library's mere
// presence, and if its code ran in this process.
func TestDefaultClientIsLeftAlone(t *testing.T) {
	transport := http.DefaultTransport
	s := local(t, nil)
	for range 2 {
		if http.DefaultClient.Transport != nil {
			t.Fatalf("http.DefaultClient has a transport: %T", http.DefaultClient.Transport)
		}
		if http.DefaultTransport != transport || net.DefaultResolver.Dial != nil {
			t.Fatal("the default transport or resolver was changed")
		}
		measure(t, options(perigee.LoadDown, s.address))
	}
	answer, err := http.Get("http://" + s.address + "/speedtest/latency.txt")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agents["Go-http-client/1.1"] != 1 {
		t.Errorf("the default client called itself something else: %v", s.agents)
	}
}

// TestAnswersOtherThan200 fails without checkStatus: the library scores the bodies of
// error pages, 62 Mbit/s from a server that knows nothing but 404.
func TestAnswersOtherThan200(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusServiceUnavailable, http.StatusNoContent, http.StatusPartialContent} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			both(t, func(t *testing.T, load perigee.Load) {
				s := local(t, func(s *server) {
					s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
						w.WriteHeader(status)
						w.Write(make([]byte, 4<<20))
						return true
					}
				})
				fails(t, options(load, s.address), perigee.CodeUnavailable, s.address, fmt.Sprint(status))
			})
		})
	}
}

// TestGoodAnswersThenBad: whatever was measured before, a server that fails is no measure.
func TestGoodAnswersThenBad(t *testing.T) {
	both(t, func(t *testing.T, load perigee.Load) {
		s := local(t, func(s *server) {
			s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
				if s.requests.Load() < 10 {
					return false
				}
				http.Error(w, "overloaded", http.StatusInternalServerError)
				return true
			}
		})
		o := options(load, s.address)
		o.MaxBytes = 20 << 20 // so that requests are small and many
		fails(t, o, perigee.CodeUnavailable, "500")
	})
}

// TestRedirectsAreNotFollowed: the pinned server sends elsewhere, which the library's
// client would follow without a word.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := local(t, nil)
	both(t, func(t *testing.T, load perigee.Load) {
		s := local(t, func(s *server) {
			s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "http://"+other.address+r.URL.Path, http.StatusTemporaryRedirect)
				return true
			}
		})
		fails(t, options(load, s.address), perigee.CodeUnavailable, "307")
	})
	if n := other.requests.Load(); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// TestPageInPlaceOfFile: a gateway that wants a login answers 200 to everything.
func TestPageInPlaceOfFile(t *testing.T) {
	s := local(t, func(s *server) {
		s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
			io.WriteString(w, "<html>Please log in</html>")
			return true
		}
	})
	fails(t, options(perigee.LoadDown, s.address), perigee.CodeUnavailable, "something else")
}

// silentServer takes connections and never answers. It closes when t ends.
func silentServer(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
		for _, c := range conns {
			c.Close()
		}
	})
	return listener.Addr().String()
}

// TestUnreachable: the limits hold, and the error says who could not be reached and over
// which link.
func TestUnreachable(t *testing.T) {
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.Addr().String()
	gone.Close()
	both(t, func(t *testing.T, load perigee.Load) {
		fails(t, options(load, address), perigee.CodeUnavailable, address, "refused", "interface lo")
	})
	t.Run("silent", func(t *testing.T) {
		o := options(perigee.LoadDown, silentServer(t))
		o.MaxDuration = 300 * time.Millisecond
		fails(t, o, perigee.CodeUnavailable, o.Server, "sent nothing")
	})
	t.Run("silent_for_long", func(t *testing.T) {
		o := options(perigee.LoadDown, silentServer(t))
		o.Setup = 300 * time.Millisecond
		fails(t, o, perigee.CodeUnavailable, o.Server, "timeout")
	})
	t.Run("family", func(t *testing.T) {
		o := options(perigee.LoadDown, silentServer(t))
		o.Stream.Family = perigee.IPv6
		fails(t, o, perigee.CodeUnavailable, o.Server)
	})
}

// TestTakesAndNeverAnswers: a server's kernel acknowledges what fits its buffers,
// although nobody reads. That is no throughput.
func TestTakesAndNeverAnswers(t *testing.T) {
	o := options(perigee.LoadUp, silentServer(t))
	o.MaxDuration = 2 * time.Second
	r, err := ookla.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Stop != perigee.StoppedByFailure || r.Steady {
		t.Errorf("stop %q, steady %v, %.0f bit/s: want %q and not steady", r.Stop, r.Steady, r.Rate, perigee.StoppedByFailure)
	}
}

// TestLinkThatIsNot fails if sockets are bound by the library's Source, which ignores
// the name of a device, or not at all.
func TestLinkThatIsNot(t *testing.T) {
	s := local(t, nil)
	for _, binding := range []bind.Options{
		{Interface: "nosuch0"}, {Source: netip.MustParseAddr("203.0.113.7")}, {Namespace: "/nosuch"},
	} {
		both(t, func(t *testing.T, load perigee.Load) {
			o := options(load, s.address)
			o.Binding = binding
			fails(t, o, perigee.CodeUnavailable, binding.String())
		})
	}
	if n := s.requests.Load(); n != 0 {
		t.Errorf("%d requests left by another way", n)
	}
}

// TestCancel fails if the end is left to the library: with a deadline of 1 s it returned
// after 15 s, without an error and with a rate.
func TestCancel(t *testing.T) {
	both(t, func(t *testing.T, load perigee.Load) {
		s := local(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := options(load, s.address)
		var seen atomic.Int64
		o.OnProgress = func(p ookla.Progress) {
			if seen.Store(p.Bytes); p.Bytes > 0 {
				cancel()
			}
		}
		started := remember(&o)
		r, err := ookla.Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Stop != perigee.StoppedByUser || r.Bytes < seen.Load() {
			t.Errorf("stop is %q with %d bytes, want %q with at least %d", r.Stop, r.Bytes, perigee.StoppedByUser, seen.Load())
		}
		gone(t, started())
	})
	t.Run("before_payload", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := options(perigee.LoadDown, silentServer(t))
		o.OnProgress = func(ookla.Progress) { cancel() }
		started := remember(&o)
		if r, err := ookla.Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v, %v, want %v", r, err, context.Canceled)
		}
		gone(t, started())
	})
	t.Run("before_the_server_is_found", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		directory := local(t, func(s *server) {
			s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
				cancel()
				<-r.Context().Done()
				return true
			}
		})
		o := options(perigee.LoadDown, "")
		o.Directory = "http://" + directory.address
		if r, err := ookla.Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v, %v, want %v", r, err, context.Canceled)
		}
	})
}

// TestCap fails without the cap, which the library does not have. What counts is what
// crosses the link: sockets hold megabytes that nobody has read yet.
func TestCap(t *testing.T) {
	const most = 6 << 20
	for _, c := range []struct {
		name   string
		change func(s *server)
		over   int64 // what may cross the link beyond the cap
	}{
		{"files_of_known_length", nil, 0},
		// Nobody knows how much comes until it has come: each socket's buffer may
		// be full in the end.
		{"files_of_unknown_length", func(s *server) { s.unframed = true }, 4 * 6 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, load perigee.Load) {
				l := labtest.New(t, 1, shaped("one", 40e6, 40e6))
				listener, err := l.FarListen(t.Context(), "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
				if err != nil {
					t.Fatal(err)
				}
				var s *server
				var r perigee.Throughput
				var before int64
				binding := bind.Options{Interface: l.Links()[0].Device}
				t.Run("transfer", func(t *testing.T) { // whose end closes the server's connections
					s = serve(t, listener, c.change)
					o := options(load, s.address)
					o.Binding, o.MaxBytes = binding, most
					before = counters(t, binding)
					if r, err = ookla.Run(t.Context(), o); err != nil {
						t.Fatal(err)
					}
				})
				sent, got := s.counted()
				device := counters(t, binding) - before
				t.Logf("%d bytes of %d: the server sent %d and got %d, the device's count is %d", r.Bytes, most, sent, got, device)
				if r.Stop != perigee.StoppedAtCap || r.Bytes < most/2 {
					t.Errorf("stop is %q after %d bytes, want %q near %d", r.Stop, r.Bytes, perigee.StoppedAtCap, most)
				}
				if load == perigee.LoadUp && sent+got > most || load == perigee.LoadDown && sent+got > most+c.over {
					t.Errorf("the server sent %d and got %d, more than %d", sent, got, most)
				}
				// What moved between two looks at the kernel's counts comes on top.
				if device > (most+c.over)*115/100 {
					t.Errorf("the device moved %d bytes for a cap of %d", device, most)
				}
			})
		})
	}
}
