package main

import (
	"errors"
	"fmt"

	"perigee"
	"perigee/internal/config"
)

// configCommand groups what can be done with the configuration file.
type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Read the configuration and name every fault by line. Sends nothing."`
}

// configCheckCommand reads the configuration and says what it means.
type configCheckCommand struct {
	File string `arg:"" optional:"" placeholder:"FILE" help:"The file to check. Default: as --config."`
	configFlag
	JSON bool `name:"json" help:"Print JSON."`
}

// configVerdict is what the check prints with --json.
type configVerdict struct {
	File     string   `json:"file"`
	Valid    bool     `json:"valid"`
	Hash     string   `json:"hash,omitempty"`
	Links    []string `json:"links"`
	Targets  []string `json:"targets"`
	Warnings []string `json:"warnings"`
	Errors   []string `json:"errors"`
}

// Run implements the command.
func (c configCheckCommand) Run(s streams) error {
	if c.File != "" {
		c.Config = c.File
	}
	file, err := c.find()
	if err != nil {
		return err
	}
	if file == "" {
		return &perigee.Error{Code: perigee.CodeInvalid,
			Message: fmt.Sprintf("no configuration found in %v; name one: perigee config check FILE", configPlaces)}
	}
	v := configVerdict{File: file, Links: []string{}, Targets: []string{}, Warnings: []string{}, Errors: []string{}}
	loaded, err := config.Load(file)
	if err != nil {
		if c.JSON {
			if e, ok := errors.AsType[*config.Error](err); ok {
				for _, problem := range e.Problems {
					v.Errors = append(v.Errors, problem.String())
				}
			}
			if werr := writeJSON(s.out, v); werr != nil {
				return werr
			}
			return errExit(exitStatus(err))
		}
		return err
	}
	p := configuredPlan(loaded, file)
	v.Valid, v.Hash = true, loaded.Hash()
	v.Warnings = append(v.Warnings, p.warnings...)
	for _, l := range p.links {
		v.Links = append(v.Links, string(l.ID))
	}
	for _, t := range p.targets {
		v.Targets = append(v.Targets, string(t.ID))
	}
	if c.JSON {
		return writeJSON(s.out, v)
	}
	for _, w := range v.Warnings {
		s.notef("warning: %s", w)
	}
	_, err = fmt.Fprintf(s.out, "%s is valid\n%s", file, p.describe())
	return err
}
