package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	hop := perigee.Stream{Site: "endurance", Link: "starlink", Target: perigee.FirstHop, Method: perigee.MethodICMP, Family: perigee.IPv4, Load: perigee.LoadIdle}
	streams = append(streams, hop)
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
	// The daemon ends with this thread, however that ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The lab favours itself where it may; the daemon is to run as it would elsewhere.
	kernel, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
	e.daemon = exec.Command("nice", "-n", strconv.Itoa(kernel-20), e.program, "run", "--config="+e.path("perigee.yaml"))
	e.daemon.Stdout, e.daemon.Stderr = logged, logged
	e.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
