package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
	"perigee/api/access/accesstest"
	"perigee/internal/lab"
	"perigee/storage/influx/influxtest"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// enduranceProgram is the variable that names the program to endure, for the test inside
// the namespaces.
const enduranceProgram = "PERIGEE_ENDURANCE_PROGRAM"

// TestEndurance runs the built program as a user would who has everything on: four links
// of the lab at ten probes a second, a first hop, transfers with a far end, budgets, raw
// results that expire, a real InfluxDB that is away for a twelfth of the time, TLS and
// tokens, and clients of each kind; its configuration is changed and read again five
// times. What it takes of the machine is recorded each 10 s. It fails if that grows, see
// enduring, if anything asked is not answered, or if a window is missing at the database.
func TestEndurance(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("PERIGEE_ENDURANCE"), 64)
	if err != nil || minutes < 1 {
		t.Skip("takes an hour; set PERIGEE_ENDURANCE to a number of minutes, 60 for the real thing")
	}
	length := time.Duration(minutes * float64(time.Minute))
	if !lab.Isolated() {
		endureIsolated(t, length)
		return
	}
	profiles := lab.Profiles()
	links := make([]lab.Link, len(profiles))
	for i, p := range profiles {
		links[i] = lab.Link{Name: p.Name, Profile: p}
	}
	l, err := lab.New(lab.Options{Seed: 1, Links: links})
	if errors.Is(err, lab.ErrForbidden) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := &endurance{t: t, length: length, dir: t.TempDir(), program: os.Getenv(enduranceProgram), lab: l, server: influxtest.Start(t)}
	e.bucket = e.server.Bucket(t)
	e.prepare()
	e.run()
	e.conclude()
}

// endureIsolated builds the program and runs the test in namespaces of its own.
func endureIsolated(t *testing.T, length time.Duration) {
	program := filepath.Join(t.TempDir(), "perigee")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	child, err := lab.Command(t.Context(), []string{"-test.run=^TestEndurance$", "-test.v", "-test.timeout=" + (length + 15*time.Minute).String()})
	if err != nil {
		t.Fatal(err)
	}
	child.Env = append(os.Environ(), enduranceProgram+"="+program)
	child.Stdout, child.Stderr = os.Stdout, os.Stdout
	if err := child.Run(); err != nil {
		if strings.Contains(err.Error(), lab.ErrForbidden.Error()) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
}

// endurance is one run.
type endurance struct {
	t       *testing.T
	length  time.Duration
	dir     string
	program string
	lab     *lab.Lab
	server  *influxtest.Server
	bucket  string

	links  []string
	token  string
	daemon *exec.Cmd
	record *recording
	askers *askers
}

// pace is by how much what happens at times happens sooner than in an hour.
func (e *endurance) pace() float64 { return min(1, e.length.Hours()) }

func (e *endurance) path(name string) string { return filepath.Join(e.dir, name) }

// prepare writes all files, starts the far end, and fills the store with the hour before:
// so single probes expire from the beginning on, as they do after the first two weeks
// elsewhere.
func (e *endurance) prepare() {
	t := e.t
	for _, p := range lab.Profiles() {
		e.links = append(e.links, p.Name)
	}
	accesstest.WritePair(t, e.dir, "monitor", time.Now().AddDate(0, 1, 0))
	if err := os.WriteFile(e.path("influx.token"), []byte(e.server.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), e.program, "reflect", "--new-key="+e.path("far.key")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	far := exec.Command(e.program, "reflect", "--listen="+farAddress, "--key-file="+e.path("far.key"))
	if err := e.lab.FarStart(far); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Process.Kill(); _ = far.Wait() })
	e.configure(0)
	out, err := exec.CommandContext(t.Context(), e.program, "token", "add", "all", "--scope=probe", "-c", e.path("perigee.yaml")).Output()
	if err != nil {
		t.Fatal(err)
	}
	e.token = strings.TrimSpace(string(out))
	e.fill()
}

// farAddress is where the far end listens.
var farAddress = lab.Target().String() + ":4862"

