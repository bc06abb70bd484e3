package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"perigee/internal/lab"
	"perigee/internal/lab/labtest"
)

// The tests below start this test binary as a program of another kind: what it is to
// be stands in this variable.
const roleVariable = "PERIGEE_LAB_TEST_ROLE"

// roles are those programs. Each returns its exit code.
var roles = map[string]func() int{
	"parent":      func() int { return roleParent("serve") },
	"parent-ping": func() int { return roleParent("ping") },
	"serve":       roleServe,
	"interfaces":  roleInterfaces,
	"ping":        rolePing,
}

func fail(err error) int {
	fmt.Println("error:", err)
	return 1
}

// roleParent starts an isolated child of another role.
func roleParent(role string) int {
	child, err := lab.Command(context.Background(), nil)
	if err != nil {
		return fail(err)
	}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.Env = append(os.Environ(), roleVariable+"="+role)
	if err := child.Run(); err != nil {
		return fail(err)
	}
	return 0
}

// roleServe makes a lab, serves a word on an inherited listener if there is one, and
// never ends by itself.
func roleServe() int {
	l, err := lab.New(lab.Options{Links: []lab.Link{{Name: "orphan"}}})
	if err != nil {
		return fail(err)
	}
	far := exec.Command("sleep", "3600")
	if err := l.FarStart(far); err != nil {
		return fail(err)
	}
	fmt.Println("ready", os.Getpid(), far.Process.Pid)
	listener, err := net.FileListener(lab.InheritedFile(0))
	if err != nil {
		select {}
	}
	return fail(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "from within")
	})))
}

// roleInterfaces tells the network interfaces that the process sees, and whether a
// packet finds a way out.
func roleInterfaces() int {
	devices, err := net.Interfaces()
	if err != nil {
		return fail(err)
	}
	for _, d := range devices {
		fmt.Println(d.Name)
	}
	_, err = net.Dial("udp", "192.0.2.1:9")
	fmt.Println(errors.Is(err, unix.ENETUNREACH))
	return 0
}

// rolePing makes a lab and pings over it.
func rolePing() int {
	l, err := lab.New(lab.Options{Links: []lab.Link{{Name: "one", Profile: delayed(time.Millisecond, time.Millisecond)}}, KeepTruth: true})
	if err != nil {
		return fail(err)
	}
	defer l.Close()
	if err := pingTarget(3); err != nil {
		return fail(err)
	}
	fmt.Println("uid", os.Getuid(), "records", len(l.Truth()))
	return 0
}

// pingTarget has n echo requests answered, one after the other, by the way that the system
// chooses.
func pingTarget(n int) error {
	conn, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	target, b := &net.IPAddr{IP: lab.Target().AsSlice()}, make([]byte, lab.MTU)
	for seq := range n {
		request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Seq: seq, Data: make([]byte, 56)}}
		packet, err := request.Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(packet, target); err != nil {
			return err
		}
		for answered := false; !answered; {
			size, _, err := conn.ReadFrom(b)
			if err != nil {
				return fmt.Errorf("request %d: %w", seq, err)
			}
			reply, err := icmp.ParseMessage(1, b[:size])
			if err != nil || reply.Type != ipv4.ICMPTypeEchoReply {
				continue
			}
			echo, ok := reply.Body.(*icmp.Echo)
			answered = ok && echo.Seq == seq
		}
	}
	return nil
}

// role returns the environment that makes this binary a program of the role.
func role(name string) []string { return append(os.Environ(), roleVariable+"="+name) }

// line reads a line that begins with word, and returns its fields after that.
func line(t *testing.T, r *bufio.Reader, word string) []string {
	t.Helper()
	text, err := r.ReadString('\n')
	fields := strings.Fields(text)
	if err != nil || len(fields) == 0 || fields[0] != word {
		t.Fatalf("read %q, %v, want a line that begins with %q", text, err, word)
	}
	return fields[1:]
}

func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	labtest.Need(t)
	parent := exec.CommandContext(t.Context(), "/proc/self/exe")
	parent.Env = role("parent")
	// The test's own process is isolated; its child shall start as from a host.
	parent.Env = append(parent.Env, "PERIGEE_LAB_LEASH=")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(out)
	pids := line(t, reader, "ready")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The child holds the pipe: it ends when the child is gone.
	if _, err := io.ReadAll(reader); err != nil {
		t.Error(err)
	}
	_ = parent.Wait() // killed
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return gone(pid) })
	}
	if dev, err := net.InterfaceByName("orphan0"); err == nil {
		t.Errorf("device %v is left", dev)
	}
}

// gone reports whether a process has ended; one that only waits to be reaped has.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

func TestListenerOfTheParentServesFromWithin(t *testing.T) {
	labtest.Need(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(t.Context())
	child, err := lab.Command(ctx, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	child.Env = role("serve")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line(t, bufio.NewReader(out), "ready")
	response, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || string(body) != "from within" {
		t.Errorf("read %q, %v, want \"from within\"", body, err)
	}
	cancel()
	if err := child.Wait(); err == nil {
		t.Error("a child whose context ended did not end")
	}
}

func TestIsolatedProcessSeesNoOtherNetwork(t *testing.T) {
	labtest.Need(t)
	child, err := lab.Command(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	child.Env = role("interfaces")
	var out strings.Builder
	child.Stdout = &out
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(out.String())
	if last := len(lines) - 1; lines[0] != "lo" || lines[last] != "true" {
		t.Errorf("it sees %v, want lo first and no way out", lines)
	}
}

func TestLabWithoutRoot(t *testing.T) {
	labtest.Need(t)
	if os.Getuid() != 0 {
		t.Skip("the whole test runs without root")
	}
	const nobody = 65534
	binary := filepath.Join(t.TempDir(), "lab.test")
	copyProgram(t, binary)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Dir = "/"
	cmd.Env = append(role("parent-ping"), "PERIGEE_LAB_LEASH=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || strings.Contains(string(out), "run it as root") {
		t.Skipf("the system gives nobody no lab: %v %s", err, out)
	}
	// 3 requests and 3 replies; to itself the process is root.
	if err != nil || strings.TrimSpace(string(out)) != "uid 0 records 6" {
		t.Errorf("%v, output %q, want \"uid 0 records 6\"", err, out)
	}
}

// copyProgram copies this binary where every user may run it.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		if dir == os.TempDir() {
			break
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewRefusesTheHostsNetwork(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(role("serve"), "PERIGEE_LAB_LEASH=")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "shares the host's network") {
		t.Errorf("%v, output %q, want refused", err, out)
	}
}

func TestTruthIsWrittenAsItIsKept(t *testing.T) {
	labtest.Need(t)
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(lab.Options{Seed: 1, Truth: file, KeepTruth: true, Links: []lab.Link{{Name: "one", Profile: lab.Starlink()}}})
	if err != nil {
		t.Fatal(err)
	}
	end, _ := l.Link("one")
	p := newPinger(t, end, true, 3)
	every(t.Context(), 2*time.Millisecond, 100, func(i int) {
		if err := p.send(lab.Target6(), i); err != nil {
			t.Fatal(err)
		}
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	kept := l.Truth()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var n int
	for r, err := range lab.ReadTruth(file) {
		if err != nil {
			t.Fatal(err)
		}
		if n < len(kept) && kept[n] != r {
			t.Fatalf("record %d: written %+v, kept %+v", n, r, kept[n])
		}
		n++
	}
	if n != len(kept) || n < 100 {
		t.Errorf("%d records written, %d kept, want the same and at least 100", n, len(kept))
	}
}
