package main

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"perigee"
	"perigee/api"
	"perigee/internal/lab"
)

// watchedConfiguration writes a configuration whose database is at url.
func watchedConfiguration(t *testing.T, dir, url string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "perigee.yaml")
	text := fmt.Sprintf("links: [{name: a, orbit: terrestrial, interface: a0}]\ntargets: [{name: far, address: %s}]\nprobes: {icmp: {interval: 50ms, window: 1s, loss_timeout: 300ms}}\n"+
		"storage: {path: %s, influxdb: {url: %q, bucket: perigee}}\napi: {listen: \"127.0.0.1:0\"}\n", lab.Target(), filepath.Join(dir, "store"), url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// hungParts are the checks of /readyz of parts that hang.
func (p *process) hungParts() (list []string) {
	p.t.Helper()
	_, body, err := request(p.t.Context(), p.url, "/readyz")
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		if strings.Contains(line, "part ") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// TestTroubleOfOthersIsNoHang runs the real daemon with a database that takes connections
// and never answers, holds its store locked for a minute, and stops it for another.
func TestTroubleOfOthersIsNoHang(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes three minutes; set PERIGEE_LONG=1")
	}
	if isolated(t) {
		return
	}
	newLab(t, quick("a"))
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes them
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := t.TempDir()
	p := startProcess(t, watchedConfiguration(t, dir, "http://"+silent.Addr().String()))
	file := storeFile(filepath.Join(dir, "store"))
	within(t, "two windows", func() bool { return len(stored(t, file).Samples) >= 2 })

	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(text string) {
		t.Helper()
		within(t, text, func() bool { _, err := conn.ExecContext(t.Context(), text); return err == nil })
	}
	wait := func(d time.Duration) { <-time.After(d) }
	exec("BEGIN IMMEDIATE")
	wait(75 * time.Second)
	if hung := p.hungParts(); len(hung) > 0 {
		t.Errorf("while the store was locked: %q", hung)
	}
	exec("ROLLBACK")
	n := len(stored(t, file).Samples)
	within(t, "windows that waited for the store", func() bool { return len(stored(t, file).Samples) >= n+60 })

	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wait(70 * time.Second)
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	within(t, "the gap", func() bool { return len(stored(t, file).Gaps) > 0 })
	wait(20 * time.Second)
	if hung := p.hungParts(); len(hung) > 0 {
		t.Errorf("after it was stopped: %q", hung)
	}
	var outbox api.OutboxResponse
	p.ask("/api/v1/outbox", &outbox)
	p.stop()
	b := stored(t, file)
	if counted(b.Events, perigee.EventPartHung)+counted(b.Events, perigee.EventPartRestart) != 0 || strings.Contains(p.said.String(), "hangs") {
		t.Errorf("events %v\n%s", b.Events, p.said)
	}
	if outbox.FailuresTotal == 0 {
		t.Errorf("no write to the silent database was given up: %+v", outbox)
	}
	t.Logf("%d writes to the silent database were given up; gaps %v", outbox.FailuresTotal, b.Gaps)
}

// TestHungPartOfTheDaemon has the real daemon read its configuration again from a pipe that
// nobody writes to. Nothing ends that: the service manager's watchdog is held back, and
// the next start tells of it.
func TestHungPartOfTheDaemon(t *testing.T) {
	if os.Getenv("PERIGEE_LONG") == "" {
		t.Skip("takes three minutes; set PERIGEE_LONG=1")
	}
	if isolated(t) {
		return
	}
	newLab(t, quick("a"))
	dir := t.TempDir()
	file := watchedConfiguration(t, dir, "http://127.0.0.1:1")
	good := file + ".good"
	store := storeFile(filepath.Join(dir, "store"))
	socket := notifySocket(t, "2000000")
	p := startProcess(t, file)
	until(t, socket, "WATCHDOG=1")
	if err := os.Rename(file, good); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	before := until(t, socket, "STATUS=stuck: reading the configuration has not come round within 2m0s, and does not end")
	if len(before) == 0 {
		t.Error("nothing was said before")
	}
	if hung := p.hungParts(); len(hung) != 1 || !strings.Contains(hung[0], "reading the configuration has not come round") {
		t.Errorf("/readyz says %q of parts", hung)
	}
	within(t, "the event", func() bool { return counted(stored(t, store).Events, perigee.EventPartHung) == 1 })
	if said := p.said.String(); strings.Count(said, "part reading the configuration hangs") != 1 || !strings.Contains(said, "(*daemon).reloadOn") {
		t.Errorf("it says\n%s\nwant the hang once, with its stack", said)
	}
	n := len(stored(t, store).Samples)
	within(t, "windows that are measured all the same", func() bool { return len(stored(t, store).Samples) >= n+3 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(good, file); err != nil {
		t.Fatal(err)
	}
	if out, _, status := perigeeRun(t, "doctor", "-c", file); status == exitDone || !strings.Contains(out, "part reading the configuration: ") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	_ = p.cmd.Process.Kill() // as the service manager does
	_ = p.cmd.Wait()
	p.over = true
	t.Setenv("NOTIFY_SOCKET", "")
	p = startProcess(t, file)
	if !strings.Contains(p.said.String(), "before this start part reading the configuration hung") {
		t.Errorf("the next start says\n%s", p.said)
	}
	p.stop()
	if n := counted(stored(t, store).Events, perigee.EventPartHung); n != 2 {
		t.Errorf("%d events, want that of then and that of the next start", n)
	}
}
