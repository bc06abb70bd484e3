package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"perigee/internal/config"
)

// deployed reads a file of deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// grammarAccepts fails the test unless the program, as it is, takes the arguments, and
// returns what they mean.
func grammarAccepts(t *testing.T, where string, args []string) (meaning cli) {
	t.Helper()
	parser, err := kong.New(&meaning, kong.Vars{"listen": config.DefaultListen}, kong.Exit(func(int) { t.Errorf("%s: %q only prints help", where, args) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Errorf("%s: perigee %s: %v", where, strings.Join(args, " "), err)
	}
	return meaning
}

// commands lists the commands that are shown to users, "config check" and the like by
// their first word.
func commands(t *testing.T) (names []string) {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Vars{"listen": config.DefaultListen})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range parser.Model.Children {
		if !n.Hidden {
			names = append(names, n.Name)
		}
	}
	return names
}

// pinned reports whether an image is named by an exact version.
func pinned(image string) bool {
	return regexp.MustCompile(`:[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9]+)?$`).MatchString(image)
}

func TestTheManualKnowsEveryCommand(t *testing.T) {
	manual := deployed(t, "man/perigee.1")
	head := regexp.MustCompile(`(?m)^\.BR? (.*)$`)
	var told []string
	for _, m := range head.FindAllStringSubmatch(manual[strings.Index(manual, ".SH COMMANDS"):strings.Index(manual, ".SH EXIT STATUS")], -1) {
		told = append(told, strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == ',' || r == '"' })...)
	}
	for _, name := range commands(t) {
		if !slices.Contains(told, name) {
			t.Errorf("perigee.1 does not tell of %q", name)
		}
	}
}

// Each unit starts a command that there is, with flags that there are, from where the
// packages put it.
func TestUnitsStartWhatThereIs(t *testing.T) {
	packages := deployed(t, "nfpm/perigee.yaml")
	for unit, command := range map[string]string{"perigee": "run", "perigee-serve": "serve", "perigee-reflect": "reflect"} {
		text := deployed(t, "systemd/"+unit+".service")
		set := func(key string) (values []string) {
			for _, m := range regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(text, -1) {
				values = append(values, m[1])
			}
			return values
		}
		start := set("ExecStart")
		if len(start) != 1 {
			t.Fatalf("%s: ExecStart %q", unit, start)
		}
		line := strings.NewReplacer("${PERIGEE_REFLECT_LISTEN}", ":4862", "${CREDENTIALS_DIRECTORY}", "/run/credentials/x", " $PERIGEE_REFLECT_FLAGS", "").Replace(start[0])
		words := strings.Fields(line)
		if words[0] != "/usr/bin/perigee" || words[1] != command {
			t.Errorf("%s starts %q", unit, words)
		}
		grammarAccepts(t, unit, words[1:])
		if got := set("Type"); !slices.Equal(got, []string{"notify"}) {
			t.Errorf("%s: Type %q", unit, got)
		}
		if want := "/usr/lib/systemd/system/" + unit + ".service"; !strings.Contains(packages, "dst: "+want) {
			t.Errorf("the packages do not have %s", want)
		}
		for _, file := range set("Documentation") {
			doc := filepath.Base(file)
			if _, err := os.Stat(filepath.Join("../../docs", doc)); err != nil {
				t.Errorf("%s names documentation that there is not: %v", unit, err)
			}
		}
		capabilities := set("CapabilityBoundingSet")
		want := []string{""}
		if unit == "perigee" {
			want = []string{"CAP_NET_RAW"}
		}
		if !slices.Equal(capabilities, want) {
			t.Errorf("%s: capabilities %q, want %q", unit, capabilities, want)
		}
	}
}

