package wire

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Direction is the way that payload goes, as the client sees it.
type Direction string

// The directions.
const (
	Down Direction = "down" // from the far end to the client
	Up   Direction = "up"   // from the client to the far end
)

// Start is what a client asks on a control connection.
type Start struct {
	Direction Direction `json:"direction"`
	Streams   int       `json:"streams"` // data connections, 1 to MaxStreams

	// Congestion is the congestion control that the far end is to send with; empty
	// for its system's choice. Going up the client sends, and this means nothing.
	Congestion string `json:"congestion,omitempty"`

	// MaxDuration and MaxBytes bound the payload in time and size, over all streams;
	// 0 is as much as the far end allows.
	MaxDuration Seconds `json:"max_duration_seconds,omitempty"`
	MaxBytes    int64   `json:"max_bytes,omitempty"`
}

// Check reports what the protocol does not allow in s, or nil.
func (s Start) Check() error {
	switch {
	case s.Direction != Down && s.Direction != Up:
		return fmt.Errorf("direction %q is neither %q nor %q", s.Direction, Down, Up)
	case s.Streams < 1 || s.Streams > MaxStreams:
		return fmt.Errorf("%d streams are not between 1 and %d", s.Streams, MaxStreams)
	case !isName(s.Congestion):
		return fmt.Errorf("%q is no name of a congestion control", s.Congestion)
	case s.MaxDuration < 0 || s.MaxDuration.Duration() > MaxDuration:
		return fmt.Errorf("a duration of %v is not between 0 and %v", s.MaxDuration, MaxDuration)
	case s.MaxBytes < 0 || s.MaxBytes > MaxBytes:
		return fmt.Errorf("%d bytes cannot be asked for", s.MaxBytes)
	}
	return nil
}

// isName reports whether name can be that of a congestion control: Linux allows 15
// bytes. Empty is fine.
func isName(name string) bool {
	return len(name) <= 15 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// Granted is what the far end allows of it. It may be less than was asked, never more.
type Granted struct {
	Session     SessionID `json:"session"` // names the session on data connections
	Congestion  string    `json:"congestion,omitempty"`
	MaxDuration Seconds   `json:"max_duration_seconds"`
	MaxBytes    int64     `json:"max_bytes"`
}

func (g Granted) check() error {
	if g.MaxDuration <= 0 || g.MaxDuration.Duration() > MaxDuration || g.MaxBytes <= 0 || g.MaxBytes > MaxBytes || !isName(g.Congestion) {
		return errors.New("what is granted is out of bounds")
	}
	return nil
}

// RefusalCode says why a far end refuses, for programs. Codes are promises.
type RefusalCode string

// The codes.
const (
	RefusedKey        RefusalCode = "bad_key"                // the client did not prove that it has the key
	RefusedVersion    RefusalCode = "unknown_version"        // the client speaks another version
	RefusedRequest    RefusalCode = "bad_request"            // what it asks is not allowed by the protocol
	RefusedClients    RefusalCode = "too_many_clients"       // as many as may be are served; try again
	RefusedLimit      RefusalCode = "over_limit"             // the client has used up what it may move a day
	RefusedCongestion RefusalCode = "congestion_not_allowed" // see Start.Congestion
	RefusedSession    RefusalCode = "no_such_session"        // a data connection's session is not, or no more
	RefusedStopping   RefusalCode = "stopping"               // the far end is about to end
)

// Refusal is a far end's no. It is an error.
type Refusal struct {
	Code    RefusalCode `json:"code"`
	Message string      `json:"message"` // a sentence that names the remedy

	// RetryAfter is when it may be worth to ask again; 0 is unknown.
	RetryAfter Seconds `json:"retry_after_seconds,omitempty"`

	// Proven tells that who refuses has the key. It is not on the wire.
	Proven bool `json:"-"`
}

// Error returns the words and the code.
func (r *Refusal) Error() string {
	return fmt.Sprintf("the far end refuses: %s (%s)", r.Message, r.Code)
}

// SessionID names a session. It is drawn at random by the far end.
type SessionID [16]byte

// String returns id in hexadecimal.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (id SessionID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *SessionID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("a session's name has %d digits, not %d", hex.EncodedLen(len(id)), len(text))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Seconds is a duration that is a number of seconds on the wire.
type Seconds time.Duration

// Duration returns s for the library.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// String returns s as durations are written.
func (s Seconds) String() string { return time.Duration(s).String() }

// MarshalJSON writes seconds.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds, at most a day of them.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f < 0 || f > 86400 {
		return fmt.Errorf("%v seconds are not between 0 and a day", f)
	}
	*s = Seconds(math.Round(f * 1e9))
	return nil
}

func countsFit(counts ...int64) bool {
	return !slices.ContainsFunc(counts, func(n int64) bool { return n < 0 || n > MaxBytes })
}

// printable returns at most 300 bytes of text from the other end that cannot harm a
// terminal or a log.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	const limit = 300
	if len(text) <= limit {
		return text
	}
	cut := limit
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}
