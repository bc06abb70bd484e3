package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"perigee/probes/transfer/wire"
)

// newKeyFile makes a key with the command and returns the file.
func newKeyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "far.key")
	if stdout, stderr, status := perigeeRun(t, "reflect", "--new-key="+file); status != exitDone || stdout != "" || !strings.Contains(stderr, "new key") {
		t.Fatalf("exit status %d, %q, %q", status, stdout, stderr)
	}
	return file
}

func readKeyFile(t *testing.T, file string) wire.Key {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := wire.ParseKey(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestReflectNewKey(t *testing.T) {
	file := newKeyFile(t)
	key := readKeyFile(t, file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file's mode is %v, %v", info.Mode(), err)
	}
	if _, stderr, status := perigeeRun(t, "reflect", "--new-key="+file); status != exitUsage || !strings.Contains(stderr, "left as it is") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	if readKeyFile(t, file) != key {
		t.Error("the key was overwritten")
	}
}

func TestReflectUsage(t *testing.T) {
	file := newKeyFile(t)
	bad := filepath.Join(t.TempDir(), "bad.key")
	if err := os.WriteFile(bad, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name   string
		args   []string
		stderr string
	}{
		{"no_key", []string{"--listen=127.0.0.1:0"}, `make one with "perigee reflect --new-key FILE"`},
		{"no_such_key", []string{"--listen=127.0.0.1:0", "--key-file=" + bad + "x"}, "make it with"},
		{"bad_key", []string{"--listen=127.0.0.1:0", "--key-file=" + bad}, "64 hexadecimal digits"},
		{"no_address", []string{"--key-file=" + file}, "--listen :4862"},
		{"port_in_use", []string{"--key-file=" + file, "--listen=" + taken.Addr().String()}, "the port is in use"},
		{"half_of_tls", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--tls-cert=x"}, "both --tls-cert and --tls-key"},
		{"no_certificate", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--tls-cert=x", "--tls-key=y"}, "no such file"},
		{"no_clients", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--max-clients=0"}, "--max-clients must be more than 0"},
		{"no_bytes", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--max-bytes=much"}, "500MB or 10GB"},
		{"too_long", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--max-duration=1h"}, "longer than the protocol's 5m0s"},
		{"no_such_congestion", []string{"--key-file=" + file, "--listen=127.0.0.1:0", "--congestion=nope"}, "nope"},
		{"key_and_listen", []string{"--new-key=" + bad + "y", "--listen=127.0.0.1:0"}, "writes a key and ends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := perigeeRun(t, append([]string{"reflect"}, c.args...)...)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit status %d, %q, want %q in it; %q", status, stderr, c.stderr, stdout)
			}
		})
	}
}

func TestReflectWarnsOfKeysThatOthersRead(t *testing.T) {
	file := newKeyFile(t)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, _ := perigeeRun(t, "reflect", "--key-file="+file); !strings.Contains(stderr, "warning: "+file+" can be read by others") {
		t.Errorf("stderr %q", stderr)
	}
}

func TestByteCounts(t *testing.T) {
	for text, want := range map[string]byteCount{"0": 0, "1500": 1500, "12B": 12, "3kB": 3e3, "500MB": 5e8, "1.5GB": 15e8, "2TB": 2e12} {
		var got byteCount
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1", "1e30", "NaN", "5 gigs", "10GiB"} {
		var got byteCount
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %d, want an error", text, got)
		}
	}
}

// certificate writes a self-signed one and returns its files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key")
}

// TestReflect runs the program as a process, transfers a megabyte from it and ends it
// with a signal.
func TestReflect(t *testing.T) {
	for name, end := range map[string]os.Signal{"interrupted": os.Interrupt, "terminated": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			file := newKeyFile(t)
			cert, certKey := certificate(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			far := exec.CommandContext(t.Context(), self, "reflect", "--listen=127.0.0.1:0", "--key-file="+file, "--tls-cert="+cert, "--tls-key="+certKey, "--max-bytes=1MB", "--json")
			far.Env = append(os.Environ(), beProgram+"=1")
			var stderr strings.Builder
			far.Stderr = &stderr
			stdout, err := far.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := far.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			next := func() (line struct {
				Event, Address, Ended string
				Bytes                 int64
			}) {
				if !lines.Scan() {
					t.Fatalf("no more lines: %s", stderr.String())
				}
				if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
					t.Fatalf("%s: %v", lines.Text(), err)
				}
				return line
			}
			listening := next()
			if listening.Event != "listening" {
				t.Fatalf("the first line is %s", lines.Text())
			}
			if n := fetch(t, listening.Address, readKeyFile(t, file)); n != 1e6 {
				t.Errorf("received %d bytes, want 1 MB", n)
			}
			if line := next(); line.Event != "session ended" || line.Bytes != 1e6 || line.Ended != "cap" {
				t.Errorf("the session's line is %s", lines.Text())
			}
			if err := far.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			if line := next(); line.Event != "stopped" {
				t.Errorf("the last line is %s", lines.Text())
			}
			if err := far.Wait(); err != nil || stderr.String() != "" {
				t.Errorf("ended with %v, stderr %q", err, stderr.String())
			}
		})
	}
}

// fetch downloads all that a far end grants.
func fetch(t *testing.T, address string, key wire.Key) int64 {
	t.Helper()
	dial := func() (*tls.Conn, wire.Secret) {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		binding, err := wire.Binding(conn.ConnectionState())
		if err != nil {
			t.Fatal(err)
		}
		return conn, wire.Secret{Key: key, Binding: binding}
	}
	control, secret := dial()
	granted, err := wire.OpenControl(control, secret, wire.Start{Direction: wire.Down, Streams: 1})
	if err != nil {
		t.Fatal(err)
	}
	data, secret := dial()
	if err := wire.OpenData(data, secret, granted.Session, 0); err != nil {
		t.Fatal(err)
	}
	if err := wire.WriteFrame(control, wire.Go{}); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.WriteFrame(control, wire.Stop{}); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := wire.ReadFrame(control)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.(wire.Result); ok {
			return n
		}
	}
}
