package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"perigee/internal/config"
)

// shell runs a script and returns what it printed.
func shell(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-s", "--"}, args...)...)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// composeService is what the tests must know of a service.
type composeService struct {
	Image       string `yaml:"image"`
	User        string `yaml:"user"`
	Build       struct{ Context, Dockerfile, Target string }
	NetworkMode string                                `yaml:"network_mode"`
	CapDrop     []string                              `yaml:"cap_drop"`
	CapAdd      []string                              `yaml:"cap_add"`
	Entrypoint  []string                              `yaml:"entrypoint"`
	Command     []string                              `yaml:"command"`
	Environment map[string]string                     `yaml:"environment"`
	Ports       []string                              `yaml:"ports"`
	Volumes     []string                              `yaml:"volumes"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

// TestComposeFitsTheProgram holds the compose file against the program, the dashboards and
// itself: every command and flag, file and variable, secret and bucket must be what its
// reader expects.
func TestComposeFitsTheProgram(t *testing.T) {
	var file struct {
		Services map[string]composeService
		Volumes  map[string]any
	}
	if err := yaml.Unmarshal([]byte(deployed(t, "compose/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	d := readDockerfile(t)
	for name, s := range file.Services {
		for _, v := range s.Volumes {
			source, rest, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, ".") {
				if _, err := os.Stat(filepath.Join("../../deploy/compose", source)); err != nil {
					t.Errorf("%s mounts what there is not: %v", name, err)
				}
				if !strings.HasSuffix(rest, ":ro") {
					t.Errorf("%s may write %s", name, source)
				}
			} else if _, ok := file.Volumes[source]; !ok {
				t.Errorf("%s mounts volume %s, which is not declared", name, source)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to other machines", name, p)
			}
		}
		for other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s waits for %s, which there is not", name, other)
			}
		}
		if !strings.HasPrefix(s.Image, "perigee:") {
			if !pinned(s.Image) {
				t.Errorf("%s: image %s is not pinned", name, s.Image)
			}
			continue
		}
		grammarAccepts(t, "compose "+name, s.Command)
		if _, ok := d.stages[s.Build.Target]; !ok {
			t.Errorf("%s is built to stage %q, which the Dockerfile has not", name, s.Build.Target)
		}
		if _, err := os.Stat(filepath.Join("../../deploy/compose", s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.NetworkMode != "host" || strings.Join(s.CapDrop, " ") != "ALL" || strings.Join(s.CapAdd, " ") != "NET_RAW" {
			t.Errorf("%s: network %q, capabilities -%v +%v", name, s.NetworkMode, s.CapDrop, s.CapAdd)
		}
	}
	database, grafana := file.Services["influxdb"], file.Services["grafana"]
	if !strings.HasPrefix(database.Image, "influxdb:2.7.") {
		t.Errorf("the database is %s", database.Image)
	}

	// The configuration that init writes names the database that is there, and the file
	// that the token for writing is put into.
	configure := grammarAccepts(t, "configure", file.Services["configure"].Command).Init
	setup := grammarAccepts(t, "database", file.Services["database"].Command).Influx.Setup
	perigee := propose(machine{host: "h", devices: []device{{name: "eth0", kind: kindWired, ways: []wayOut{wayBy("", 0)}}}}, nil)
	perigee.influxdb = &proposedInflux{configure.Influxdb, configure.InfluxdbOrg, configure.InfluxdbBucket, configure.InfluxdbTokenFile}
	read, err := config.Parse("perigee.yaml", perigee.text())
	if err != nil {
		t.Fatal(err)
	}
	if db := read.Storage.InfluxDB; db.Org != database.Environment["DOCKER_INFLUXDB_INIT_ORG"] || db.Bucket != database.Environment["DOCKER_INFLUXDB_INIT_BUCKET"] ||
		db.TokenFile != setup.WriteFile || "http://"+strings.TrimSuffix(database.Ports[0], ":8086") != db.URL {
		t.Errorf("perigee writes to %+v; the database has %v at %v, and its token for writing is in %s", db, database.Environment, database.Ports, setup.WriteFile)
	}
	if !configure.Yes || !configure.Keep {
		t.Error("init would ask, or fail the second time")
	}

	// What Grafana is given is what its data source asks for.
	source, err := os.ReadFile("../../dashboards/grafana/datasources/influxdb-2.x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	start := strings.Join(grafana.Entrypoint, " ")
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`: \$([A-Z_]+)`).FindAllStringSubmatch(string(source), -1) {
		asked[m[1]] = true
		if _, ok := grafana.Environment[m[1]]; !ok && !strings.Contains(start, m[1]+"=") {
			t.Errorf("the data source asks for %s, which Grafana is not given", m[1])
		}
	}
	for name := range grafana.Environment {
		if strings.HasPrefix(name, "PERIGEE_") && !asked[name] {
			t.Errorf("Grafana is given %s, which nothing asks for", name)
		}
	}
	if grafana.Environment["PERIGEE_INFLUX_ORG"] != configure.InfluxdbOrg || grafana.Environment["PERIGEE_INFLUX_BUCKET"] != configure.InfluxdbBucket {
		t.Errorf("Grafana reads %v", grafana.Environment)
	}
	if !strings.Contains(start, "cat "+setup.ReadFile+")") {
		t.Errorf("Grafana starts with %s; the token for reading is in %s", start, setup.ReadFile)
	}
	if uid, _, _ := strings.Cut(grafana.User, ":"); uid != d.uid {
		t.Errorf("Grafana runs as %s, and the tokens are readable by %s alone", uid, d.uid)
	}
	// The dashboards are where their provider looks.
	provider, err := os.ReadFile("../../dashboards/grafana/provisioning/dashboards/perigee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	where := regexp.MustCompile(`(?m)path: (/\S+)`).FindStringSubmatch(string(provider))
	if where == nil || where[1] != "/etc/grafana/provisioning/dashboards/perigee" {
		t.Errorf("dashboards are looked for at %v", where)
	}

	// The secrets that are named are those that are made, once.
	if os.Geteuid() != 0 {
		t.Skip("only root can give secrets to another user")
	}
	dir, conf := t.TempDir(), t.TempDir()
	t.Setenv("SECRETS_DIR", dir)
	t.Setenv("CONFIG_DIR", conf)
	made := map[string]string{}
	for range 2 {
		if out, err := shell(t, deployed(t, "compose/secrets.sh")); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, path := range []string{database.Environment["DOCKER_INFLUXDB_INIT_PASSWORD_FILE"], database.Environment["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE"],
			setup.AdminToken, grafana.Environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]} {
			secret, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
			if err != nil || len(secret) != 64 || filepath.Dir(path) != "/secrets" {
				t.Errorf("%s: %d characters, %v", path, len(secret), err)
			}
			if before, ok := made[path]; ok && before != string(secret) {
				t.Errorf("%s was made again", path)
			}
			made[path] = string(secret)
		}
	}
	if out, err := shell(t, deployed(t, "compose/secrets.sh"), "echo", "shown"); err != nil || out != "shown\n" {
		t.Errorf("%v %q", err, out)
	}
}
