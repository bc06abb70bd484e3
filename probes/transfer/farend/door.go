package farend

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// door bounds how many connections there are that nobody has to answer for: strangers,
// and sessions' last ones that wait for the client to close.
//
// A newcomer is never turned away. When all places are taken the oldest guest of the
// site that has most goes, so that one site cannot keep another out, and many idle
// connections cannot keep out one that acts.
type door struct {
	places chan struct{} // one for each guest whose goroutine has not left

	mu      sync.Mutex           // guards what follows
	guests  []*guest             // oldest first; without those that were shown out
	count   map[netip.Prefix]int // of guests
	leaving int                  // shown out; their goroutines have not left yet
	closed  bool
}

type guest struct {
	conn *connection
	site netip.Prefix
}

func newDoor(places int) *door {
	return &door{places: make(chan struct{}, places), count: map[netip.Prefix]int{}}
}

// enter takes a place for c, whose goroutine calls leave at last. It waits for the
// goroutine of the guest that had to go, and returns nil if ctx ends or the door is
// closed meanwhile.
func (d *door) enter(ctx context.Context, c *connection) *guest {
	select {
	case d.places <- struct{}{}:
	default:
		d.makeRoom()
		select {
		case d.places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
	}
	g := &guest{conn: c, site: c.site()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		<-d.places
		return nil
	}
	d.guests = append(d.guests, g)
	d.count[g.site]++
	return g
}

// makeRoom shows out one guest, unless one is leaving anyway.
func (d *door) makeRoom() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving > 0 {
		return
	}
	most := 0
	for _, n := range d.count {
		most = max(most, n)
	}
	i := slices.IndexFunc(d.guests, func(g *guest) bool { return d.count[g.site] == most })
	if i < 0 {
		return // a place has become free meanwhile
	}
	d.guests[i].conn.abort()
	d.remove(i)
	d.leaving++
}

// leave gives g's place to others. It reports whether g was still welcome; if not, its
// connection is closed.
func (d *door) leave(g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	<-d.places
	i := slices.Index(d.guests, g)
	if i < 0 {
		d.leaving--
		return false
	}
	d.remove(i)
	return true
}

func (d *door) remove(i int) {
	site := d.guests[i].site
	d.guests = slices.Delete(d.guests, i, i+1)
	if d.count[site]--; d.count[site] == 0 {
		delete(d.count, site)
	}
}

// close shows everybody out.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, g := range d.guests {
		g.conn.abort()
	}
	d.leaving += len(d.guests)
	d.guests = nil
	clear(d.count)
}
