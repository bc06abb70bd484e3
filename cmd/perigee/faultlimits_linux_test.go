package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
)

// limitFaults take from the daemon what it needs of the system.
var limitFaults = []faultKind{
	{
		name: "file descriptors exhausted", quick: true, recorded: "windows without a break", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return exhausted(ctx, h, r, func() error { return nil })
		},
	},
	{
		name: "file descriptors exhausted, a device added again", device: true, recorded: "outage of the link", record: func(_ *faultHome, l record, from, to time.Time) error { return outageOf(l, "one", from, to) },
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return exhausted(ctx, h, r, func() error {
				_, err := h.lab.Remove("one")
				wait(ctx, 2500*time.Millisecond)
				if err == nil {
					_, err = h.lab.Restore("one", netip.Addr{})
				}
				return err
			})
		},
	},
	{
		name: "memory limit", quick: true, recorded: "gap crashed if it was killed", needs: memoryHierarchy,
		strike: squeezed,
		record: func(h *faultHome, l record, from, to time.Time) error {
			if h.survived {
				return nil
			}
			return gapOf(perigee.GapCrashed)(h, l, from, to)
		},
	},
}

// exhausted has every open of a file or socket fail for a while, and something happen then.
func exhausted(ctx context.Context, h *faultHome, r *rand.Rand, then func() error) (string, error) {
	pid, ok := h.daemon.pid()
	if !ok {
		return "", errors.New("the daemon does not run")
	}
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		return "", err
	}
	few := unix.Rlimit{Cur: uint64(1 + r.IntN(8)), Max: before.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		return "", err
	}
	err := then()
	length := between(r, 4*time.Second, 12*time.Second)
	busy, done := context.WithTimeout(ctx, length)
	defer done()
	for busy.Err() == nil {
		asked(busy) // is not answered, or by connections that are open
		wait(busy, 500*time.Millisecond)
	}
	return fmt.Sprintf("at most %d for %v", few.Cur, length), errors.Join(err, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil))
}

// squeezed gives the daemon a few MB of memory beyond what it has: it lives with that or is
// killed by the kernel.
func squeezed(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
	pid, ok := h.daemon.pid()
	if !ok {
		return "", errors.New("the daemon does not run")
	}
	dir, limit, err := memoryGroup()
	if err != nil {
		return "", err
	}
	group := filepath.Join(dir, fmt.Sprintf("perigee-faults-%d-%d", os.Getpid(), pid))
	if err := os.Mkdir(group, 0o755); err != nil {
		return "", err
	}
	bytes := 1 << (18 + r.IntN(7)) // 256 kB to 16 MB
	// What it has stays charged to the group that it leaves: the limit bounds what it takes
	// from now on.
	err = errors.Join(
		os.WriteFile(filepath.Join(group, limit), []byte(strconv.Itoa(bytes)), 0),
		os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0))
	lives := h.daemon.lived()
	length := between(r, 3*time.Second, 8*time.Second)
	busy, done := context.WithTimeout(ctx, length)
	defer done()
	for err == nil && busy.Err() == nil && h.daemon.lived() == lives {
		asked(busy)
		wait(busy, 200*time.Millisecond)
	}
	h.survived = true
	if now, runs := h.daemon.pid(); !runs || now != pid {
		h.survived = false
	} else {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0))
	}
	outcome := map[bool]string{true: "it lived", false: "it was killed"}[h.survived]
	for range 100 {
		if e := os.Remove(group); e == nil {
			break
		}
		wait(ctx, 50*time.Millisecond) // its last thread goes
	}
	return fmt.Sprintf("%d kB more, %s", bytes>>10, outcome), err
}

func memoryHierarchy() error {
	_, _, err := memoryGroup()
	return err
}

// memoryGroup returns the control group of this process that accounts for memory, of version
// 2 or 1, and the name of its limit.
func memoryGroup() (dir, limit string, err error) {
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		part := strings.SplitN(lines.Text(), ":", 3)
		if len(part) != 3 {
			continue
		}
		dir := ""
		switch {
		case part[1] == "memory":
			dir, limit = filepath.Join("/sys/fs/cgroup/memory", part[2]), "memory.limit_in_bytes"
		case part[0] == "0":
			dir, limit = filepath.Join("/sys/fs/cgroup", part[2]), "memory.max"
			if c, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); err != nil || !strings.Contains(string(c), "memory") {
				continue
			}
		default:
			continue
		}
		if unix.Access(dir, unix.W_OK) == nil {
			return dir, limit, nil
		}
	}
	return "", "", errors.New("no control group of memory can be made here")
}