// dockerfile is what the tests must know of the image.
type dockerfile struct {
	uid     string
	exposed []string
	stages  map[string][]string // the command of each that has one, entry point included
	health  map[string][]string
	from    map[string]string
}

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	d := dockerfile{stages: map[string][]string{}, health: map[string][]string{}, from: map[string]string{}}
	list := func(s string) (words []string) {
		if err := yaml.Unmarshal([]byte(s), &words); err != nil {
			t.Fatalf("Dockerfile: %s: %v", s, err)
		}
		return words
	}
	stage, entry := "", []string(nil)
	for line := range strings.Lines(deployed(t, "Dockerfile")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "FROM":
			image, name, _ := strings.Cut(rest, " AS ")
			stage, d.from[name] = name, image
		case "USER":
			d.uid, _, _ = strings.Cut(rest, ":")
		case "EXPOSE":
			d.exposed = strings.Fields(rest)
		case "ENTRYPOINT":
			entry = list(rest)
		case "CMD":
			d.stages[stage] = append(slices.Clone(entry), list(rest)...)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			d.health[stage] = list(command)
		}
	}
	return d
}

// toolchain returns the one that go.mod names, by which everything that is given out is built.
func toolchain(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "toolchain "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

func TestDockerfileFitsTheProgram(t *testing.T) {
	d := readDockerfile(t)
	if d.uid == "" || d.uid == "0" || d.uid == "root" {
		t.Errorf("the image's user is %q", d.uid)
	}
	if !pinned(d.from["build"]) || d.from["base"] != "scratch" {
		t.Errorf("stages are from %v", d.from)
	}
	if version, named := strings.CutPrefix(toolchain(t), "go"); !named || !strings.HasPrefix(d.from["build"], "golang:"+version+"-") {
		t.Errorf("the image is built by %s, and go.mod names the toolchain %q", d.from["build"], toolchain(t))
	}
	for stage, command := range map[string]string{"monitor": "run", "serve": "serve"} {
		if got := d.stages[stage]; !slices.Equal(got, []string{"/perigee", command}) {
			t.Errorf("stage %s starts %q", stage, got)
		}
		grammarAccepts(t, "Dockerfile", []string{command})
		health := d.health[stage]
		if len(health) == 0 || health[0] != "/perigee" {
			t.Fatalf("stage %s has no health check of its own: %q", stage, health)
		}
		if m := grammarAccepts(t, "Dockerfile", health[1:]); m.Health.Address != config.DefaultListen {
			t.Errorf("the health check asks %s, while perigee listens on %s", m.Health.Address, config.DefaultListen)
		}
	}
	for _, port := range d.exposed {
		if !strings.HasSuffix(config.DefaultListen, ":"+port) && port != "4862" {
			t.Errorf("port %s is exposed, and nothing listens on it", port)
		}
	}
}

// The OpenWrt script is run by a shell with stand-ins for procd, which is not to be had
// here: what it tells procd to start must be what there is.
func TestOpenWrtStartsWhatThereIs(t *testing.T) {
	text := deployed(t, "openwrt/perigee.init")
	dir := t.TempDir()
	checked := filepath.Join(dir, "checked")
	fake := filepath.Join(dir, "perigee")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho \"$@\" >"+checked+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(text, "/usr/bin/perigee", fake)
	script = regexp.MustCompile(`(?m)^STORE=.*$`).ReplaceAllString(script, "STORE="+dir)
	script += "\nprocd_open_instance() { :; }\nprocd_close_instance() { :; }\nprocd_set_param() { echo \"$@\"; }\nstart_service\n"
	out, err := shell(t, script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	params := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		params[name] = value
	}
	words := strings.Fields(params["command"])
	if len(words) == 0 || words[0] != fake {
		t.Fatalf("procd is told %v", params)
	}
	m := grammarAccepts(t, "openwrt", words[1:])
	if m.Run.Config != "/etc/perigee/perigee.yaml" || m.Run.Store != dir || params["file"] != m.Run.Config {
		t.Errorf("it runs %+v, and procd is told %v", m.Run, params)
	}
	check, err := os.ReadFile(checked)
	if err != nil {
		t.Fatal(err)
	}
	grammarAccepts(t, "openwrt", strings.Fields(string(check)))
	// Without a disk nothing is started.
	if out, err := shell(t, strings.ReplaceAll(script, "STORE="+dir, "STORE="+dir+"/none")); err == nil || strings.Contains(out, "command") {
		t.Errorf("without a disk: %v %s", err, out)
	}
}
