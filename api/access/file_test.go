package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// yesterday is a file as version 1 of the layout has it, written by hand.
const yesterday = `perigee-tokens 1
# id name scope created expires sha256
iyyfj4ep grafana read 2026-03-01T12:00:00Z - c09d558ce3650b764c55f08fa27d46cbac8ece3ca5cca38b7b5762528b823e4a

	h37rtlu5   ann@laptop  probe 2026-03-01T12:00:00Z 2026-05-30T12:00:00Z d8c4daf2f33369b12a8aa1751b41937f358fe72cc691152301149ef01c1e36df
`

func TestLayout(t *testing.T) {
	tokens, err := parse([]byte(yesterday))
	if err != nil || len(tokens) != 2 {
		t.Fatalf("%v, %v", tokens, err)
	}
	// printf %s pgt_iyyfj4ep_urrit… | sha256sum
	if grafana := tokens[0]; grafana.Name != "grafana" || grafana.Scope != ScopeRead || !grafana.Expires.IsZero() ||
		grafana.Hash != sha256.Sum256([]byte("pgt_iyyfj4ep_urritqrw5u6bqkhhzi3g72cb4g2exqgx7wpigqlhlrxnugf5qoxa")) {
		t.Errorf("first token %+v", grafana)
	}
	if ann := tokens[1]; ann.ID != "h37rtlu5" || ann.Scope != ScopeProbe || !ann.Expires.Equal(epoch.AddDate(0, 0, 90)) {
		t.Errorf("second token %+v", ann)
	}
	again, err := parse(format(tokens))
	if err != nil || !slices.Equal(again, tokens) {
		t.Errorf("what is written is read as %v, %v, want %v", again, err, tokens)
	}
}

func TestFilesThatAreNotUnderstood(t *testing.T) {
	lines := strings.Split(yesterday, "\n")
	with := func(old, new string) string { return strings.Replace(yesterday, old, new, 1) }
	for name, c := range map[string]struct{ content, want string }{
		"empty":            {"", "line 1: it does not begin with"},
		"another_file":     {"root:x:0:0\n", "line 1: it does not begin with"},
		"a_later_version":  {with("tokens 1", "tokens 2"), "line 1: the file is of a version"},
		"no_text":          {yesterday + "\xff", "no text"},
		"too_long":         {yesterday + strings.Repeat("#\n", maxFile), "longer than 512 KiB"},
		"a_field_missing":  {with(" read", ""), "line 3: it has 5 fields"},
		"a_token":          {yesterday + "pgt_iyyfj4ep_urritqrw5u6bqkhhzi3g72cb4g2exqgx7wpigqlhlrxnugf5qoxa\n", "line 6: it has 1 fields"},
		"id_in_capitals":   {with("iyyfj4ep", "IYYFJ4EP"), "line 3: the id is none"},
		"short_id":         {with("iyyfj4ep", "iyyfj4e"), "line 3: the id is none"},
		"the_same_id":      {yesterday + lines[2] + "\n", "line 6: its id stands in an earlier line"},
		"hostile_name":     {with("grafana", "<script>"), "line 3: the name is none"},
		"unknown_scope":    {with(" read", " admin"), "line 3: the scope is neither"},
		"local_time":       {with("2026-03-01T12:00:00Z -", "2026-03-01T12:00:00+01:00 -"), "line 3: the time of its making"},
		"no_time":          {with("2026-05-30T12:00:00Z", "soon"), "line 5: the time of its end"},
		"short_hash":       {with("3e4a", "3e4"), "line 3: the hash is not"},
		"hash_in_capitals": {with("3e4a", "3E4A"), "line 3: the hash is not"},
		"too_many":         {header + "\n" + manyLines(maxTokens+1), "more than 1000 tokens"},
	} {
		_, err := parse([]byte(c.content))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "urrit") || strings.Contains(err.Error(), "script") || strings.Contains(err.Error(), "admin")) {
			t.Errorf("%s: the error repeats the file: %v", name, err)
		}
	}
}

