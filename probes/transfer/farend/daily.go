package farend

import (
	"net/netip"
	"sync"
	"time"
)

// maxSites bounds how many sites a day is kept account of.
const maxSites = 1 << 16

// daily keeps account of what each site moves in a UTC day.
type daily struct {
	limit int64

	mu   sync.Mutex
	day  int64
	used map[netip.Prefix]int64
}

func dayOf(now time.Time) int64 { return now.Unix() / 86400 }

// reserve takes at most want bytes from what site may still move on the day of now, and
// returns how many; 0 if there is nothing left.
func (d *daily) reserve(now time.Time, site netip.Prefix, want int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if day := dayOf(now); day != d.day || d.used == nil {
		d.day, d.used = day, map[netip.Prefix]int64{}
	}
	used, known := d.used[site]
	granted := min(want, d.limit-used)
	if granted <= 0 || !known && len(d.used) >= maxSites {
		return 0
	}
	d.used[site] = used + granted
	return granted
}

// giveBack returns what was reserved at a time and not moved.
func (d *daily) giveBack(reserved time.Time, site netip.Prefix, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dayOf(reserved) == d.day {
		d.used[site] -= n
	}
}
