package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"perigee"
)

// Reflector is a far end of perigee's own, which transfers go to and come from.
type Reflector struct {
	Target  perigee.TargetID
	Address string // host:port
	KeyFile string // a path from the root; nobody has read it yet

	// TLS tells to encrypt. CAFile names a file of certificates, of which one
	// must have signed the far end's; empty: those that the system trusts.
	TLS    bool
	CAFile string
}

// Format prints f without the names of files: a key may have been written there by
// mistake.
func (f Reflector) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "{%s %s tls:%t}", f.Target, f.Address, f.TLS)
}

// reflector reads the far end of a target, and its host. It reports false if the target
// has none, or none that is understood.
func (r *reader) reflector(t rawTarget) (far Reflector, host string, ok bool) {
	if !t.Reflector.given() {
		for key, v := range map[string]value{"key_file": t.KeyFile, "tls": t.TLS, "ca_file": t.CAFile} {
			if v.given() && !r.meant[t.path+".reflector"] && !r.reported(t.path+".reflector") {
				r.problem(v.at, join(t.path, key), "belongs to a reflector; add reflector: HOST:PORT or remove it")
			}
		}
		return Reflector{}, "", false
	}
	if s, given := r.word(t.Reflector); given {
		far.Address = s
		if host, ok = farHost(s); !ok {
			r.wrong(t.Reflector, "is not a host with a port; write one such as far.example.net:4862")
		}
	}
	r.required(t.section, t.KeyFile, t.path+".key_file", "name the file that holds the reflector's key")
	far.KeyFile = r.secretFile(t.KeyFile)
	far.TLS, _ = r.truth(t.TLS)
	if far.CAFile = r.certificates(t.CAFile); far.CAFile != "" {
		if t.TLS.given() && !far.TLS && !r.reported(t.TLS.path) {
			r.problem(t.CAFile.key, t.CAFile.path, "says whose certificates to trust, but tls is false; write tls: true or remove it")
		}
		far.TLS = true
	}
	return far, host, ok
}

// certificates checks the name of a file that holds certificates, which are no secret.
// The name is not repeated all the same: it may be the key, written at the wrong place.
func (r *reader) certificates(v value) string {
	path, ok := r.text(v)
	if !ok {
		return ""
	}
	if !filepath.IsAbs(path) {
		r.problem(v.at, v.path, "is not a path from the root; write one such as /etc/perigee/far.pem")
		return ""
	}
	if r.stat != nil {
		if _, err := r.stat(path); err != nil {
			r.warning(v.key, v.path, "the file cannot be looked at; check that it exists and that perigee may enter its directory")
		}
	}
	return path
}

// farHost returns the host of host:port, if that is one.
func farHost(s string) (string, bool) {
	host, port, err := net.SplitHostPort(s)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 {
		return "", false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host, hostName(host)
	}
	if addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
		return "", false
	}
	return addr.Unmap().String(), true
}

// settings calls set with each value in effect.
func (f Reflector) settings(set func(value, key string, args ...any)) {
	set(f.Address, "targets[%q].reflector", f.Target)
	set(given, "targets[%q].key_file", f.Target)
	set(strconv.FormatBool(f.TLS), "targets[%q].tls", f.Target)
	if f.CAFile != "" {
		set(given, "targets[%q].ca_file", f.Target)
	}
}
