package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee/internal/lab"
)

const (
	faultsEnv     = "PERIGEE_FAULTS"       // how many faults; 300 with PERIGEE_LONG
	faultSeedEnv  = "PERIGEE_FAULTS_SEED"  // what they are drawn by; 1
	faultHomesEnv = "PERIGEE_FAULTS_HOMES" // how many homes have them at once; 8
	faultKindEnv  = "PERIGEE_FAULTS_KIND"  // only kinds whose name contains this
	faultHomeEnv  = "PERIGEE_FAULTS_HOME"  // which of the homes a process is, and where it keeps its files

	faultMark = "FAULT " // begins a line that tells of one
	skipMark  = "NO HOME: "
)

// A campaign says which faults there are: a function of its seed.
type campaign struct {
	seed   uint64
	homes  int
	faults []faultKind // in the order of their numbers; fault i is of home i % homes
}

// A faultResult is what became of a home with one fault.
type faultResult struct {
	Number   int      `json:"number"`
	Home     int      `json:"home"`
	Kind     string   `json:"kind"`
	Detail   string   `json:"detail"`
	Recovery float64  `json:"recovery_seconds"`
	Windows  int      `json:"windows"` // held against the lab
	Probes   int      `json:"probes"`
	Problems []string `json:"problems"`
	Kept     string   `json:"kept,omitempty"`
}

// newCampaign reads what is asked for. Without a word it has each quick kind once.
func newCampaign(t *testing.T) campaign {
	t.Helper()
	number := func(name string, or int) int {
		text := os.Getenv(name)
		if text == "" {
			return or
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%s: must be a whole number from 1 on", name, text)
		}
		return n
	}
	c := campaign{seed: uint64(number(faultSeedEnv, 1))}
	var kinds []faultKind
	long := longFaults()
	for _, k := range faultKinds() {
		if (long || k.quick) && strings.Contains(k.name, os.Getenv(faultKindEnv)) && (k.needs == nil || k.needs() == nil) {
			kinds = append(kinds, k)
		}
	}
	n, homes := len(kinds), 4
	if long {
		n, homes = number(faultsEnv, 300), 8
	}
	c.homes = min(number(faultHomesEnv, homes), n)
	r := rand.New(rand.NewPCG(c.seed, 0))
	damages := drawing(r, kinds, true)
	others := drawing(r, kinds, false)
	for i := range n {
		// A store that is damaged again and again is not set aside each time: a home has
		// such a fault in ten, some minutes apart.
		if turn, home := i/c.homes, i%c.homes; others == nil || damages != nil && (long && turn%10 == home || !long && i == 0) {
			c.faults = append(c.faults, damages())
		} else {
			c.faults = append(c.faults, others())
		}
	}
	return c
}

// longFaults reports whether a campaign is asked for, and not one of each quick kind.
func longFaults() bool { return os.Getenv(faultsEnv) != "" || os.Getenv("PERIGEE_LONG") != "" }

// drawing returns what draws kinds that damage the store, or those that do not, all of them
// before any comes again; nil if there are none.
func drawing(r *rand.Rand, kinds []faultKind, damages bool) func() faultKind {
	kinds = slices.Clone(kinds)
	kinds = slices.DeleteFunc(kinds, func(k faultKind) bool { return k.damages != damages })
	if len(kinds) == 0 {
		return nil
	}
	var order []int
	return func() faultKind {
		if len(order) == 0 {
			order = r.Perm(len(kinds))
		}
		k := kinds[order[0]]
		order = order[1:]
		return k
	}
}

