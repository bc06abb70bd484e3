package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// leashVariable tells an isolated process that it is one, and on which descriptor
// its leash is: a pipe that the parent holds open as long as it lives. Once the
// leash is taken the value is leashTaken, for the programs that the process starts.
const (
	leashVariable = "PERIGEE_LAB_LEASH"
	leashTaken    = "taken"
)

// firstFile is the descriptor of the first file that Command passes on: 3 is the leash.
const firstFile = 4

var (
	isolated   bool
	isolateErr error // why the isolated process is not fit for a lab
)

// init makes the process ready if Command started it. It is an init because the
// leash must be taken before the process can start another program or hang.
func init() {
	value := os.Getenv(leashVariable)
	if value == "" {
		return
	}
	isolated = true
	if value == leashTaken {
		return
	}
	fd, err := strconv.Atoi(value)
	if err == nil {
		err = holdLeash(fd)
	}
	if err == nil {
		err = loopbackUp()
	}
	if err == nil {
		err = os.Setenv(leashVariable, leashTaken)
	}
	isolateErr = err
	favour()

	// In lists of processes it shall have its own name, not "exe".
	if name, err := unix.BytePtrFromString(filepath.Base(os.Args[0])); err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
	}
}

// favouredNice is the nice value of an isolated process, as far as the system permits.
const favouredNice = -15

// favour lets the process go before others. The engines' own priority is not enough:
// an engine that wakes takes part in Go's scheduler, whose locks and pauses are held by
// threads of ordinary priority. Threads to come inherit what these have.
func favour() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, favouredNice) // allowed to root alone
		}
	}
}

// holdLeash ends the process when the parent has let go of the leash. The parent's
// death signal would not do: it is sent when the parent's thread ends, and a Go program's
// threads come and go.
func holdLeash(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return fmt.Errorf("lab: descriptor %d from %s is not a pipe: unset the variable", fd, leashVariable)
	}
	unix.CloseOnExec(fd)
	go func() {
		var b [1]byte
		for {
			n, err := unix.Read(fd, b[:])
			if n == 0 && err == nil || err != nil && !errors.Is(err, unix.EINTR) {
				lastWords()
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			}
		}
	}()
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("lab: loopback device: %w", permission(err))
	}
	return nil
}

// lastWordsTime is how long what was given to WhenOrphaned may take.
const lastWordsTime = 2 * time.Second

// orphaned is what was given to WhenOrphaned.
var orphaned atomic.Pointer[func()]

// WhenOrphaned has fn run when the process that started this isolated one has died,
// just before this one is killed for that, to remove what would be left behind on disk.
// It has two seconds, and other goroutines still run meanwhile. A later call replaces
// fn.
func WhenOrphaned(fn func()) { orphaned.Store(&fn) }

func lastWords() {
	fn := orphaned.Load()
	if fn == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		(*fn)()
	}()
	select {
	case <-done:
	case <-time.After(lastWordsTime):
	}
}

// Isolated reports whether this process was started by Command, and so lives in a
// network namespace of its own.
func Isolated() bool { return isolated }

// Usable returns nil if New can be expected to work here, else why not. It is for
// the isolated process.
func Usable() error {
	if !isolated {
		return errors.New("lab: this process shares the host's network: start it with lab.Command")
	}
	if isolateErr != nil {
		return isolateErr
	}
	here := &side{at: func(fn func() error) error { return fn() }}
	fd, err := here.openTUN("usable%d")
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return unix.Close(fd)
}

// InheritedFile returns file n, from 0, of those given to Command.
func InheritedFile(n int) *os.File {
	return os.NewFile(uintptr(firstFile+n), "inherited "+strconv.Itoa(n))
}

// Child is a process in namespaces of its own. It is an exec.Cmd whose Start, Run and
// Wait, and only they, hold the child's leash.
type Child struct {
	*exec.Cmd
	leash, end *os.File // what the child reads, and what keeps it from ending
}

// Command returns the command that runs this program again with args in a new
// network namespace, with Isolated true. Standard streams and environment are to be
// set on it as on an exec.Cmd (nil Env: as here); files are passed on and found with InheritedFile,
// so that a listener opened here serves there.
//
// A process that lacks the rights to make namespaces gets a user namespace too, in
// which it is root over the network namespace and has no more rights than here over
// anything else. Where the system forbids that, Start says what to do.
//
// The child is killed when this process ends, for whatever reason, kill -9 included,
// and interrupted when ctx ends.
func Command(ctx context.Context, args []string, files ...*os.File) (*Child, error) {
	leash, end, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("lab: leash: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = killAfter
	cmd.ExtraFiles = append([]*os.File{leash}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if !privileged() {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return &Child{Cmd: cmd, leash: leash, end: end}, nil
}

// privileged reports whether the process may make network namespaces as it is.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const need = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
	return data[0].Effective&need == need
}

// Start starts the child.
func (c *Child) Start() error {
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.Env = append(c.Env, leashVariable+"=3")
	err := c.Cmd.Start()
	c.leash.Close()
	if err != nil {
		c.end.Close()
		return fmt.Errorf("lab: isolate: %w", permission(err))
	}
	return nil
}

// Wait waits until the child has ended, as exec.Cmd does.
func (c *Child) Wait() error {
	defer c.end.Close()
	return c.Cmd.Wait()
}

// Run starts the child and waits for it.
func (c *Child) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}
