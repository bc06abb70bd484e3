package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"perigee"
	"perigee/internal/config"
)

// initCommand looks at the machine, asks little, and writes a configuration.
type initCommand struct {
	Config string `placeholder:"FILE" short:"c" env:"PERIGEE_CONFIG" help:"File to write. Default: /etc/perigee/perigee.yaml for root, perigee.yaml for others."`
	Yes    bool   `short:"y" help:"Ask nothing and take every default."`
	Look   bool   `help:"Look for a Starlink dish by opening a connection to 192.168.100.1 over each line. Without it, and without a yes when asked, nothing is sent."`
	DryRun bool   `help:"Print the file instead of writing it."`
	Force  bool   `help:"Replace a configuration that is there."`
	Keep   bool   `help:"Leave a configuration that is there, and end well: for scripts that run again."`

	Influxdb          string `placeholder:"URL" help:"Forward results to this InfluxDB."`
	InfluxdbOrg       string `placeholder:"NAME" help:"Its organization, of 2.x."`
	InfluxdbBucket    string `placeholder:"NAME" default:"perigee" help:"Its bucket (default ${default})."`
	InfluxdbTokenFile string `placeholder:"FILE" type:"path" help:"File with a token that may write to it."`

	JSON bool `name:"json" help:"Print JSON, and ask nothing."`
}

// initResult is what the command prints with --json.
type initResult struct {
	File        string     `json:"file"`
	Written     bool       `json:"written"`
	Site        string     `json:"site"`
	Links       []initLink `json:"links"`
	Assumptions []string   `json:"assumptions"`
	Text        string     `json:"text"`
}

type initLink struct {
	Name        string   `json:"name"`
	Orbit       string   `json:"orbit"`
	Interface   string   `json:"interface"`
	BudgetBytes *int64   `json:"budget_bytes"` // null: none
	Because     []string `json:"because"`
}

// Run implements the command.
func (c initCommand) Run(ctx context.Context, s streams) error {
	if c.Config == "" {
		c.Config = configPlaces[0]
		if os.Geteuid() == 0 {
			c.Config = configPlaces[1]
		}
	}
	there, err := saysSomething(c.Config)
	switch {
	case err != nil:
		return err
	case there && c.Keep:
		s.notef("perigee: %s is there and is kept", c.Config)
		return nil
	case there && !c.Force && !c.DryRun:
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("%s is there and is left as it is; replace it with --force, or look first with --dry-run", c.Config)}
	}
	m, err := look()
	if err != nil {
		return err
	}
	ask := newAsker(s, c.Yes || c.JSON)
	asked, err := c.askDishes(ctx, m, ask)
	if err != nil {
		return err
	}
	p := propose(m, asked)
	if len(p.links) == 0 {
		return &perigee.Error{Code: perigee.CodeNotFound, Message: "no device has an IPv4 default route, so there is no way out to measure; connect one and run this again, or write the configuration by hand: " +
			strings.Join(append(p.notes, "docs/configuration.md has the keys"), "; ")}
	}
	if os.Geteuid() == 0 {
		p.storePath = config.DefaultStoragePath // of the service too, whose user is another
	}
	if c.Influxdb != "" {
		p.influxdb = &proposedInflux{url: c.Influxdb, org: c.InfluxdbOrg, bucket: c.InfluxdbBucket, tokenFile: c.InfluxdbTokenFile}
	}
	if err := p.ask(ask); err != nil {
		return err
	}
	text := p.text()
	if _, err := config.Parse(c.Config, text); err != nil {
		return err // of what a flag or an answer said
	}
	if !c.DryRun {
		if err := writeConfiguration(c.Config, text); err != nil {
			return err
		}
	}
	return c.tell(s, p, text)
}

// askDishes asks for a dish over each line that may be asked, if somebody said yes.
func (c initCommand) askDishes(ctx context.Context, m machine, a *asker) (map[string]bool, error) {
	var names []string
	for _, d := range m.devices {
		if len(d.ways) > 0 && d.kind != kindTunnel && d.kind != kindCellular {
			names = append(names, d.name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	if !c.Look {
		yes, err := a.yes(fmt.Sprintf("May I look for a Starlink dish, by opening a connection to %s over %s", dishAddress, strings.Join(names, ", ")))
		if err != nil || !yes {
			return nil, err
		}
	}
	asked := map[string]bool{}
	for _, name := range names {
		asked[name] = askDish(ctx, name)
	}
	return asked, nil
}

// tell says what was written and what it rests on.
func (c initCommand) tell(s streams, p proposal, text []byte) error {
	if c.JSON {
		r := initResult{File: c.Config, Written: !c.DryRun, Site: p.site.Name, Assumptions: p.assumptions(), Text: string(text)}
		for _, l := range p.links {
			link := initLink{Name: l.name, Orbit: string(l.orbit), Interface: l.device, Because: l.because}
			if l.budget > 0 {
				link.BudgetBytes = &l.budget
			}
			r.Links = append(r.Links, link)
		}
		return writeJSON(s.out, r)
	}
	if c.DryRun {
		if _, err := s.out.Write(text); err != nil {
			return err
		}
		s.notef("What it assumes:\n  - %s", strings.Join(p.assumptions(), "\n  - "))
		return nil
	}
	next := "perigee run"
	if c.Config == configPlaces[1] {
		next = "systemctl enable --now perigee"
	} else if c.Config != configPlaces[0] {
		next += " --config " + c.Config
	}
	_, err := fmt.Fprintf(s.out, "wrote %s: %d links to %d targets\nWhat it assumes:\n  - %s\nLook at it, then: perigee doctor, and %s\n",
		c.Config, len(p.links), len(publicAnchors), strings.Join(p.assumptions(), "\n  - "), next)
	return err
}

// saysSomething reports whether a configuration is there that holds more than comments.
func saysSomething(name string) (bool, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fileError("look at "+name, err)
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true, nil
		}
	}
	return false, nil
}

// configMode lets the owner write and a group read: the file tells where secrets are.
const configMode = 0o640

// writeConfiguration puts text in the place of a configuration, all of it or nothing. The file
// has the group of its directory, which is how the service may read it.
func writeConfiguration(name string, text []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fileError("make "+dir, err)
	}
	err := toFile(name, configMode, func(w io.Writer) error { _, err := w.Write(text); return err })
	if err != nil {
		return fileError("write the configuration", err)
	}
	if err := takeGroup(name, dir); err != nil {
		return fileError("give "+name+" the group of its directory", err)
	}
	return nil
}
