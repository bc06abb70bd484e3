package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"perigee"
)

// diskFaults befall the file system that the store lies on, or the store's files.
var diskFaults = []faultKind{
	{
		name: "disk full", quick: true, recorded: "windows without a break; event store_failed if anything was given up", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return full(ctx, h, between(r, 5*time.Second, 15*time.Second), false, nil)
		},
	},
	{
		name: "disk full, what is freed taken at once", recorded: "the same", record: measuredOn,
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return full(ctx, h, between(r, 5*time.Second, 15*time.Second), true, nil)
		},
	},
	{
		name: "disk full at a start", recorded: "gap crashed", record: gapOf(perigee.GapCrashed),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			return full(ctx, h, between(r, 5*time.Second, 15*time.Second), r.IntN(2) == 0, h.daemon.kill)
		},
	},
	{
		name: "disk read-only at a start", quick: true, recorded: "gap crashed", record: gapOf(perigee.GapCrashed),
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			letUp := h.daemon.keepDown()
			err := unix.Mount("", h.disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, fmt.Sprintf("size=%d", homeDisk))
			letUp()
			if err != nil {
				return "", fmt.Errorf("remount read-only: %w", err)
			}
			length := between(r, 3*time.Second, 12*time.Second)
			wait(ctx, length)
			return length.String(), unix.Mount("", h.disk, "", unix.MS_REMOUNT, fmt.Sprintf("size=%d", homeDisk))
		},
	},
	damaged("store: pages overwritten while it is down", true, false, tornPages),
	damaged("store: pages overwritten while it runs", false, true, tornPages),
	damaged("store: log cut short while it is down", false, false, cutLog),
	damaged("store: log cut short while it runs", false, true, cutLog),
	damaged("store: file cut short while it is down", false, false, cutFile),
	damaged("store: file cut short while it runs", false, true, cutFile),
	damaged("store: header zeroed while it is down", false, false, zeroHeader),
	damaged("store: header zeroed while it runs", false, true, zeroHeader),
}

