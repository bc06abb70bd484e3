package access

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Rate lets each key do something so often: burst times at once and then one each
// interval, as a bucket that fills again (the generic cell rate algorithm, which keeps
// one time a key: ITU-T I.371). What it keeps is bounded: keys beyond maxKeys that are
// busy at once share one bucket.
type Rate struct {
	interval time.Duration
	burst    int
	now      func() time.Time

	mu   sync.Mutex           // guards full
	full map[string]time.Time // when the bucket of a key is full again
}

// maxKeys is how many keys have a bucket of their own, at some 100 bytes each.
const maxKeys = 4096

// shared is the key of those that have none.
const shared = ""

// NewRate returns a Rate of the given burst and interval on the clock now.
func NewRate(burst int, interval time.Duration, now func() time.Time) *Rate {
	return &Rate{interval: interval, burst: burst, now: now, full: map[string]time.Time{}}
}

// Allow reports whether key may do it now, and counts that it does; if it may not, after
// how long it may.
func (r *Rate) Allow(key string) (ok bool, wait time.Duration) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	full, known := r.full[key]
	if !known && len(r.full) >= maxKeys {
		for k, t := range r.full {
			if !t.After(now) {
				delete(r.full, k)
			}
		}
		if len(r.full) >= maxKeys {
			key = shared
			full = r.full[key]
		}
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(r.interval)
	if wait = full.Sub(now) - time.Duration(r.burst)*r.interval; wait > 0 {
		return false, wait
	}
	r.full[key] = full
	return true, 0
}

// AddressKey returns the key of who is at a remote address: the address itself of IPv4,
// the network of 64 bits of IPv6, of which one asker has all addresses. What is no
// address is its own key.
func AddressKey(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, _ := addr.Prefix(64) // 64 bits are possible
		return network.String()
	}
	return addr.String()
}
