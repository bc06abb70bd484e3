package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee"
)

const served = "storage: {influxdb: {url: \"http://127.0.0.1:8086\", bucket: perigee/autogen}}\n"

// TestServeNeedsTheDatabaseAlone reads files without links and targets, and the file of
// a monitor, whose other sections are not judged.
func TestServeNeedsTheDatabaseAlone(t *testing.T) {
	want := InfluxDB{URL: "http://127.0.0.1:8086", Bucket: "perigee/autogen"}
	for name, test := range map[string]struct{ text, listen string }{
		"alone":            {served, DefaultListen},
		"with api":         {served + "api: {listen: \"127.0.0.1:9000\"}\n", "127.0.0.1:9000"},
		"of a monitor":     {minimal + served, DefaultListen},
		"faulty elsewhere": {"links: [{name: a, orbit: gso}]\nprobes: {icmp: {window: 7s}}\n" + served, DefaultListen},
		"with forwarding":  {strings.Replace(served, "{url", "{via: nowhere, bandwidth: 1, url", 1), DefaultListen},
		"with a budget":    {"links: [{name: a, orbit: leo, budget: {bytes: 1GB}}]\n" + served, DefaultListen},
	} {
		s, err := LoadServe(write(t, "perigee.yaml", test.text, 0o600))
		if err != nil || s.InfluxDB != want || s.API.Listen != test.listen || len(s.Warnings) > 0 {
			t.Errorf("%s: %+v, %v, want %+v listening on %s without warnings", name, s, err, want, test.listen)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"nothing":            {"", `:1:1: the file holds no configuration; begin with a copy of deploy/perigee.yaml`},
		"no storage":         {minimal, `:1:1: storage.influxdb: is missing; say which database to show, such as {url: "http://127.0.0.1:8086", bucket: perigee}`},
		"no database":        {"api: {}\nstorage:\n  path: /data\n", `:3:3: storage.influxdb: is missing; say which database to show, such as {url: "http://127.0.0.1:8086", bucket: perigee}`},
		"no bucket":          {"storage: {influxdb: {url: \"http://db\"}}\n", `:1:21: storage.influxdb.bucket: is missing; name the bucket that results go to`},
		"misspelt section":   {"storag: {}\n", `:1:1: storag: unknown key; did you mean storage?`},
		"misspelt database":  {"storage: {influx: {}}\n", `:1:11: storage.influx: unknown key; did you mean influxdb?`},
		"database no map":    {"storage: {influxdb: 5}\n", `:1:21: storage.influxdb: is not a mapping; write "key: value" lines with the keys url, org, bucket, token_file, via, bandwidth`},
		"unknown elsewhere":  {served + "prbes: {}\n", `:2:1: prbes: unknown key; did you mean probes?`},
		"reachable by all":   {served + "api: {listen: \":8480\"}\n", `:2:15: api.listen: ":8480" is reachable from other machines: give api tls: {certificate: FILE, key: FILE}, or accept with insecure: [no_tls] that whoever is on the way reads results and tokens, and can use the tokens; give api tokens_file: FILE, or accept with insecure: [no_tokens] that whoever reaches the address reads everything, and can start measurements that spend bytes of your plan. Or listen on 127.0.0.1:8480 and let an SSH tunnel lead there`},
		"a password in view": {"storage: {influxdb: {url: \"http://me:hunter2@db\", bucket: b}}\n", `:1:27: storage.influxdb.url: holds a user or password; put the token into a file and name it as token_file`},
	} {
		_, err := parseServe(newReader("perigee.yaml", nil), []byte(test.text))
		if err == nil || err.Error() != "perigee.yaml"+test.want || perigee.CodeOf(err) != perigee.CodeInvalid {
			t.Errorf("%s:\ngot  %v\nwant perigee.yaml%s", name, err, test.want)
		}
	}
	if _, err := LoadServe(filepath.Join(t.TempDir(), "perigee.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestServeWarnsOfWhatItUses(t *testing.T) {
	text := "storage: {influxdb: {url: \"http://db.example.net\", bucket: b, token_file: /etc/perigee/token}}\napi: {tokens_file: /etc/perigee/tokens}\n"
	s, err := parseServe(newReader("perigee.yaml", nil), []byte(text))
	want := []string{
		"perigee.yaml:1:22: storage.influxdb.url: would carry the token unencrypted; use https for a server on another machine",
	}
	if err != nil || !slices.Equal(s.Warnings, want) || s.InfluxDB.TokenFile != "/etc/perigee/token" {
		t.Errorf("%+v, %v, want the warnings\n%s", s, err, strings.Join(want, "\n"))
	}
}
