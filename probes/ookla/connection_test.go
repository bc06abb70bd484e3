package ookla_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
	"perigee/probes/bind"
	"perigee/probes/ookla"
)

// TestNamespace: the server's address exists in the link's namespace alone.
func TestNamespace(t *testing.T) {
	l := labtest.New(t, 1, lab.Link{Name: "one"})
	listener, err := l.FarListen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var far *os.File
	if err := l.FarDo(func() (err error) { far, err = os.Open("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	s := serve(t, listener, nil)
	both(t, func(t *testing.T, load perigee.Load) {
		o := options(load, s.address)
		fails(t, o, perigee.CodeUnavailable, "refused")
		o.Binding = bind.Options{Namespace: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), far.Fd())}
		r := measure(t, o)
		if !r.Proof.Local.IsLoopback() {
			t.Errorf("proof is %+v", r.Proof)
		}
	})
}

// certified returns the configuration of a TLS server at 127.0.0.1, and a file that
// makes a child trust it.
func certified(t *testing.T) (config *tls.Config, trust string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	trust = filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, trust
}

func TestTLS(t *testing.T) {
	config, trust := certified(t)
	plain, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, plain, func(s *server) { s.tls = config })
	both(t, func(t *testing.T, load perigee.Load) {
		o := options(load, "https://"+s.address)
		fails(t, o, perigee.CodeUnavailable, "certificate")
		o.Command = func() *exec.Cmd {
			cmd := childLike("child")()
			cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+trust)
			return cmd
		}
		r := measure(t, o)
		if r.Connect.TCP <= 0 || r.Connect.TLS <= 0 || (r.Connect.FirstByte > 0) != (load == perigee.LoadDown) {
			t.Errorf("connected after %+v", r.Connect)
		}
	})
}

func TestIPv6(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	s := serve(t, listener, nil)
	both(t, func(t *testing.T, load perigee.Load) {
		if r := measure(t, options(load, s.address)); r.Stream.Family != perigee.IPv6 {
			t.Errorf("family is %q", r.Stream.Family)
		}
	})
}

// TestConnectionsThatServersClose: servers may close a connection after each answer.
func TestConnectionsThatServersClose(t *testing.T) {
	s := local(t, func(s *server) {
		s.wrong = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Connection", "close")
			return false
		}
	})
	both(t, func(t *testing.T, load perigee.Load) {
		before := s.requests.Load()
		o := options(load, s.address)
		o.MaxBytes = 20 << 20 // of which 10 % stay for the smallest requests, so there are many
		r, err := ookla.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.requests.Load() - before; r.Stop != perigee.StoppedAtCap || n < 10 {
			t.Errorf("stop is %q after %d requests", r.Stop, n)
		}
	})
}

// TestServerGoesAway: what was measured until then stands, and says that it broke.
func TestServerGoesAway(t *testing.T) {
	both(t, func(t *testing.T, load perigee.Load) {
		s := local(t, nil)
		o := options(load, s.address)
		o.OnProgress = func(p ookla.Progress) {
			if p.Bytes > 0 {
				s.web.Close()
			}
		}
		r, err := ookla.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Stop != perigee.StoppedByFailure || r.Bytes == 0 || r.Steady || r.Error >= 0 {
			t.Errorf("stop is %q after %d bytes, steady %v ± %v", r.Stop, r.Bytes, r.Steady, r.Error)
		}
	})
}

// TestLinkGoesAway: the same, where connections hear of nothing.
func TestLinkGoesAway(t *testing.T) {
	l := labtest.New(t, 1, shaped("one", 10e6, 10e6))
	listener, err := l.FarListen(t.Context(), "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listener, nil)
	both(t, func(t *testing.T, load perigee.Load) {
		defer l.Blackhole("one", false)
		o := options(load, s.address)
		o.Binding = bind.Options{Interface: l.Links()[0].Device}
		o.OnProgress = func(p ookla.Progress) {
			if p.Bytes > 0 {
				l.Blackhole("one", true)
			}
		}
		o.MaxDuration = 2 * time.Second
		r, err := ookla.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Stop != perigee.StoppedByFailure || r.Bytes == 0 || r.Steady {
			t.Errorf("stop is %q after %d bytes, steady %v", r.Stop, r.Bytes, r.Steady)
		}
	})
}

// TestStart is by the clock that is given.
func TestStart(t *testing.T) {
	s := local(t, nil)
	o := options(perigee.LoadDown, s.address)
	wall := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	o.Clock = func() perigee.Reading { return perigee.Reading{Wall: wall} }
	r := measure(t, o)
	if !r.Start.Equal(wall) || !r.End().Equal(wall.Add(r.Length)) {
		t.Errorf("from %v to %v, want from %v", r.Start, r.End(), wall)
	}
}

// TestPrecision ends a transfer over a steady link before its time.
func TestPrecision(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes up to a minute: set PERIGEE_LONG=1 to run it")
	}
	l := labtest.New(t, 1, shaped("one", 10e6, 10e6))
	listener, err := l.FarListen(t.Context(), "tcp4", netip.AddrPortFrom(lab.Target(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listener, nil)
	both(t, func(t *testing.T, load perigee.Load) {
		o := options(load, s.address)
		o.Binding = bind.Options{Interface: l.Links()[0].Device}
		o.MaxDuration, o.Precision = time.Minute, 0.1
		r, err := ookla.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.2f Mbit/s ± %.1f %% after %v, ramp %v, whole %.2f, wire %.2f, retransmitted %.1f %%", r.Rate/1e6, 100*r.Error, r.Length, r.Ramp, r.WholeRate/1e6, 8*float64(r.WireBytes)/r.Length.Seconds()/1e6, 100*float64(r.Retransmitted)/float64(r.Bytes))
		if r.Stop != perigee.StoppedAtPrecision || r.Error < 0 || r.Error > o.Precision || r.RateSeconds == 0 {
			t.Errorf("stop is %q with error %v, %d whole seconds", r.Stop, r.Error, r.RateSeconds)
		}
		within(t, "rate", r.Rate, 10e6*payloadShare, 0.05)
	})
}
