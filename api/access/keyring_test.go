package access

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is a wall clock that a test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time           { return c.Time }
func (c *clock) advance(by time.Duration) { c.Time = c.Add(by) }

// newKeyring returns a keyring of a file, its clock and its log.
func newKeyring(t testing.TB, path string) (*Keyring, *clock, *bytes.Buffer) {
	t.Helper()
	c, log := &clock{epoch}, &bytes.Buffer{}
	return OpenKeyring(path, c.now, slog.New(slog.NewTextHandler(log, nil))), c, log
}

func add(t testing.TB, path, name string, expires time.Time) (Token, string) {
	t.Helper()
	token, text, err := Add(path, name, ScopeRead, epoch, expires)
	if err != nil {
		t.Fatal(err)
	}
	return token, text
}

func TestTokensAreChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	ann, text := add(t, path, "ann", epoch.Add(time.Hour))
	_, other := add(t, path, "bob", time.Time{})
	k, clock, _ := newKeyring(t, path)
	if got, err := k.Check(text); err != nil || got != ann {
		t.Errorf("ann's token is %v, %v", got, err)
	}
	secret := text[len(text)-secretLength:]
	for name, wrong := range map[string]string{
		"nothing":            "",
		"only_the_id":        text[:len(prefix)+idLength],
		"another_secret":     text[:len(text)-secretLength] + other[len(other)-secretLength:],
		"another_id":         other[:len(text)-secretLength] + secret,
		"unknown_id":         prefix + "aaaaaaaa_" + secret,
		"in_capitals":        strings.ToUpper(text),
		"a_letter_more":      text + "a",
		"a_letter_less":      text[:len(text)-1],
		"blank_at_the_end":   text + " ",
		"zero_hash":          prefix + "________" + "_" + strings.Repeat("\x00", secretLength),
		"the_hash_itself":    strings.Repeat("c0", 32),
		"only_the_secret":    secret,
		"the_prefix_missing": text[len(prefix):],
	} {
		if got, err := k.Check(wrong); !errors.Is(err, ErrUnknown) || got != (Token{}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	clock.advance(time.Hour - time.Nanosecond)
	if _, err := k.Check(text); err != nil || !k.Still(ann) {
		t.Errorf("a nanosecond before its end: %v", err)
	}
	clock.advance(time.Nanosecond)
	if got, err := k.Check(text); !errors.Is(err, ErrExpired) || got != ann || k.Still(ann) {
		t.Errorf("at its end: %v, %v", got, err)
	}
	if _, err := k.Check(other); err != nil {
		t.Errorf("bob's token, which does not expire: %v", err)
	}
}

// TestRotationWithoutRestart: a file that changes is in force a second later, one that is
// broken changes nothing and is told of once.
func TestRotationWithoutRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	old, oldText := add(t, path, "old", time.Time{})
	k, clock, log := newKeyring(t, path)
	_, text := add(t, path, "new", time.Time{})
	if _, err := k.Check(text); !errors.Is(err, ErrUnknown) {
		t.Errorf("the file was looked at again at once: %v", err)
	}
	clock.advance(lookAgain)
	if _, err := k.Check(text); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if _, err := Revoke(path, "old"); err != nil {
		t.Fatal(err)
	}
	clock.advance(lookAgain)
	if _, err := k.Check(oldText); !errors.Is(err, ErrUnknown) || k.Still(old) {
		t.Errorf("after its revocation: %v", err)
	}

	log.Reset()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, breakIt := range map[string]func() error{
		"half_a_line": func() error { return os.WriteFile(path, good[:len(good)-9], 0o600) },
		"readable":    func() error { return os.Chmod(path, 0o644) },
		"gone":        func() error { return os.Remove(path) },
	} {
		log.Reset()
		if err := breakIt(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			clock.advance(lookAgain)
			if _, err := k.Check(text); err != nil {
				t.Errorf("%s: the token that was good is refused: %v", name, err)
			}
		}
		if n := strings.Count(log.String(), "cannot be used"); n != 1 {
			t.Errorf("%s: told of %d times, want once:\n%s", name, n, log)
		}
		if k.Problem() == nil {
			t.Errorf("%s: no problem", name)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		clock.advance(lookAgain)
		if _, err := k.Check(text); err != nil || k.Problem() != nil {
			t.Errorf("%s, mended: %v, %v", name, err, k.Problem())
		}
	}
}

// TestAFileThatIsNotThereYet: nobody is let in, and the file is found when it is made.
func TestAFileThatIsNotThereYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	k, clock, _ := newKeyring(t, path)
	if k.Problem() == nil {
		t.Error("no problem")
	}
	_, text := add(t, path, "ann", time.Time{})
	clock.advance(lookAgain)
	if _, err := k.Check(text); err != nil || k.Problem() != nil {
		t.Errorf("%v, %v", err, k.Problem())
	}
}
