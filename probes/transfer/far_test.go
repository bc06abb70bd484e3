package transfer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/bind"
	"perigee/probes/transfer"
	"perigee/probes/transfer/farend"
	"perigee/probes/transfer/wire"
)

var key = wire.NewKey()

// serve serves transfers by l until t ends.
func serve(t testing.TB, l net.Listener, o farend.Options) {
	t.Helper()
	o.Key = key
	o.MaxBytes, o.MaxBytesPerDay = 1<<40, 1<<40
	if o.Congestion == nil {
		o.Congestion = []string{"cubic", "bbr", "reno"}
	}
	known, err := bind.Congestions()
	if err != nil {
		t.Fatal(err)
	}
	var may []string
	for _, name := range o.Congestion {
		for _, k := range known {
			if k == name {
				may = append(may, name)
			}
		}
	}
	o.Congestion = may
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- farend.Serve(ctx, l, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("far end: %v", err)
		}
	})
}

// needCongestion skips t where the kernel has no such congestion control.
func needCongestion(t testing.TB, name string) {
	t.Helper()
	known, err := bind.Congestions()
	if err != nil {
		t.Skip(err)
	}
	for _, k := range known {
		if k == name {
			return
		}
	}
	t.Skipf("the kernel has no congestion control %s (`modprobe tcp_%s`)", name, name)
}

func binderTo(t testing.TB, device string) *bind.Binder {
	t.Helper()
	b, err := bind.New(bind.Options{Interface: device})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// loopback returns options for a transfer of 20 MB to a far end on loopback.
func loopback(t testing.TB, load perigee.Load, o farend.Options) transfer.Options {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, o)
	return transfer.Options{
		Binder: binderTo(t, "lo"), Address: l.Addr().String(), Key: key,
		Stream:   perigee.Stream{Site: "home", Link: "lo", Target: "far", Method: perigee.MethodTransfer, Load: load},
		MaxBytes: 20e6,
	}
}

// over returns options for a transfer over a link of a lab, with a far end there.
func over(t testing.TB, l *lab.Lab, link string, load perigee.Load) transfer.Options {
	t.Helper()
	listener, err := l.FarListen(t.Context(), "tcp4", net.JoinHostPort(lab.Target().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, listener, farend.Options{})
	return transfer.Options{
		Binder: binderTo(t, link+"0"), Address: listener.Addr().String(), Key: key,
		Stream: perigee.Stream{Site: "home", Link: perigee.LinkID(link), Target: "far", Method: perigee.MethodTransfer, Load: load},
	}
}

// run runs a transfer that must not fail, and checks what is true of every one.
func run(t testing.TB, o transfer.Options) perigee.Throughput {
	t.Helper()
	r, err := transfer.Run(t.Context(), o)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if err := r.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	return r
}

// certificate returns TLS for the far end.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
}
