package farend

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"perigee/probes/bind"
	"perigee/probes/transfer/wire"
)

// sessions knows which sessions there are, and decides whether there may be one more.
type sessions struct {
	limits Options
	daily  daily

	mu   sync.Mutex
	open map[wire.SessionID]*session
}

// retryAfter is when a client that found all places taken may ask again: sessions are
// seconds to a minute long.
const retryAfter = 10 * time.Second

// begin grants a session to the client on a control connection, or refuses.
func (l *sessions) begin(asked wire.Start, control *connection) (*session, *wire.Refusal) {
	if asked.Direction == wire.Down && asked.Congestion != "" && !slices.Contains(l.limits.Congestion, asked.Congestion) {
		return nil, &wire.Refusal{Code: wire.RefusedCongestion, Message: l.wordsOfCongestion(asked.Congestion)}
	}
	granted := wire.Granted{MaxDuration: wire.Seconds(l.limits.MaxDuration), MaxBytes: l.limits.MaxBytes}
	if asked.MaxDuration > 0 {
		granted.MaxDuration = min(asked.MaxDuration, granted.MaxDuration)
	}
	if asked.MaxBytes > 0 {
		granted.MaxBytes = min(asked.MaxBytes, granted.MaxBytes)
	}
	granted.Congestion = asked.Congestion
	if asked.Congestion == "" && asked.Direction == wire.Down {
		granted.Congestion, _ = bind.Congestion(control.raw) // that of all its sockets; not known on some systems
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.open); n >= l.limits.MaxClients {
		return nil, &wire.Refusal{Code: wire.RefusedClients, RetryAfter: wire.Seconds(retryAfter),
			Message: fmt.Sprintf("%d clients are served already, as many as may be; try again later", n)}
	}
	if n := l.sessionsOf(control.site()); n >= l.limits.MaxPerAddress {
		return nil, &wire.Refusal{Code: wire.RefusedClients, RetryAfter: wire.Seconds(retryAfter),
			Message: fmt.Sprintf("%d clients at %v are served already, as many as may be at one address; try again later", n, control.site())}
	}
	now := time.Now()
	if granted.MaxBytes = l.daily.reserve(now, control.site(), granted.MaxBytes); granted.MaxBytes == 0 {
		midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return nil, &wire.Refusal{Code: wire.RefusedLimit, RetryAfter: wire.Seconds(midnight.Sub(now).Truncate(time.Second)),
			Message: fmt.Sprintf("%v has moved the %d bytes that one address may in a day; try again after midnight UTC", control.site(), l.limits.MaxBytesPerDay)}
	}
	rand.Read(granted.Session[:]) // never fails
	s := newSession(asked, granted, l.limits, control)
	s.opened = now
	l.open[granted.Session] = s
	return s, nil
}

func (l *sessions) wordsOfCongestion(name string) string {
	if len(l.limits.Congestion) == 0 {
		return fmt.Sprintf("congestion control %q may not be chosen, only the system's own; start the far end with --congestion %s to allow it", name, name)
	}
	return fmt.Sprintf("congestion control %q may not be chosen, only %s", name, strings.Join(l.limits.Congestion, ", "))
}

func (l *sessions) sessionsOf(site netip.Prefix) (n int) {
	for _, s := range l.open {
		if s.site == site {
			n++
		}
	}
	return n
}

// find returns a session that a data connection may join; nil if there is none.
func (l *sessions) find(id wire.SessionID) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[id]
}

// end forgets a session that has moved so much.
func (l *sessions) end(s *session, moved int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s.granted.Session)
	l.daily.giveBack(s.opened, s.site, s.granted.MaxBytes-moved)
}
