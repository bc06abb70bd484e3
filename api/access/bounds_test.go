package access

import (
	"fmt"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	c := &clock{epoch}
	r := NewRate(3, 10*time.Second, c.now)
	// Three at once, then one each ten seconds; a refusal costs nothing.
	for i, step := range []struct {
		after time.Duration
		ok    bool
		wait  time.Duration
	}{
		{0, true, 0}, {0, true, 0}, {0, true, 0}, {0, false, 10 * time.Second}, {4 * time.Second, false, 6 * time.Second},
		{6 * time.Second, true, 0}, {0, false, 10 * time.Second},
		{time.Hour, true, 0}, {0, true, 0}, {0, true, 0}, {0, false, 10 * time.Second}, // the bucket holds three, however long it filled
	} {
		c.advance(step.after)
		if ok, wait := r.Allow("a"); ok != step.ok || wait > 0 != !ok || !ok && wait != step.wait {
			t.Errorf("step %d: %t after %s, want %t after %s", i, ok, wait, step.ok, step.wait)
		}
	}
	if ok, _ := r.Allow("b"); !ok {
		t.Error("another key waits too")
	}
}

// TestRateIsBounded: whoever comes from ever new addresses shares one bucket with others
// of the kind, and who was there before has a bucket of their own.
func TestRateIsBounded(t *testing.T) {
	c := &clock{epoch}
	r := NewRate(2, time.Hour, c.now)
	for i := range maxKeys {
		if ok, _ := r.Allow(fmt.Sprint("k", i)); !ok {
			t.Fatalf("key %d waits", i)
		}
	}
	let := 0
	for i := range 1000 {
		if ok, _ := r.Allow(fmt.Sprint("new", i)); ok {
			let++
		}
	}
	if let != 2 || len(r.full) > maxKeys+1 {
		t.Errorf("%d of a thousand new keys were let in and %d are kept; want 2 and %d", let, len(r.full), maxKeys+1)
	}
	if ok, _ := r.Allow("k7"); !ok {
		t.Error("a key of before waits")
	}
	c.advance(24 * time.Hour)
	if ok, _ := r.Allow("new"); !ok || len(r.full) != 1 {
		t.Errorf("a day later: %t, %d kept, want one", ok, len(r.full))
	}
}

func TestAddressKey(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80":               "192.0.2.1",
		"[::ffff:192.0.2.1]:80":      "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:80":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":          "fe80::/64",
		"@":                          "@", // a Unix socket
		"":                           "",
	} {
		if got := AddressKey(remote); got != want {
			t.Errorf("AddressKey(%q) = %q, want %q", remote, got, want)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	c := &clock{epoch}
	s := NewSessions(c.now)
	token, _ := newToken("ann", ScopeRead, epoch, time.Time{})
	var secrets []string
	for range maxSessionsEach + 3 {
		c.advance(time.Second)
		secret, expires := s.Begin(token)
		if !expires.Equal(c.Add(SessionLife)) {
			t.Fatalf("ends %s", expires)
		}
		secrets = append(secrets, secret)
	}
	for i, secret := range secrets {
		if _, ok := s.Find(secret); ok != (i >= 3) {
			t.Errorf("session %d of %d is there: %t; want the oldest three gone", i, len(secrets), ok)
		}
	}
	for i := range maxSessions + 100 {
		other, _ := newToken(fmt.Sprint("n", i), ScopeRead, epoch, time.Time{})
		s.Begin(other)
	}
	if len(s.all) > maxSessions {
		t.Errorf("%d sessions are kept", len(s.all))
	}
	short, _ := newToken("bob", ScopeRead, epoch, c.Add(time.Minute))
	secret, expires := s.Begin(short)
	if !expires.Equal(short.Expires) {
		t.Errorf("a session outlasts its token: %s", expires)
	}
	if got, ok := s.Find(secret); !ok || got != short {
		t.Errorf("%v, %t", got, ok)
	}
	s.End(secret)
	if _, ok := s.Find(secret); ok {
		t.Error("an ended session is found")
	}
	c.advance(SessionLife)
	s.Begin(token)
	if len(s.all) != 1 {
		t.Errorf("%d sessions after all were over but one", len(s.all))
	}
}
