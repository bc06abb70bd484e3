package transfer_test

import (
	"sync"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
)

// witness looks at what a lab's link delivers while a transfer runs over it. It knows the
// truth whether or not the machine lets the link be filled.
type witness struct {
	lab  *lab.Lab
	link string
	way  lab.Way

	mu    sync.Mutex // guards looks
	looks []look
}

// look is how much payload of TCP the link had delivered at a time.
type look struct {
	elapsed time.Duration
	payload int64
}

// watch makes a witness of the transfer that o will be.
func watch(o *transfer.Options, l *lab.Lab, link string) *witness {
	w := &witness{lab: l, link: link, way: lab.Up}
	if o.Stream.Load == perigee.LoadDown {
		w.way = lab.Down
	}
	o.OnProgress = func(p transfer.Progress) {
		s := l.Stats(link)
		w.mu.Lock()
		defer w.mu.Unlock()
		// All packets but a handful have 52 bytes of headers.
		w.looks = append(w.looks, look{p.Elapsed, s.Bytes[w.way] - 52*s.Delivered[w.way]})
	}
	return w
}

// rate returns the rate of payload delivered between two times of the transfer, as nearly
// as there were looks.
func (w *witness) rate(from, to time.Duration) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, b := w.nearest(from), w.nearest(to)
	return float64(b.payload-a.payload) * 8 / (b.elapsed - a.elapsed).Seconds()
}

func (w *witness) nearest(t time.Duration) look {
	best := w.looks[0]
	for _, l := range w.looks {
		if (l.elapsed - t).Abs() < (best.elapsed - t).Abs() {
			best = l
		}
	}
	return best
}
