package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"perigee"
	"perigee/internal/config"
	"perigee/probes/bind"
	"perigee/storage/sqlite"
)

// doctorCommand checks the ground before anything is measured. It sends nothing.
type doctorCommand struct {
	configFlag `embed:""`
	JSON       bool `name:"json" help:"Print JSON."`
}

// A finding is the verdict of one check.
type finding struct {
	Check   string `json:"check"`
	State   string `json:"state"` // ok, warning or failed
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`

	code perigee.Code
}

// The states of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
)

// Run implements the command.
func (c doctorCommand) Run(ctx context.Context, s streams) error {
	return conclude(s, c.examine(ctx), c.JSON)
}

// conclude prints what was found and turns the worst of it into an exit status.
func conclude(s streams, findings []finding, asJSON bool) error {
	if asJSON {
		if err := writeJSON(s.out, findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(s.out, "%-8s %s: %s\n", f.State, f.Check, f.Message)
			if f.Remedy != "" {
				fmt.Fprintf(s.out, "         remedy: %s\n", f.Remedy)
			}
		}
	}
	status := exitDone
	for _, f := range findings {
		switch {
		case f.State != stateFailed:
		case f.code == perigee.CodePermission:
			status = exitPermission
		case status == exitDone && (f.code == perigee.CodeInvalid || f.code == perigee.CodeNotFound):
			status = exitUsage
		case status == exitDone:
			status = exitFailed
		}
	}
	if status != exitDone {
		return errExit(status)
	}
	return nil
}

// examine runs every check that makes sense and returns what it found.
func (c doctorCommand) examine(ctx context.Context) []finding {
	p, err := c.plan()
	if err != nil {
		return []finding{failed("configuration", err)}
	}
	return append(append(ground(p, doubtOf(ctx, p)), checkStore(ctx, p.storePath)), checkHung(p.storePath)...)
}

// failed makes a finding of an error.
func failed(check string, err error) finding {
	return finding{Check: check, State: stateFailed, Message: err.Error(), code: perigee.CodeOf(err)}
}

// checkLink opens, for each target, the socket that the daemon would open, and reports
// where a probe would leave. Opening sends nothing, and no name is looked up; toward is
// where the way to a gateway, or to a target that is a name, is asked for.
func checkLink(l perigee.Link, targets []perigee.Target, toward netip.Addr) []finding {
	check := fmt.Sprintf("link %s", l.ID)
	binder, err := bind.New(bindOptions(l))
	if err != nil {
		return []finding{failed(check, err)}
	}
	defer binder.Close()
	var findings []finding
	for _, t := range targets {
		if t.ID == perigee.FirstHop && t.Address == config.FirstHopAuto {
			hop, err := gateway(l, toward)
			if err != nil {
				findings = append(findings, failed(check, fmt.Errorf("first_hop: %w", err)))
				continue
			}
			t.ID, t.Address = perigee.TargetID(fmt.Sprintf("%s %s", t.ID, hop)), hop.String()
		}
		findings = append(findings, checkBinding(check, binder, t, toward))
	}
	return findings
}

// checkBinding checks the way to one target, by that to toward if it is a name.
func checkBinding(check string, binder *bind.Binder, t perigee.Target, toward netip.Addr) finding {
	path, err := tryBinding(binder, t, toward)
	if err != nil {
		f := failed(check, err)
		f.Message = fmt.Sprintf("to %s: %v", t.ID, err)
		if errors.Is(err, os.ErrPermission) {
			f.code = perigee.CodePermission
		}
		return f
	}
	way := "a route of its namespace"
	if path.Name != "" {
		way = "device " + path.Name
	}
	if path.Local.IsValid() {
		way += ", from " + path.Local.String()
	}
	return finding{Check: check, State: stateOK, Message: fmt.Sprintf("to %s by %s", t.ID, way)}
}

// tryBinding opens the socket that probes of t would leave by, closes it again, and
// returns their way. Nothing is sent, and no name is looked up: it is taken to have the route
// of toward.
func tryBinding(binder *bind.Binder, t perigee.Target, toward netip.Addr) (bind.Path, error) {
	remote, err := netip.ParseAddr(t.Address)
	if err != nil {
		remote = toward
	}
	path, err := binder.Path(remote)
	if err != nil {
		return path, err
	}
	socket, err := binder.ListenICMP(remote, uint16(os.Getpid()))
	if err != nil {
		return path, err
	}
	return path, socket.Close()
}

// checkDisk makes sure that the store's directory can be written and has room.
func checkDisk(dir string) finding {
	const check = "disk"
	place := dir
	for {
		if _, err := os.Stat(place); err == nil {
			break
		}
		parent := filepath.Dir(place)
		if parent == place {
			return finding{Check: check, State: stateFailed, Message: dir + " has no existing parent directory"}
		}
		place = parent
	}
	f, err := os.CreateTemp(place, ".perigee-doctor-*")
	if err != nil {
		e := failed(check, err)
		e.Message = fmt.Sprintf("%s cannot be written: %v", place, err)
		e.Remedy = "let the daemon's user own it, or set storage.path"
		e.code = perigee.CodePermission
		return e
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Sync(); err != nil {
		return finding{Check: check, State: stateFailed, Message: fmt.Sprintf("%s does not sync to disk: %v", place, err)}
	}
	free, err := freeBytes(place)
	if err != nil {
		return failed(check, err)
	}
	const wanted = 1 << 30
	if free < wanted {
		return finding{Check: check, State: stateWarning, Message: fmt.Sprintf("%s has only %s free", place, byteSize(float64(free))),
			Remedy: "free some space, or shorten storage.keep.singletons"}
	}
	return finding{Check: check, State: stateOK, Message: fmt.Sprintf("%s can be written; %s free", place, byteSize(float64(free)))}
}

// checkStore opens the store if there is one and has it checked.
func checkStore(ctx context.Context, dir string) finding {
	const check = "store"
	file := storeFile(dir)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return finding{Check: check, State: stateOK, Message: file + " does not exist yet; the daemon makes it"}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	store, err := sqlite.OpenReader(ctx, file)
	if err != nil {
		return failed(check, err)
	}
	defer store.Close()
	links, err := store.Links(ctx)
	if err != nil {
		return failed(check, err)
	}
	var names []string
	for _, l := range links {
		if !l.Last.IsZero() {
			names = append(names, fmt.Sprintf("%s until %s", l.Link.ID, l.Last.UTC().Format(time.RFC3339)))
		}
	}
	if len(names) == 0 {
		names = []string{"no samples yet"}
	}
	instance, err := store.Instance(ctx)
	if err != nil {
		return failed(check, err)
	}
	return finding{Check: check, State: stateOK, Message: fmt.Sprintf("%s: instance %s, %s", file, instance, strings.Join(names, ", "))}
}
