package ookla_test

import (
	"net"
	"net/http"
	"path"
	"testing"
	"time"

	"perigee"
	"perigee/probes/ookla"
)

// directory starts a directory that lists servers.
func directory(t *testing.T, entries ...listed) (url string, s *server) {
	t.Helper()
	s = local(t, func(s *server) { s.listed = func(*server) []listed { return entries } })
	return "http://" + s.address, s
}

// distant makes a server answer pings after d, as the length of a path would.
func distant(d time.Duration) func(s *server) {
	return func(s *server) {
		s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
			if path.Base(r.URL.Path) == "latency.txt" {
				<-time.After(d)
			}
			return false
		}
	}
}

// silent makes a server refuse pings.
func silent(s *server) {
	s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
		if path.Base(r.URL.Path) == "latency.txt" {
			http.NotFound(w, r)
			return true
		}
		return false
	}
}

// TestNearestServer: of the servers listed, the one that answers soonest is used and
// named, not the first and not one that does not answer.
func TestNearestServer(t *testing.T) {
	far, near, dead := local(t, distant(200*time.Millisecond)), local(t, nil), local(t, silent)
	url, _ := directory(t, dead.entry("11"), far.entry("12"), near.entry("13"))
	o := options(perigee.LoadDown, "")
	o.Directory = url
	r := measure(t, o)
	if r.Server != "Nobody, Nowhere (13)" || r.Stream.Target != "13" {
		t.Errorf("server is %q, target %q, want number 13", r.Server, r.Stream.Target)
	}
	if near.requests.Load() <= 2 || far.requests.Load() > 2 || dead.requests.Load() > 2 {
		t.Errorf("requests: near %d, far %d, dead %d: want the transfer on the near one alone",
			near.requests.Load(), far.requests.Load(), dead.requests.Load())
	}
}

// TestPinnedServer: the number is looked up in the directory, and no other server is
// touched, be it nearer.
func TestPinnedServer(t *testing.T) {
	pinned, other := local(t, distant(400*time.Millisecond)), local(t, nil)
	url, asked := directory(t, other.entry("21"), pinned.entry("22"))
	both(t, func(t *testing.T, load perigee.Load) {
		o := options(load, "22")
		o.Directory = url
		o.Stream.Target = "isp"
		r := measure(t, o)
		if r.Server != "Nobody, Nowhere (22)" || r.Stream.Target != "isp" || r.Stream.Method != perigee.MethodOokla {
			t.Errorf("server is %q, stream %+v", r.Server, r.Stream)
		}
	})
	t.Run("not_listed", func(t *testing.T) {
		o := options(perigee.LoadDown, "23")
		o.Directory = url
		fails(t, o, perigee.CodeNotFound, "23")
	})
	t.Run("listed_and_gone", func(t *testing.T) {
		closed, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		gone := listed{ID: "24", URL: "http://" + closed.Addr().String() + "/speedtest/upload.php", Name: "Gone", Sponsor: "Nobody"}
		closed.Close()
		o := options(perigee.LoadDown, "24")
		o.Directory, _ = directory(t, other.entry("21"), gone)
		fails(t, o, perigee.CodeUnavailable, "Gone (24)")
	})
	if n := other.requests.Load(); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
	if asked.requests.Load() == 0 {
		t.Error("the directory was not asked")
	}
}

// TestDirectoryFails: no list is an error that says so, within the limit, for a server
// of which only the number is known and for none. One whose address is known needs no
// directory.
func TestDirectoryFails(t *testing.T) {
	broken := local(t, func(s *server) {
		s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "no", http.StatusForbidden)
			return true
		}
	})
	nonsense := local(t, func(s *server) {
		s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
			w.Write([]byte("<html>Please log in</html>"))
			return true
		}
	})
	for _, wanted := range []string{"", "7"} {
		t.Run("server_"+wanted, func(t *testing.T) {
			o := options(perigee.LoadDown, wanted)
			o.Directory = "http://" + broken.address
			fails(t, o, perigee.CodeUnavailable, "403", "host and port")
			o.Directory = "http://127.0.0.1:1"
			fails(t, o, perigee.CodeUnavailable, "refused")
			if wanted == "" { // by number, the library finds nothing in what is nonsense
				o.Directory = "http://" + nonsense.address
				fails(t, o, perigee.CodeUnavailable, "invalid")
			}
			o.Setup, o.Directory = 300*time.Millisecond, "http://"+silentServer(t)
			fails(t, o, perigee.CodeUnavailable, "300ms")
		})
	}
	t.Run("nobody_answers", func(t *testing.T) {
		dead := local(t, silent)
		o := options(perigee.LoadDown, "")
		o.Directory, _ = directory(t, dead.entry("31"))
		fails(t, o, perigee.CodeUnavailable, "none of the 1 servers")
	})
	t.Run("not_needed", func(t *testing.T) {
		s := local(t, nil)
		o := options(perigee.LoadDown, s.address)
		o.Directory = "http://127.0.0.1:1"
		measure(t, o)
	})
}

// TestOptionsThatCannotBe are told before anything is started.
func TestOptionsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(o *ookla.Options){
		"no direction":     func(o *ookla.Options) { o.Stream.Load = perigee.LoadIdle },
		"no link":          func(o *ookla.Options) { o.Binding.Interface = "" },
		"too many streams": func(o *ookla.Options) { o.Streams = 1000 },
		"a cap too small":  func(o *ookla.Options) { o.MaxBytes = 1000 },
		"no time":          func(o *ookla.Options) { o.MaxDuration = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(perigee.LoadDown, "127.0.0.1:1")
			o.Command = childLike("panic")
			change(&o)
			fails(t, o, perigee.CodeInvalid)
		})
	}
	for _, server := range []string{"http://", "a b", "http://%zz"} {
		t.Run("server "+server, func(t *testing.T) {
			fails(t, options(perigee.LoadDown, server), perigee.CodeInvalid)
		})
	}
	t.Run("directory", func(t *testing.T) {
		o := options(perigee.LoadDown, "")
		o.Directory = "servers.example"
		fails(t, o, perigee.CodeInvalid)
	})
}