// full fills a home's disk up for a while; greedily, if what the store frees is to be taken
// too. Then is done once it is full.
func full(ctx context.Context, h *faultHome, length time.Duration, greedy bool, then func()) (string, error) {
	name := filepath.Join(h.disk, "filler")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	size := int64(0)
	fill := func() error {
		for len(block) > 0 {
			n, err := f.WriteAt(block, size)
			size += int64(n)
			if errors.Is(err, unix.ENOSPC) {
				if n == 0 && len(block) > 4096 {
					block = block[:len(block)/2]
					continue
				}
				if len(block) <= 4096 {
					block = block[:4096]
					return nil
				}
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill(); err != nil {
		return "", err
	}
	if then != nil {
		then()
	}
	full, done := context.WithTimeout(ctx, length)
	defer done()
	var filling sync.WaitGroup
	filling.Go(func() {
		for greedy && full.Err() == nil {
			_ = fill() // the next time it tries again
			wait(full, 5*time.Millisecond)
		}
	})
	wait(full, length)
	done()
	filling.Wait()
	return fmt.Sprintf("%v, %d bytes", length, size), os.Remove(name)
}

// damaged is a fault that damages the store's files, while the daemon runs or not. A page
// that nobody reads is not noticed until the file is looked through, as it is after a crash:
// so the daemon is killed some time after damage that was done while it ran.
func damaged(name string, quick, running bool, damage func(h *faultHome, r *rand.Rand) (string, error)) faultKind {
	return faultKind{
		name: name, quick: quick, damages: true,
		recorded: "event store_damaged; what is lost, a gap; gap crashed",
		record: func(h *faultHome, l record, from, to time.Time) error {
			if h.newestAside() == h.asideBefore { // it hit nothing that was in use
				return gapOf(perigee.GapCrashed, perigee.GapStoreDamaged)(h, l, from, to.Add(recoverWithin))
			}
			for _, e := range l.events {
				if e.Kind == perigee.EventStoreDamaged && strings.Contains(e.Detail, h.newestAside()) {
					return nil
				}
			}
			return fmt.Errorf("no event store_damaged names %s; events: %+v", h.newestAside(), last(l.events, 6))
		},
		strike: func(ctx context.Context, h *faultHome, r *rand.Rand) (string, error) {
			h.asideBefore = h.newestAside()
			if err := h.checkpoint(ctx); err != nil {
				return "", err
			}
			if !running {
				defer h.daemon.keepDown()()
				return damage(h, r)
			}
			detail, err := damage(h, r)
			wait(ctx, between(r, homeWindow, 12*time.Second))
			h.daemon.kill()
			return detail, err
		},
	}
}

// checkpoint has what lies in the store's log written to its file, as SQLite does it from
// time to time, so that the file has what can be damaged.
func (h *faultHome) checkpoint(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:"+h.storeFile()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// healed waits until what is wrong with a damaged store was found, and what can be read of
// it was carried over.
func (h *faultHome) healed(ctx context.Context) error {
	limit := time.After(2 * recoverWithin)
	for {
		err := h.sound(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-limit:
			return fmt.Errorf("it is not sound %s later: %w", 2*recoverWithin, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sound says what is wrong with the file, or what is still to be done for it.
func (h *faultHome) sound(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:"+h.storeFile()+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check").Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("quick check: %q (%v)", verdict, err)
	}
	var waiting int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM meta WHERE name LIKE 'salvage%'").Scan(&waiting); err != nil || waiting != 0 {
		return fmt.Errorf("%d damaged files are still being read (%v)", waiting, err)
	}
	return nil
}

// asides returns the damaged stores that were set aside and are still there.
func (h *faultHome) asides() []string {
	files, _ := filepath.Glob(h.storeFile() + ".damaged-*")
	whole := regexp.MustCompile(`\.damaged-\d{8}T\d{6}Z(-\d+)?$`)
	return slices.DeleteFunc(files, func(f string) bool { return !whole.MatchString(f) })
}

// newestAside is the name of the last one, empty if there is none.
func (h *faultHome) newestAside() string {
	newest := ""
	for _, f := range h.asides() {
		newest = max(newest, filepath.Base(f))
	}
	return newest
}

const storePage = 4096 // bytes, SQLite's

// tornPages overwrites parts of pages in the middle of the file, as a write that a power cut
// tore would.
func tornPages(h *faultHome, r *rand.Rand) (string, error) {
	return inFile(h.storeFile(), func(f *os.File, size int64) (string, error) {
		pages := size / storePage
		if pages < 4 {
			return "too small", nil
		}
		n := 1 + r.IntN(6)
		junk := make([]byte, storePage)
		for range n {
			for i := range junk {
				junk[i] = byte(r.Uint32())
			}
			from := r.IntN(storePage/512) * 512
			if _, err := f.WriteAt(junk[from:], (1+r.Int64N(pages-1))*storePage+int64(from)); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d of %d", n, pages), nil
	})
}

// cutLog cuts the write-ahead log somewhere.
func cutLog(h *faultHome, r *rand.Rand) (string, error) {
	return inFile(h.storeFile()+"-wal", func(f *os.File, size int64) (string, error) {
		to := r.Int64N(size + 1)
		return fmt.Sprintf("%d of %d bytes", to, size), f.Truncate(to)
	})
}

// cutFile cuts the file somewhere.
func cutFile(h *faultHome, r *rand.Rand) (string, error) {
	return inFile(h.storeFile(), func(f *os.File, size int64) (string, error) {
		to := r.Int64N(size + 1)
		return fmt.Sprintf("%d of %d bytes", to, size), f.Truncate(to)
	})
}

// zeroHeader writes zeros over the beginning of the file.
func zeroHeader(h *faultHome, r *rand.Rand) (string, error) {
	return inFile(h.storeFile(), func(f *os.File, size int64) (string, error) {
		n := 16 << r.IntN(9)
		_, err := f.WriteAt(make([]byte, n), 0)
		return fmt.Sprintf("%d bytes", n), err
	})
}

// inFile does something to a file of the store, which may not be there.
func inFile(name string, do func(f *os.File, size int64) (string, error)) (string, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "there is none", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	return do(f, info.Size())
}