// TestFaults lets faults befall real daemons, each in namespaces of its own with real links,
// a real far end and a real database, and holds after each of them what is on record against
// the lab, against what the daemon acknowledged, and against the database.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := newCampaign(t)
	keep, err := os.MkdirTemp("", "perigee-faults-")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range faultKinds() {
		if k.needs != nil {
			if err := k.needs(); err != nil {
				t.Logf("left out: %s: %v", k.name, err)
			}
		}
	}
	begun := time.Now()
	results := make(chan faultResult)
	skipped := make([]string, c.homes)
	var running sync.WaitGroup
	for i := range c.homes {
		running.Go(func() { skipped[i] = runHome(t, c, i, filepath.Join(keep, fmt.Sprint("home-", i)), results) })
	}
	go func() {
		running.Wait()
		close(results)
	}()
	var all []faultResult
	for r := range results {
		all = append(all, r)
		fmt.Printf("fault %d (%d of %d) home %d: %s, %s: well after %.1f s; %d windows, %d probes\n", r.Number, len(all), len(c.faults), r.Home, r.Kind, r.Detail, r.Recovery, r.Windows, r.Probes)
		for _, problem := range r.Problems {
			t.Errorf("seed %d, fault %d (%s, %s): %s", c.seed, r.Number, r.Kind, r.Detail, problem)
			fmt.Printf("  %s\n", problem)
		}
		if r.Kept != "" {
			fmt.Printf("  kept in %s\n", r.Kept)
		}
	}
	if reason := skipped[0]; reason != "" && len(all) == 0 && !t.Failed() {
		t.Skip(reason)
	}
	fmt.Printf("\n%s\n", faultTable(c, all, time.Since(begun)))
	if len(all) != len(c.faults) {
		t.Errorf("%d faults of %d took place", len(all), len(c.faults))
	}
	if t.Failed() {
		t.Logf("everything is kept in %s", keep)
		return
	}
	if err := os.RemoveAll(keep); err != nil {
		t.Error(err)
	}
}

// runHome runs the faults of one home in a process of its own. It returns why there were
// none if the system does not allow them, or lacks what they need.
func runHome(t *testing.T, c campaign, i int, dir string, results chan<- faultResult) (skipped string) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Error(err)
		return ""
	}
	words, err := os.Create(filepath.Join(dir, "home.log"))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer words.Close()
	child, err := lab.Command(t.Context(), []string{"-test.run=^TestFaultHome$", "-test.v", "-test.timeout=3h"})
	if err != nil {
		t.Error(err)
		return ""
	}
	child.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", faultHomeEnv, i, dir))
	child.Stderr = words
	out, err := child.StdoutPipe()
	if err != nil {
		t.Error(err)
		return ""
	}
	if err := child.Start(); err != nil {
		if strings.Contains(err.Error(), lab.ErrForbidden.Error()) {
			return err.Error()
		}
		t.Error(err)
		return ""
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, told := strings.CutPrefix(lines.Text(), faultMark)
		if !told {
			fmt.Fprintln(words, lines.Text())
			if reason, found := strings.CutPrefix(lines.Text(), skipMark); found {
				skipped = reason
			}
			continue
		}
		var r faultResult
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		results <- r
	}
	if err := child.Wait(); err != nil {
		t.Errorf("home %d: %v; see %s", i, err, words.Name())
	}
	return skipped
}

// TestFaultHome is the process of one home.
func TestFaultHome(t *testing.T) {
	var i int
	var dir string
	if n, _ := fmt.Sscanf(os.Getenv(faultHomeEnv), "%d %s", &i, &dir); n != 2 {
		t.Skip("is a part of TestFaults")
	}
	defer func() {
		if t.Skipped() {
			fmt.Printf("%sa home lacks what it needs; go test -v -run TestFaultHome says what\n", skipMark)
		}
	}()
	if err := privateMounts(); err != nil {
		fmt.Printf("%s%v\n", skipMark, err)
		return
	}
	c := newCampaign(t)
	h := newHome(t, i, c.seed+uint64(i), dir)
	if _, err := h.recover(t.Context()); err != nil {
		t.Fatalf("before the first fault: %v", err)
	}
	for number := i; number < len(c.faults); number += c.homes {
		r := rand.New(rand.NewPCG(c.seed, uint64(1+number)))
		wait(t.Context(), between(r, 500*time.Millisecond, 3*time.Second))
		result := h.suffer(t.Context(), c.faults[number], r)
		result.Number, result.Home = number, i
		if len(result.Problems) > 0 {
			result.Kept = h.keep(number)
		}
		b, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", faultMark, b)
		if err := h.revive(t.Context()); err != nil {
			t.Fatalf("after fault %d it could not be brought back: %v", number, err)
		}
	}
}

