package farend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"perigee/probes/transfer/wire"
)

var key = wire.NewKey()

// far is a far end under test.
type far struct {
	address string
	tls     bool
	stop    func() error // ends it and returns what Serve does
}

// serve starts a far end on loopback, which ends with the test if not before.
func serve(t testing.TB, o Options) *far {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Key.IsZero() {
		o.Key = key
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = Serve(ctx, l, o)
	}()
	f := &far{address: l.Addr().String(), tls: o.TLS != nil, stop: func() error { cancel(); <-done; return err }}
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

// dial connects from a loopback address, and speaks TLS where the far end does.
func (f *far) dial(t testing.TB, from string) (net.Conn, wire.Secret) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if !f.tls {
		return conn, wire.Secret{Key: key}
	}
	over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the key proves who it is
	if err := over.Handshake(); err != nil {
		t.Fatal(err)
	}
	binding, err := wire.Binding(over.ConnectionState())
	if err != nil {
		t.Fatal(err)
	}
	return over, wire.Secret{Key: key, Binding: binding}
}

// client is one session of a client that keeps to the protocol.
type client struct {
	t       testing.TB
	control net.Conn
	granted wire.Granted
	streams []net.Conn
}

// ask opens a control connection only.
func (f *far) ask(t testing.TB, from string, start wire.Start) (*client, error) {
	t.Helper()
	conn, secret := f.dial(t, from)
	granted, err := wire.OpenControl(conn, secret, start)
	return &client{t: t, control: conn, granted: granted}, err
}

// open opens a session with all its streams.
func (f *far) open(t testing.TB, from string, start wire.Start) *client {
	t.Helper()
	c, err := f.ask(t, from, start)
	if err != nil {
		t.Fatal(err)
	}
	for i := range start.Streams {
		conn, secret := f.dial(t, from)
		if err := wire.OpenData(conn, secret, c.granted.Session, i); err != nil {
			t.Fatal(err)
		}
		c.streams = append(c.streams, conn)
	}
	return c
}

func (c *client) say(f wire.Frame) {
	c.t.Helper()
	if err := wire.WriteFrame(c.control, f); err != nil {
		c.t.Fatal(err)
	}
}

// result reads until the far end's last word.
func (c *client) result() (wire.Result, []wire.State) {
	c.t.Helper()
	var states []wire.State
	for {
		f, err := wire.ReadFrame(c.control)
		if err != nil {
			c.t.Fatalf("waiting for the result: %v", err)
		}
		switch f := f.(type) {
		case wire.State:
			states = append(states, f)
		case wire.Result:
			c.control.Close()
			return f, states
		}
	}
}

// download reads all streams to their ends and returns what came.
func (c *client) download() (total int64, err error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	for _, conn := range c.streams {
		wait.Go(func() {
			n, e := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, 256<<10))
			mu.Lock()
			defer mu.Unlock()
			total, err = total+n, errors.Join(err, e)
		})
	}
	wait.Wait()
	return total, err
}

// upload writes n bytes to each stream and half-closes it.
func (c *client) upload(n int64) error {
	var wait sync.WaitGroup
	errs := make([]error, len(c.streams))
	for i, conn := range c.streams {
		wait.Go(func() {
			payload := wire.NewPayload()[:256<<10]
			for left := n; left > 0 && errs[i] == nil; {
				var k int
				k, errs[i] = conn.Write(payload[:min(left, int64(len(payload)))])
				left -= int64(k)
			}
			conn.(interface{ CloseWrite() error }).CloseWrite()
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// selfSigned makes a certificate that nobody has to trust.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "far end"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
}

func refusal(t *testing.T, err error) *wire.Refusal {
	t.Helper()
	r, ok := errors.AsType[*wire.Refusal](err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r
}
