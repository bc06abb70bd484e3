package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee/api/access"
	"perigee/api/access/accesstest"
	"perigee/internal/config"
)

func TestDoctorLooksAtTokens(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	file := func(name string, lives ...time.Duration) string {
		path := filepath.Join(dir, name)
		for i, life := range lives {
			var expires time.Time
			if life != 0 {
				expires = now.Add(life)
			}
			if _, _, err := access.Add(path, "t"+string(rune('a'+i)), access.ScopeRead, now.Add(-time.Hour), expires); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	open := file("open", 0)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file string
		want []string // state and part of each message
	}{
		"none_configured": {"", nil},
		"good":            {file("good", 0, 90*24*time.Hour), []string{"ok holds 2 that are good"}},
		"missing":         {filepath.Join(dir, "none"), []string{"failed no such file"}},
		"others_read_it":  {open, []string{"failed chmod 600"}},
		"one_ends_soon":   {file("soon", 0, time.Hour), []string{"ok holds 2 that are good", "warning expires 2026-03-01T13:00:00Z"}},
		"all_are_over":    {file("over", -time.Minute), []string{"warning expired 2026-03-01T11:59:00Z", "warning nobody may ask"}},
	} {
		got := checkTokens(config.API{TokensFile: c.file}, now)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %q", name, got, c.want)
			continue
		}
		for i, f := range got {
			state, message, _ := strings.Cut(c.want[i], " ")
			if f.State != state || !strings.Contains(f.Message, message) || f.State != stateOK && f.Message == "" {
				t.Errorf("%s: %+v, want %q", name, f, c.want[i])
			}
		}
	}
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		life  time.Duration
		mode  os.FileMode
		alien bool // the key is another's
		state string
		want  string
	}{
		"good":            {90 * 24 * time.Hour, 0o600, false, stateOK, "good until 2026-05-30"},
		"ends_soon":       {13 * 24 * time.Hour, 0o600, false, stateWarning, "good until 2026-03-14"},
		"over":            {0, 0o600, false, stateFailed, "expired 2026-03-01T12:00:00Z"},
		"not_yet":         {11 * 365 * 24 * time.Hour, 0o600, false, stateFailed, "not good before"},
		"others_read_key": {90 * 24 * time.Hour, 0o604, false, stateFailed, "chmod o-rwx"},
		"group_reads_key": {90 * 24 * time.Hour, 0o640, false, stateWarning, "the group of"},
		"do_not_fit":      {90 * 24 * time.Hour, 0o600, true, stateFailed, "private key does not match"},
	} {
		certificate, key := accesstest.WritePair(t, t.TempDir(), "monitor", now.Add(c.life))
		if c.alien {
			_, key = accesstest.WritePair(t, t.TempDir(), "another", now.Add(c.life))
		}
		if err := os.Chmod(key, c.mode); err != nil {
			t.Fatal(err)
		}
		got := checkCertificate(config.API{TLS: &config.TLS{Certificate: certificate, Key: key}}, now)
		last := got[len(got)-1]
		if last.State != c.state || !strings.Contains(last.Message, c.want) || (last.Remedy == "") != (last.State == stateOK || c.state == stateFailed && c.life > 0 && name != "not_yet") {
			t.Errorf("%s: %+v, want %s %q", name, got, c.state, c.want)
		}
	}
	if got := checkCertificate(config.API{}, now); got != nil {
		t.Errorf("none configured: %v", got)
	}
}