// configure writes the configuration. What is different of odd ones has the ways to the
// database and the far end made anew.
func (e *endurance) configure(n int) {
	first, _ := e.lab.Link("starlink")
	text := fmt.Sprintf(`site: {name: endurance, latitude: -35.28, longitude: 149.13}
links:
  - {name: fibre, orbit: terrestrial, interface: fibre0, plan: {down: 250Mbit/s, up: 50Mbit/s, availability: 99.5%%}}
  - {name: leo, orbit: leo, interface: leo0, budget: {bytes: 100GB}}
  - {name: starlink, orbit: starlink, interface: starlink0, first_hop: %s, budget: {bytes: %dGB}}
  - {name: geo, orbit: geo, interface: geo0, satellite_longitude: 140.1, budget: {bytes: 60GB, resets_on: 12, timezone: Australia/Sydney}}
targets:
  - {name: far, address: %s, reflector: "%s", key_file: far.key}
probes:
  icmp: {interval: 100ms, window: 10s}
  transfer: {every: 5m, streams: [1, 4], max_duration: 5s, max_bytes: 4MB}
storage:
  path: store
  keep: {singletons: 1h, windows: 2d}
  influxdb: {url: "%s", bucket: "%s", token_file: influx.token, bandwidth: %dMbit/s}
api: {listen: "127.0.0.1:0", tokens_file: tokens, tls: {certificate: monitor.pem, key: monitor.key}}
`, first.Far, 200+n%2, lab.Target(), farAddress, e.server.URL, e.bucket, 50+n%2)
	for _, name := range []string{"far.key", "influx.token", "tokens", "monitor.pem", "monitor.key"} {
		text = strings.ReplaceAll(text, ": "+name, ": "+e.path(name))
	}
	text = strings.ReplaceAll(text, "path: store", "path: "+e.path("store"))
	if err := os.WriteFile(e.path("perigee.yaml"), []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// fill stores an hour of the four links, from before the run.
func (e *endurance) fill() {
	store, err := sqlite.Open(e.t.Context(), e.store(), sqlite.Options{})
	if err != nil {
		e.t.Fatal(err)
	}
	defer store.Close()
	g := storagetest.NewGenerator(1)
	g.Interval = 100 * time.Millisecond
	var streams []perigee.Stream
	var links []perigee.Link
	for i, name := range e.links {
		orbit := []perigee.Orbit{perigee.OrbitTerrestrial, perigee.OrbitLEO, perigee.OrbitStarlink, perigee.OrbitGEO}[i]
		links = append(links, perigee.Link{ID: perigee.LinkID(name), Orbit: orbit})
		streams = append(streams, perigee.Stream{Site: "endurance", Link: perigee.LinkID(name), Target: "far", Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle})
	}
	if err := store.Describe(e.t.Context(), perigee.Site{Name: "endurance"}, links); err != nil {
		e.t.Fatal(err)
	}
	begin := time.Now().Truncate(10 * time.Second).Add(-62 * time.Minute)
	for n := range 61 {
		batch := perigee.Batch{Samples: g.Samples(begin.Add(time.Duration(n)*time.Minute), 6, streams...)}
		if err := store.Append(e.t.Context(), batch); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *endurance) store() string { return storeFile(e.path("store")) }

// run starts the daemon and everything around it, and ends it after the time.
func (e *endurance) run() {
	t := e.t
	logged, err := os.Create(e.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logged.Close()
	// The lab favours itself where it may; the daemon is to run as it would elsewhere.
	kernel, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
	e.daemon = exec.Command("nice", "-n", strconv.Itoa(kernel-20), e.program, "run", "--config="+e.path("perigee.yaml"))
	e.daemon.Stdout, e.daemon.Stderr = logged, logged
	if err := e.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if e.daemon.ProcessState == nil {
			_ = e.daemon.Process.Kill()
			_ = e.daemon.Wait()
		}
	}()
	address := ""
	within(t, "the daemon to listen", func() bool {
		_, rest, found := strings.Cut(e.log(), "page and API at ")
		address, _, _ = strings.Cut(strings.TrimSpace(rest), "/ ")
		return found && strings.Contains(rest, "\n")
	})
	e.askers = newAskers(address, e.token, e.links)
	e.record = &recording{pid: e.daemon.Process.Pid, store: e.store(), logged: e.path("log"), metrics: e.askers.metrics, begin: time.Now(), out: csv.NewWriter(e.table())}
	if err := e.record.out.Write(enduranceColumns); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("enduring %s for %s: process %d, %s\n", e.program, e.length, e.daemon.Process.Pid, address)

	ctx, cancel := context.WithTimeout(t.Context(), e.length)
	defer cancel()
	e.askers.begin(ctx, e.pace())
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, min(10*time.Second, e.length/60), func(int) { e.record.take(ctx) })
	}()
	e.disturb(ctx)
	<-done
	e.askers.wg.Wait()
	if err := e.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := e.daemon.Wait(); err != nil {
		t.Errorf("the daemon: %v\n%s", err, e.log())
	}
}

// disturb reads the configuration again each sixth of the time, and takes the database
// away for a twelfth in the middle.
func (e *endurance) disturb(ctx context.Context) {
	begin := time.Now()
	at := func(share float64) {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(begin.Add(time.Duration(share * float64(e.length))))):
		}
	}
	reload := func(n int) {
		e.configure(n)
		if err := e.daemon.Process.Signal(syscall.SIGHUP); err != nil {
			e.t.Error(err)
		}
	}
	for n, share := range []float64{1. / 6, 2. / 6} {
		at(share)
		reload(n + 1)
	}
	at(0.5 - 1./24)
	e.server.Kill()
	fmt.Println("the database is away")
	at(0.5)
	reload(3)
	at(0.5 + 1./24)
	e.server.Restart(e.t)
	fmt.Println("the database is back")
	for n, share := range []float64{4. / 6, 5. / 6} {
		at(share)
		reload(n + 4)
	}
	at(1)
}

