//go:build unix

package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
)

// forwarderFile names the store to work on, in the environment of a test binary that is
// run as the victim of TestKilledForwardersForgetNothing.
const forwarderFile = "PERIGEE_TEST_FORWARDER_FILE"

// forwarder stores, rolls up, forwards, sets aside and sends again until it is killed. It
// writes what it is about to do with which entries, and "done" after it.
func forwarder(path string) error {
	ctx, g, random := context.Background(), hourly(uint64(os.Getpid())), rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	links, err := store.Links(ctx)
	if err != nil {
		return err
	}
	next := start
	if len(links) > 0 {
		next = links[0].Last
	}
	for {
		b := perigee.Batch{Outages: []perigee.Outage{{Stream: victimStreams[0], Start: next.Truncate(time.Hour), End: next, Open: true}}}
		for _, stream := range victimStreams {
			b.Samples = append(b.Samples, g.Sample(stream, next))
		}
		fmt.Println("storing", next.UnixNano())
		if err := store.Append(ctx, b); err != nil {
			return err
		}
		fmt.Println("done")
		next = next.Add(g.Window)
		if err := store.Roll(ctx, next); err != nil {
			return err
		}
		entries, err := store.Oldest(ctx, 1+random.IntN(5))
		if random.IntN(3) == 0 {
			entries, err = store.Newest(ctx, 1+random.IntN(5))
		}
		if err != nil {
			return err
		}
		var text strings.Builder
		for _, e := range entries {
			fmt.Fprintf(&text, " %s/%d", e.Kind, e.ID)
		}
		switch random.IntN(8) {
		case 0:
			for _, e := range entries {
				if err := store.SetAside(ctx, e, "refused", next); err != nil {
					return err
				}
			}
		case 1:
			if _, err := store.Resend(ctx, nil); err != nil {
				return err
			}
		default:
			fmt.Println("forwarding" + text.String())
			if err := store.Forwarded(ctx, entries); err != nil {
				return err
			}
			fmt.Println("done")
		}
	}
}

// Forwarders, one after another on the same file, are killed at random moments. What they
// had recorded as forwarded is never pending again; all else is, once, or a dead letter.
func TestKilledForwardersForgetNothing(t *testing.T) {
	const lives = 40
	path := filepath.Join(t.TempDir(), "perigee.db")
	random := rand.New(rand.NewPCG(2, lives))
	forwarded, batches := map[string]bool{}, map[string]bool{}
	for life := range lives {
		var doing string
		for _, line := range killed(t, forwarderFile+"="+path, random.IntN(60), random.IntN(200_000)) {
			what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch what {
			case "done":
				if text, ok := strings.CutPrefix(doing, "forwarding "); ok {
					for _, name := range strings.Fields(text) {
						forwarded[name] = true
					}
				}
				doing = ""
			case "storing":
				batches[rest] = true
				doing = line
			default:
				doing = strings.TrimSpace(line)
			}
		}
		wantAccount(t, life, path, forwarded, doing)
	}
	b := inbox{t, openAt(t, path)}
	left, _, _, err := b.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left += int64(b.resend())
	drained := map[string]bool{}
	for n := int64(0); n < left; {
		entries := b.oldest(50)
		if len(entries) == 0 {
			t.Fatalf("%d of %d were handed out, and no more", n, left)
		}
		for _, e := range entries {
			if id := fmt.Sprintf("%s/%d", e.Kind, e.ID); drained[id] || forwarded[id] {
				t.Errorf("%s is handed out again", id)
			} else {
				drained[id] = true
			}
		}
		b.forwarded(entries...)
		n += int64(len(entries))
	}
	b.wantPending("drained", 0, time.Time{}, 0)
	windows := 0
	for id := range drained {
		if strings.HasPrefix(id, "window") {
			windows++
		}
	}
	for id := range forwarded {
		if strings.HasPrefix(id, "window") {
			windows++
		}
	}
	if stored := len(read(t, b.Store, perigee.Query{})); windows != stored || stored < 3*(len(batches)-lives) {
		t.Errorf("%d windows were forwarded of %d stored in %d batches", windows, stored, len(batches))
	}
	t.Logf("%d lives, %d forwarded and on record, %d left", lives, len(forwarded), left)
}

// wantAccount checks what the last life left. What it was doing is done whole or not at
// all; if forwarding was done, that is added to forwarded.
func wantAccount(t *testing.T, life int, path string, forwarded map[string]bool, doing string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return // killed before there was a file
	}
	reader, err := sqlite.OpenReader(t.Context(), path)
	if perigee.CodeOf(err) == perigee.CodeInvalid {
		return // or before there was a table in it
	}
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	b := inbox{t, reader}
	pending := map[string]bool{}
	for _, e := range b.oldest(100_000) {
		id := fmt.Sprintf("%s/%d", e.Kind, e.ID)
		if pending[id] || forwarded[id] {
			t.Errorf("life %d: %s is pending, want it not or once", life, id)
		}
		pending[id] = true
	}
	if text, ok := strings.CutPrefix(doing, "forwarding "); ok {
		names := strings.Fields(text)
		for _, name := range names {
			if pending[name] != pending[names[0]] {
				t.Errorf("life %d: %s is pending: %t, %s: %t", life, name, pending[name], names[0], pending[names[0]])
			}
			if !pending[name] {
				forwarded[name] = true
			}
		}
	}
	done := 0
	for name := range forwarded {
		if strings.HasPrefix(name, "window/") {
			done++
		}
	}
	waiting, dead := 0, 0
	for name := range pending {
		if strings.HasPrefix(name, "window/") {
			waiting++
		}
	}
	for _, d := range b.deadLetters() {
		if d.Kind == perigee.EntryWindow {
			dead++
		}
	}
	if stored := len(read(t, reader, perigee.Query{})); waiting+dead+done != stored {
		t.Errorf("life %d: %d windows wait, %d are dead letters, %d forwarded; want %d together", life, waiting, dead, done, stored)
	}
	if n := count(t, foreign(t, path), "SELECT (SELECT coalesce(sum(windows), 0) FROM waiting)"); n != waiting {
		t.Errorf("life %d: %d windows wait, counted as %d", life, waiting, n)
	}
}