// suffer lets one fault befall a home, and looks what became of it.
func (h *faultHome) suffer(ctx context.Context, k faultKind, r *rand.Rand) faultResult {
	result := faultResult{Kind: k.name}
	var p problems
	from := h.clock.now()
	detail, err := k.strike(ctx, h, r)
	to := h.clock.now()
	result.Detail = detail
	if k.device {
		h.touched = append(h.touched, interval{from.Add(-time.Second), to.Add(time.Second)})
	}
	if err != nil {
		p.add("the fault itself", "%v", err)
	}
	took, err := h.recover(ctx)
	result.Recovery = took.Seconds()
	if err != nil {
		p.add("recovery", "%v", err)
		result.Problems = p.all()
		return result
	}
	if k.damages {
		if err := h.healed(ctx); err != nil {
			p.add("healing", "%v", err)
		}
	}
	h.mu.Lock()
	acknowledged := map[windowKey]bool{}
	for key := range h.acknowledged {
		acknowledged[key] = true
	}
	h.mu.Unlock()
	l, err := h.look(ctx)
	if err != nil {
		p.add("store", "%v", err)
		result.Problems = p.all()
		return result
	}
	h.whole(ctx, &p)
	l.addUp(&p)
	h.kept(acknowledged, l, k.damages, &p)
	switch {
	case k.moves:
		by := h.eras[len(h.eras)-2].ahead
		l.covered(from.Add(-2*time.Second), from.Add(-untold/2), &p)
		l.covered(from.Add(by+untold), to.Add(by-untold), &p)
	case !k.damages:
		l.covered(from.Add(-2*time.Second), to, &p)
	}
	if err := k.record(h, l, from, to); err != nil {
		p.add("record", "%v", err)
	}
	result.Windows, result.Probes = h.agree(l, time.Now().Add(-2*time.Second), &p)
	h.held = h.forwarded(ctx, l, h.held, k.damages, &p)
	result.Problems = p.all()
	return result
}

// revive brings a home that does not recover back, so that the faults after this one are met
// by a daemon that is well.
func (h *faultHome) revive(ctx context.Context) error {
	if h.well(ctx, time.Time{}) == nil {
		return nil
	}
	h.daemon.letUp()
	h.far.letUp()
	h.daemon.kill()
	_, err := h.recover(ctx)
	return err
}

// keep copies a home's store and the end of what its daemon said, for whoever looks into it.
func (h *faultHome) keep(number int) string {
	dir := filepath.Join(h.dir, fmt.Sprint("fault-", number))
	if err := os.CopyFS(dir, os.DirFS(h.disk)); err != nil {
		h.t.Log(err)
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "daemon.log"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "daemon.log"), b[max(0, len(b)-64<<10):], 0o600)
	}
	if err != nil {
		h.t.Log(err)
	}
	return dir
}

// faultTable sums a campaign up, in Markdown.
func faultTable(c campaign, all []faultResult, took time.Duration) string {
	var b strings.Builder
	held, windows, probes := 0, 0, 0
	byKind := map[string][]faultResult{}
	for _, r := range all {
		byKind[r.Kind] = append(byKind[r.Kind], r)
		windows, probes = windows+r.Windows, probes+r.Probes
		if len(r.Problems) == 0 {
			held++
		}
	}
	fmt.Fprintf(&b, "%d faults, seed %d, %d homes, %s: all held after %d. %d windows with %d probes agree with the lab.\n\n",
		len(all), c.seed, c.homes, took.Round(time.Second), held, windows, probes)
	b.WriteString("| fault | times | all held | recovery, median / most, s | on record |\n|---|---|---|---|---|\n")
	for _, k := range faultKinds() {
		list := byKind[k.name]
		if len(list) == 0 {
			continue
		}
		held := 0
		for _, r := range list {
			if len(r.Problems) == 0 {
				held++
			}
		}
		slices.SortFunc(list, func(a, b faultResult) int { return cmp.Compare(a.Recovery, b.Recovery) })
		fmt.Fprintf(&b, "| %s | %d | %d | %.1f / %.1f | %s |\n", k.name, len(list), held, list[len(list)/2].Recovery, list[len(list)-1].Recovery, k.recorded)
	}
	return b.String()
}