// table opens the file that readings go to.
func (e *endurance) table() *os.File {
	name := os.Getenv("PERIGEE_ENDURANCE_CSV")
	if name == "" {
		name = e.path("endurance.csv")
	}
	file, err := os.Create(name)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { file.Close() })
	return file
}

func (e *endurance) log() string {
	text, err := os.ReadFile(e.path("log"))
	if err != nil {
		e.t.Error(err)
	}
	return string(text)
}

// conclude judges what was recorded, and what came of it.
func (e *endurance) conclude() {
	t, r := e.t, e.record
	for _, problem := range r.problems {
		t.Error(problem)
	}
	var all []judged
	for _, f := range enduring {
		j := f.judge(r.column(f.quantity))
		if all = append(all, j); j.grew {
			t.Errorf("%s grew: %.0f in the second third, %.0f in the last, may be %.0f", j.quantity, j.second, j.last, j.limit())
		}
	}
	fmt.Print(tableOf(all))
	e.rates()

	e.askers.mu.Lock()
	defer e.askers.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(e.askers.answers)) {
		fmt.Printf("%6d  %s\n", e.askers.answers[what], what)
	}
	fmt.Printf("%d bytes of answers, %d not as they should be\n", e.askers.bytes, len(e.askers.failures))
	for i, failure := range e.askers.failures {
		if i < 10 {
			t.Errorf("asking: %s", failure)
		}
	}
	e.reconcile()
	if t.Failed() {
		t.Logf("the daemon says:\n%s", e.log())
	}
}

// What the store and the log may grow by in the last third. Single probes expire as fast as
// they come, but only each ten minutes: in thirds that are no multiple of that, what has
// not expired yet is more, or less.
const (
	mostBytesPerProbe  = 7
	mostBytesUnexpired = 16
	mostLogPerHour     = 64 << 10
)

// rates tells what goes on growing, and holds it against what it may.
func (e *endurance) rates() {
	r := e.record
	hours := r.column("elapsed_seconds")
	for i := range hours {
		hours[i] /= 3600
	}
	probes := r.column("probes")
	perProbe, _ := rate(r.column("used_bytes"), probes)
	perHour, _ := rate(probes, hours)
	logged, _ := rate(r.column("log_bytes"), hours)
	processor, _ := rate(r.column("cpu_seconds"), hours)
	fmt.Printf("in the last third: %.0f probes an hour; the store grew by %.2f bytes a probe, %.1f MB a day; %.1f kB of log an hour; %.1f %% of a processor\n",
		perHour, perProbe, perProbe*perHour*24/1e6, logged/1e3, processor/36)
	most := mostBytesPerProbe
	if e.length%(30*time.Minute) != 0 {
		most = mostBytesUnexpired
	}
	if perProbe > float64(most) {
		e.t.Errorf("the store grew by %.2f bytes a probe, may grow by %d", perProbe, most)
	}
	if slack := float64(mostLogPerHour) / e.pace(); logged > slack {
		e.t.Errorf("%.0f bytes were logged an hour, want %.0f at most", logged, slack)
	}
}

// reconcile holds the database against the store.
func (e *endurance) reconcile() {
	t := e.t
	store, err := sqlite.OpenReader(t.Context(), e.store())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	pending, _, dead, err := store.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, got := windowsIn(t, store), windowsAt(t, e.server, e.bucket)
	missing := 0
	for m, planned := range want {
		if at, ok := got[m]; !ok {
			missing++
		} else if at != planned {
			t.Errorf("%+v planned %d probes, %d at the database", m, planned, at)
		}
	}
	if len(got) != len(want)-missing || missing > int(pending) || dead != 0 {
		t.Errorf("the store has %d windows, the database %d, %d are missing there and %d results wait, %d were refused", len(want), len(got), missing, pending, dead)
	}
	c, rows := perigee.Counts{}, 0
	for s, err := range store.Samples(t.Context(), perigee.Query{From: e.record.begin}) {
		if err != nil {
			t.Fatal(err)
		}
		c.Merge(s.Counts)
		rows++
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	var kinds []string
	for kind, n := range e.events(store) {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	transfers := 0
	for _, err := range store.Throughputs(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		transfers++
	}
	fmt.Printf("%d windows of this run with %d probes planned, %d sent, %d received, %d skipped; %d transfers; events: %s; %d of %d windows at the database, %d results wait\n",
		rows, c.Planned, c.Sent, c.Received, c.Skipped, transfers, strings.Join(kinds, ", "), len(got), len(want), pending)
	if transfers == 0 && e.length >= 10*time.Minute {
		t.Error("no transfer was made")
	}
}

// events counts what happened, by kind.
func (e *endurance) events(store *sqlite.Store) map[perigee.EventKind]int {
	list, err := store.Events(e.t.Context(), perigee.Query{})
	if err != nil {
		e.t.Error(err)
	}
	counts := map[perigee.EventKind]int{}
	for _, event := range list {
		counts[event.Kind]++
	}
	return counts
}
