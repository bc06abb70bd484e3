package access

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"perigee"
)

// Certificates are the pair of files that TLS is spoken with, as they are now.
type Certificates struct {
	certificate, key string
	now              func() time.Time
	log              *slog.Logger

	mu      sync.Mutex // guards all below
	pair    *tls.Certificate
	seen    [2]fs.FileInfo // the files that were read last, whether they could be used or not
	looked  time.Time
	problem error // why the files as they are now cannot be used
}

// OpenCertificates reads a certificate, with those that lead to its root behind it, and
// its key, both PEM. It fails with CodeInvalid, or CodePermission, if they cannot be used
// together. now is the wall clock, log is told when the files change and when they cannot
// be used.
func OpenCertificates(certificate, key string, now func() time.Time, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{certificate: certificate, key: key, now: now, log: log}
	c.look(now())
	if c.problem != nil {
		return nil, c.problem
	}
	return c, nil
}

// Certificate returns the pair as it is now (tls.Config.GetCertificate): the files are
// looked at again when what is known of them is a second old. While they cannot be used,
// perhaps because one was replaced and the other not yet, what was read before is used.
func (c *Certificates) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if since := now.Sub(c.looked); since >= lookAgain || since < 0 {
		c.look(now)
	}
	return c.pair, nil
}

// Problem returns why the files as they are now cannot be used; nil if they can.
func (c *Certificates) Problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(c.now())
	return c.problem
}

// Config returns what speaks TLS with the pair, version 1.2 and later.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.Certificate}
}

// look reads the files again if one is another than at last. c.mu is held, but by
// OpenCertificates.
func (c *Certificates) look(now time.Time) {
	c.looked = now
	var seen [2]fs.FileInfo
	changed := false
	for i, path := range []string{c.certificate, c.key} {
		info, err := os.Stat(path)
		if err == nil {
			seen[i] = info
		}
		changed = changed || err != nil || c.seen[i] == nil || !same(info, c.seen[i])
	}
	if !changed {
		return
	}
	c.seen = seen
	pair, err := ReadPair(c.certificate, c.key)
	if err != nil {
		if c.pair != nil && (c.problem == nil || c.problem.Error() != err.Error()) {
			c.log.Error("the certificate or its key cannot be used; those of before stay in force", "error", err, "good_until", c.pair.Leaf.NotAfter.UTC())
		}
		c.problem = err
		return
	}
	c.problem = nil
	if c.pair != nil {
		c.log.Info("the certificate was read again", "good_until", pair.Leaf.NotAfter.UTC())
	}
	c.pair = &pair
}

// ReadPair reads a certificate and its key, and fails as OpenCertificates does. A key
// that everybody on the machine may read or write is refused.
func ReadPair(certificate, key string) (tls.Certificate, error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return tls.Certificate{}, unusablePair("certificate "+certificate, err)
	}
	secret, err := readKey(key)
	if err != nil {
		return tls.Certificate{}, unusablePair("key "+key, err)
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		return tls.Certificate{}, unusablePair(fmt.Sprintf("certificate %s and key %s", certificate, key), err)
	}
	return pair, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("its mode is %04o, so that everybody on this machine may use it; run \"chmod o-rwx\" on it", mode)
	}
	return os.ReadFile(path)
}

// unusablePair is the error of files that cannot be used.
func unusablePair(what string, err error) error {
	code := perigee.CodeInvalid
	if errors.Is(err, fs.ErrPermission) {
		code = perigee.CodePermission
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &perigee.Error{Code: code, Message: what, Err: err}
}

// ReadCertificate reads the first certificate in a file, which is the one that is shown.
func ReadCertificate(path string) (*x509.Certificate, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, unusablePair("certificate "+path, err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, unusablePair("certificate "+path, errors.New("the file holds no PEM"))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, unusablePair("certificate "+path, err)
	}
	return certificate, nil
}
