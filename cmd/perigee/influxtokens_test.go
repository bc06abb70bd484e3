package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/storage/influx/influxtest"
)

// TestSetupKeepsTokensInFiles has a real server set up twice: what is made the first time
// stands in files that only their owner reads, is shown nowhere, and works; the second time
// nothing is made and the files stay.
func TestSetupKeepsTokensInFiles(t *testing.T) {
	server := influxtest.Start(t)
	dir := t.TempDir()
	file, write, read := filepath.Join(dir, "perigee.yaml"), filepath.Join(dir, "write.token"), filepath.Join(dir, "read.token")
	text := fmt.Sprintf("storage: {influxdb: {url: %q, bucket: fromfiles, token_file: %s}}\n", server.URL, write)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(adminVariable, server.Token)
	args := []string{"influx", "setup", "--config=" + file, "--write-token-file=" + write, "--read-token-file=" + read}
	stdout, stderr, status := perigeeRun(t, args...)
	if status != exitDone {
		t.Fatal(stderr)
	}
	made := map[string]string{}
	for _, name := range []string{write, read} {
		secret, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 || len(secret) < 10 {
			t.Fatalf("%s: %q, %v", name, secret, err)
		}
		if strings.Contains(stdout+stderr, strings.TrimSpace(string(secret))) {
			t.Errorf("%s was also shown: %s%s", name, stdout, stderr)
		}
		made[name] = string(secret)
	}
	if stdout, stderr, status := perigeeRun(t, "influx", "check", "--config="+file); status != exitDone {
		t.Errorf("the token that was kept does not work: %s%s", stdout, stderr)
	}
	if _, stderr, status := perigeeRun(t, args...); status != exitDone || strings.Contains(stderr, "warning") {
		t.Errorf("again: exit status %d: %s", status, stderr)
	}
	for name, before := range made {
		if again, err := os.ReadFile(name); err != nil || string(again) != before {
			t.Errorf("%s was changed (%v)", name, err)
		}
	}
	if err := os.Remove(read); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := perigeeRun(t, args...); status != exitDone || !strings.Contains(stderr, "the server has a token already") {
		t.Errorf("with a file that is lost: exit status %d: %s", status, stderr)
	}
}
