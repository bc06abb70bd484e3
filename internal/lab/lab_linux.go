package lab

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// killAfter is how long an interrupted child may take to end.
const killAfter = 10 * time.Second

// spareProcs is by how much a lab raises GOMAXPROCS beyond one per engine: an engine
// that wakes must find a free place in the scheduler, or its packets are late by as
// much as another goroutine computes.
const spareProcs = 4

// Lab is a running lab.
type Lab struct {
	home, far *side
	starter   *starter
	sink      *sink
	links     []*link
	procs     int // GOMAXPROCS before

	closing sync.Once
	closed  error
}

// link is one link of a Lab.
type link struct {
	Endpoint
	engine *engine

	mu      sync.Mutex // guards what follows, and changes of the home device
	down    bool
	removed bool
}

// running is set while there is a lab: two would have the same addresses.
var running atomic.Bool

// New makes the lab's far namespace and links and starts them. There can be one lab
// at a time in a process. It fails unless Isolated, and with an error that matches ErrForbidden if the system does not allow
// what it needs.
func New(o Options) (*Lab, error) {
	if err := Usable(); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if !running.CompareAndSwap(false, true) {
		return nil, errors.New("lab: there is one in this process already: close it first")
	}
	l := &Lab{sink: newSink(o.Truth, o.KeepTruth, chunksWaiting), procs: runtime.GOMAXPROCS(0)}
	if err := l.start(o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(o Options) error {
	runtime.GOMAXPROCS(runtime.NumCPU() + len(o.Links) + spareProcs)
	var err error
	if l.home, err = openHome(); err != nil {
		return err
	}
	if l.far, err = openFar(); err != nil {
		return err
	}
	if l.starter, err = startStarter(l.far.ns); err != nil {
		return err
	}
	for i, spec := range o.Links {
		if err := l.addLink(endpoint(spec, i+1), spec.Profile, mix(o.Seed, uint64(i))); err != nil {
			return fmt.Errorf("lab: link %s: %w", spec.Name, err)
		}
	}
	return nil
}

// addLink makes a link's devices and starts its engine, which then owns their
// descriptors.
func (l *Lab) addLink(e Endpoint, p Profile, seed uint64) error {
	far, err := l.far.openTUN(e.Device)
	if err != nil {
		return err
	}
	home, t, err := l.openTappedTUN(e.Device)
	if err != nil {
		unix.Close(far)
		return err
	}
	err = l.far.configureFar(e)
	if err == nil {
		err = l.home.configureHome(e)
	}
	var eng *engine
	if err == nil {
		eng, err = newEngine(e.Name, home, far, t, p, seed, l.sink)
	}
	if err != nil {
		unix.Close(far)
		unix.Close(home)
		t.close()
		return err
	}
	l.links = append(l.links, &link{Endpoint: e, engine: eng})
	return l.home.addRules(e)
}

// openTappedTUN makes a home device and a tap on it.
func (l *Lab) openTappedTUN(name string) (fd int, t *tap, err error) {
	fd, err = l.home.openTUN(name)
	if err != nil {
		return -1, nil, err
	}
	dev, err := l.home.netl.LinkByName(name)
	if err == nil {
		t, err = openTap(dev.Attrs().Index)
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, t, nil
}

// Close ends the lab: packets on their way are recorded as InFlight, the truth log is
// completed, programs started on the far host are killed. It returns the
// first failure of the lab's life: of a device, or of writing the truth log.
func (l *Lab) Close() error {
	l.closing.Do(func() {
		var errs []error
		if l.starter != nil {
			l.starter.close()
		}
		for _, k := range l.links {
			errs = append(errs, k.engine.stop(), l.home.removeRules(k.Endpoint))
		}
		if l.sink != nil {
			errs = append(errs, l.sink.close())
		}
		for _, s := range []*side{l.home, l.far} {
			if s != nil {
				errs = append(errs, s.close())
			}
		}
		runtime.GOMAXPROCS(l.procs)
		running.Store(false)
		l.closed = errors.Join(errs...)
	})
	return l.closed
}

// Links returns where the links' ends are, in the order of Options.Links. After
// Restore, an end has its new address.
func (l *Lab) Links() []Endpoint {
	ends := make([]Endpoint, len(l.links))
	for i, k := range l.links {
		k.mu.Lock()
		ends[i] = k.Endpoint
		k.mu.Unlock()
	}
	return ends
}

// Link returns the ends of a link; false if there is none of this name.
func (l *Lab) Link(name string) (Endpoint, bool) {
	for _, e := range l.Links() {
		if e.Name == name {
			return e, true
		}
	}
	return Endpoint{}, false
}

func (l *Lab) find(name string) (*link, error) {
	for _, k := range l.links {
		if k.Name == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("lab: link %q: no such link", name)
}

// Flush waits until the truth log has everything that is decided so far: every packet
// that was delivered or lost before the call.
func (l *Lab) Flush() error {
	for _, k := range l.links {
		k.engine.do(k.engine.handRecords)
	}
	if l.sink == nil {
		return nil
	}
	return l.sink.flush()
}

// Truth returns all records so far if Options.KeepTruth, after a Flush, in the order
// in which the packets' fates were decided on each link.
func (l *Lab) Truth() []Record {
	if l.sink == nil {
		return nil
	}
	_ = l.Flush() // what could not be written is in memory all the same
	return l.sink.records()
}

// Dropped returns how many records the truth log lacks because the writer did not
// follow. A log is whole if it is 0.
func (l *Lab) Dropped() int64 {
	if l.sink == nil {
		return 0
	}
	return l.sink.dropped.Load()
}

// Stats returns the counts of a link. It is zero if there is none of this name.
func (l *Lab) Stats(name string) LinkStats {
	var stats LinkStats
	if k, err := l.find(name); err == nil {
		k.engine.do(func() { stats = k.engine.stats })
	}
	return stats
}
