package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tokenText = regexp.MustCompile(`pgt_[a-z2-7]{8}_[a-z2-7]{52}`)

func TestTokenCommands(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "tokens")
	settings := filepath.Join(dir, "serve.yaml")
	if err := os.WriteFile(settings, []byte("api: {tokens_file: "+file+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := perigeeRun(t, "token", "add", "grafana", "-c", settings)
	if status != exitDone || !tokenText.MatchString(stdout) || strings.TrimSpace(stdout) != tokenText.FindString(stdout) {
		t.Fatalf("add: %d %q %q, want the token alone on standard output", status, stdout, stderr)
	}
	if tokenText.MatchString(stderr) {
		t.Error("standard error, which is logged, has the token too")
	}
	secret := strings.TrimSpace(stdout)
	stdout, _, status = perigeeRun(t, "token", "add", "ann", "--scope=probe", "--expires=90d", "--json", "--tokens", file)
	var added tokenJSON
	if err := json.Unmarshal([]byte(stdout), &added); err != nil || status != exitDone || added.Scope != "probe" || added.Expires == nil || added.Expires.Sub(added.Created).Hours() != 90*24 || !tokenText.MatchString(added.Token) {
		t.Fatalf("add --json: %d %s", status, stdout)
	}
	stdout, _, status = perigeeRun(t, "token", "list", "-c", settings)
	if status != exitDone || strings.Count(stdout, "\n") != 3 || strings.Contains(stdout, secret) || !strings.Contains(stdout, "grafana  read   ") {
		t.Errorf("list: %d\n%s", status, stdout)
	}
	stdout, _, _ = perigeeRun(t, "token", "list", "-c", settings, "--json")
	var list []tokenJSON
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list) != 2 || list[0].Name != "grafana" || list[0].Expires != nil || list[1].ID != added.ID || tokenText.MatchString(stdout) {
		t.Errorf("list --json: %s", stdout)
	}
	if stdout, _, status := perigeeRun(t, "token", "revoke", added.ID, "-c", settings); status != exitDone || !strings.Contains(stdout, "of ann is revoked") {
		t.Errorf("revoke: %d %q", status, stdout)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"unknown":        {[]string{"revoke", "ann", "-c", settings}, exitUsage, "no such token"},
		"the_same_name":  {[]string{"add", "grafana", "-c", settings}, exitUsage, "named grafana already"},
		"a_bad_name":     {[]string{"add", "a b", "-c", settings}, exitUsage, "token name"},
		"a_bad_duration": {[]string{"add", "b", "--expires=soon", "-c", settings}, exitUsage, "--expires"},
		"a_bad_scope":    {[]string{"add", "b", "--scope=admin", "-c", settings}, exitUsage, "--scope"},
		"no_file_named":  {[]string{"list"}, exitUsage, "--tokens FILE"},
		"no_such_file":   {[]string{"list", "--tokens=none"}, exitUsage, "no such file"},
	} {
		if _, stderr, status := perigeeRun(t, append([]string{"token"}, c.args...)...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: %d %q, want %d %q", name, status, stderr, c.status, c.want)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := perigeeRun(t, "token", "add", "bob", "-c", settings); status != exitUsage || !strings.Contains(stderr, "chmod 600") {
		t.Errorf("a file that all may read: %d %q", status, stderr)
	}
}