func manyLines(n int) string {
	var tokens []Token
	for range n {
		t, _ := newToken("one", ScopeRead, epoch, time.Time{})
		tokens = append(tokens, t)
	}
	_, lines, _ := strings.Cut(string(format(tokens)), "\n")
	return lines
}

func TestTokensAreAddedAndRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	ann, text, err := Add(path, "ann", ScopeProbe, epoch.Add(time.Nanosecond), epoch.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^pgt_[a-z2-7]{8}_[a-z2-7]{52}$`).MatchString(text) {
		t.Errorf("token %s has another form than is searched for", text)
	}
	if _, _, err := Add(path, "bob", ScopeRead, epoch, time.Time{}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := text[strings.LastIndex(text, "_")+1:]
	if bytes.Contains(content, []byte(secret)) {
		t.Error("the file holds the secret")
	}
	if hash := sha256.Sum256([]byte(text)); !bytes.Contains(content, []byte(hex.EncodeToString(hash[:]))) {
		t.Errorf("the file does not hold the SHA-256 of the token's text:\n%s", content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
	}
	for name, c := range map[string]struct {
		name    string
		scope   Scope
		expires time.Time
		want    string
	}{
		"the_same_name":    {"ann", ScopeRead, time.Time{}, "named ann already"},
		"a_bad_name":       {"ann bob", ScopeRead, time.Time{}, "token name"},
		"no_name":          {"", ScopeRead, time.Time{}, "token name"},
		"a_comment":        {"#ann", ScopeRead, time.Time{}, "token name"},
		"an_unknown_scope": {"eve", "all", time.Time{}, "neither read nor probe"},
		"already_expired":  {"eve", ScopeRead, epoch, "expired already"},
	} {
		if _, text, err := Add(path, c.name, c.scope, epoch, c.expires); perigee.CodeOf(err) != perigee.CodeInvalid || !strings.Contains(err.Error(), c.want) || text != "" {
			t.Errorf("%s: %q, %v, want %q", name, text, err, c.want)
		}
	}
	if _, err := Revoke(path, "eve"); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("revoking nobody's: %v", err)
	}
	if gone, err := Revoke(path, ann.ID); err != nil || gone != ann {
		t.Errorf("revoked %v, %v, want %v", gone, err, ann)
	}
	if gone, err := Revoke(path, "bob"); err != nil || gone.Name != "bob" {
		t.Errorf("revoked %v, %v", gone, err)
	}
	if tokens, err := Read(path); err != nil || len(tokens) != 0 {
		t.Errorf("left are %v, %v", tokens, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".perigee-tokens-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestManyEditAtOnce: none of what is written at once is lost.
func TestManyEditAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if _, _, err := Add(path, "n"+strconv.Itoa(i), ScopeRead, epoch, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if tokens, err := Read(path); err != nil || len(tokens) != 32 {
		t.Errorf("%d tokens, %v, want 32", len(tokens), err)
	}
}

func TestFilesThatOthersMayUseAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(filepath.Dir(path)); perigee.CodeOf(err) != perigee.CodeInvalid {
		t.Errorf("a directory: %v", err)
	}
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o601: false} {
		if err := os.WriteFile(path, []byte(yesterday), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzTokens: no content makes parse panic; what is accepted can be asked with, and is
// read the same when it was written again.
func FuzzTokens(f *testing.F) {
	f.Add([]byte(yesterday))
	f.Add([]byte(header))
	f.Add([]byte(header + "\r\n#\r\n"))
	f.Add([]byte("perigee-tokens 2\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		tokens, err := parse(content)
		if err != nil {
			return
		}
		for _, token := range tokens {
			if CheckName(token.Name) != nil || !slices.Contains(Scopes, token.Scope) || len(token.ID) != idLength {
				t.Errorf("accepted %+v", token)
			}
		}
		again, err := parse(format(tokens))
		if err != nil || !slices.Equal(again, tokens) {
			t.Errorf("read again as %v, %v, want %v", again, err, tokens)
		}
	})
}
