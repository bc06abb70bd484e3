package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCommand prints what this binary is.
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c versionCommand) Run(s streams) error {
	b := buildInfo()
	if c.JSON {
		return writeJSON(s.out, b)
	}
	_, err := fmt.Fprintf(s.out, "perigee %s (%s, %s/%s)\n", b.Version, b.Go, b.OS, b.Arch)
	return err
}

// build says which source and toolchain a binary came from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func buildInfo() build {
	b := build{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	if b.Version == "devel" && len(b.Revision) >= 12 {
		b.Version = "devel-" + b.Revision[:12]
	}
	return b
}
