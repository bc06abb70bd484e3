package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// handOver is how long a record may stay with the engine.
	handOver = 100 * time.Millisecond

	// readBurst is how many packets are read from one device before those due are
	// written, so that neither starves the other.
	readBurst = 32

	// fifoPriority is the engines' real-time priority, low among such.
	fifoPriority = 5
)

// engine carries the packets of one link.
type engine struct {
	name string
	sink *sink

	// What follows belongs to the engine's thread.
	home, far  int // TUN descriptors; home is -1 while removed
	tap        *tap
	entry      instant // of the last packet from home
	homeDown   bool
	blackhole  bool
	up, down   *model
	flights    flights
	order      uint64
	free       []*packet
	records    []Record
	recordedAt int64 // mono time of the first of records
	base       time.Time
	baseMono   int64
	stats      LinkStats

	quit bool

	wake   int           // eventfd
	exited chan struct{} // closed at the end
	fail   error         // why it ended, valid then

	mu    sync.Mutex // guards what follows
	calls []func()
	ended bool // takes no more calls
}

// LinkStats counts the packets of one link. All counts are exact.
type LinkStats struct {
	Entered   [3]int64 // by Way
	Delivered [3]int64 // packets, not copies, by Way
	Bytes     [3]int64 // of packets delivered, by Way
}

func newEngine(name string, home, far int, t *tap, p Profile, seed uint64, s *sink) (*engine, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("lab: link %s: %w", name, err)
	}
	e := &engine{name: name, sink: s, home: home, far: far, tap: t, wake: wake, exited: make(chan struct{})}
	if s != nil {
		e.records = s.chunk()
	}
	e.base = time.Now()
	var mono unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err != nil {
		unix.Close(wake)
		return nil, fmt.Errorf("lab: link %s: %w", name, err)
	}
	e.baseMono = mono.Nano()
	now := e.now()
	e.up, e.down = newModel(p, Up, seed, now), newModel(p, Down, seed, now)
	go e.run()
	return e, nil
}

// now reads both clocks.
func (e *engine) now() instant {
	t := time.Now()
	return instant{mono: e.baseMono + int64(t.Sub(e.base)), wall: t.UnixNano()}
}

// do runs fn on the engine's thread between two packets and waits for it. It reports
// false if the engine has ended.
func (e *engine) do(fn func()) bool {
	done := make(chan struct{})
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return false
	}
	e.calls = append(e.calls, func() { fn(); close(done) })
	e.mu.Unlock()
	e.ring()
	<-done
	return true
}

func (e *engine) ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(e.wake, one[:])
}

// stop ends the engine; packets on their way are recorded as InFlight.
func (e *engine) stop() error {
	e.do(func() { e.quit = true })
	<-e.exited
	return e.fail
}

func (e *engine) run() {
	// The thread is never unlocked: it ends with the goroutine, and its priority
	// and timer slack with it.
	runtime.LockOSThread()
	hurry()
	for !e.quit {
		if err := e.turn(); err != nil {
			e.fail = fmt.Errorf("lab: link %s: %w", e.name, err)
			break
		}
	}
	e.mu.Lock()
	e.ended = true
	calls := e.calls
	e.calls = nil
	e.mu.Unlock()
	for _, call := range calls {
		call()
	}
	for len(e.flights) > 0 {
		e.settle(e.flights.pop().p, InFlight)
	}
	e.handRecords()
	if e.home >= 0 {
		unix.Close(e.home)
		e.tap.close()
	}
	unix.Close(e.far)
	unix.Close(e.wake)
	close(e.exited)
}

// hurry makes the calling thread's timers exact and its wakeups prompt, as far as the
// system permits.
func hurry() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: fifoPriority}
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	}
}

// turn writes what is due, reads what has come, and waits for more of either.
func (e *engine) turn() error {
	more, err := e.read(e.home, Up)
	if err != nil {
		return err
	}
	moreDown, err := e.read(e.far, Down)
	if err != nil {
		return err
	}
	now := e.now()
	now = e.release(now)
	if e.sink != nil && len(e.records) > 0 && now.mono-e.recordedAt >= int64(handOver) {
		e.handRecords()
	}
	if more || moreDown {
		return nil
	}
	return e.wait(now)
}

// wait sleeps until a packet comes, one is due, records are to be handed over, or
// someone rings.
func (e *engine) wait(now instant) error {
	fds := [3]unix.PollFd{
		{Fd: int32(e.wake), Events: unix.POLLIN},
		{Fd: int32(e.far), Events: unix.POLLIN},
		{Fd: int32(e.home), Events: unix.POLLIN}, // ignored if negative
	}
	until := int64(-1)
	if len(e.flights) > 0 {
		until = e.flights[0].due
	}
	if len(e.records) > 0 {
		if at := e.recordedAt + int64(handOver); until < 0 || at < until {
			until = at
		}
	}
	var timeout *unix.Timespec
	if until >= 0 {
		ts := unix.NsecToTimespec(max(0, until-now.mono))
		timeout = &ts
	}
	if _, err := unix.Ppoll(fds[:], timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	if fds[0].Revents != 0 {
		e.call()
	}
	return nil
}

// call runs what do was asked for.
func (e *engine) call() {
	var count [8]byte
	_, _ = unix.Read(e.wake, count[:])
	e.mu.Lock()
	calls := e.calls
	e.calls = nil
	e.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// read takes packets in until there are no more, or readBurst of them; it reports
// whether there may be more.
func (e *engine) read(fd int, way Way) (bool, error) {
	if fd < 0 {
		return false, nil
	}
	for range readBurst {
		p := e.packet()
		n, err := unix.Read(fd, p.data[:])
		if err != nil {
			e.free = append(e.free, p)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return false, nil
			case errors.Is(err, unix.EINTR):
				continue
			}
			return false, fmt.Errorf("read: %w", err)
		}
		p.n = n
		e.enter(p, way, e.now())
	}
	return true, nil
}

// entered returns when a packet that was read from home now was sent.
func (e *engine) entered(p *packet, now instant) instant {
	if p.record.Echo.Present {
		now = e.tap.entered(p.data[:p.n], now)
	}
	if now.mono < e.entry.mono {
		now = now.add(e.entry.mono - now.mono) // packets without a stamp came between
	}
	e.entry = now
	return now
}

// packet returns one to fill.
func (e *engine) packet() *packet {
	if n := len(e.free); n > 0 {
		p := e.free[n-1]
		e.free = e.free[:n-1]
		return p
	}
	return new(packet)
}

// enter lets the model decide on a packet that was read now.
func (e *engine) enter(p *packet, way Way, now instant) {
	r := &p.record
	*r = Record{Link: e.name, Way: way}
	if !describe(r, p.data[:p.n]) || linkLocalMulticast(r.Dst) {
		e.free = append(e.free, p)
		return
	}
	if way == Up {
		now = e.entered(p, now)
	}
	r.Wall, r.Mono = now.wall, now.mono
	e.stats.Entered[way]++
	m := e.up
	if way == Down {
		m = e.down
	}
	switch {
	case e.blackhole:
		e.settle(p, Blackholed)
		return
	case way == Up && e.homeDown:
		// Read after the device went down: it never left.
		e.settle(p, LinkDown)
		return
	}
	d := m.plan(now, p.n)
	if d.fate != Delivered {
		e.settle(p, d.fate)
		return
	}
	r.Planned, r.Reordered = d.delay, d.reordered
	p.copies = d.copies
	for range d.copies {
		e.order++
		e.flights.push(flight{due: now.mono + int64(d.delay), order: e.order, p: p})
	}
}

// release writes the packets that are due and returns the time it is then.
func (e *engine) release(now instant) instant {
	for len(e.flights) > 0 && e.flights[0].due <= now.mono {
		p := e.flights.pop().p
		e.deliver(p, now)
		now = e.now()
	}
	return now
}

// deliver writes one copy of p to the other side.
func (e *engine) deliver(p *packet, now instant) {
	r := &p.record
	out := e.far
	if r.Way == Down {
		out = e.home
	}
	p.copies--
	if out >= 0 && !(r.Way == Down && e.homeDown) && e.write(out, p.data[:p.n]) {
		if r.Copies++; r.Copies == 1 {
			r.Actual = time.Duration(now.mono - r.Mono)
		}
	}
	switch {
	case p.copies > 0:
	case r.Copies > 0:
		e.stats.Delivered[r.Way]++
		e.stats.Bytes[r.Way] += int64(r.Length)
		e.settle(p, Delivered)
	default:
		e.settle(p, LinkDown)
	}
}

// write reports whether the device took the packet; it does not if it is down.
func (e *engine) write(fd int, b []byte) bool {
	for {
		_, err := unix.Write(fd, b)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// settle records the packet's fate and takes its buffer back; a packet of which one
// copy is still on its way when the lab ends is settled once.
func (e *engine) settle(p *packet, fate Fate) {
	if fate == InFlight {
		if p.copies--; p.copies > 0 {
			return
		}
		if p.record.Copies > 0 {
			fate = Delivered
		}
	}
	if e.sink != nil {
		p.record.Fate = fate
		if len(e.records) == 0 {
			e.recordedAt = e.now().mono
		}
		if e.records = append(e.records, p.record); len(e.records) == cap(e.records) {
			e.handRecords()
		}
	}
	e.free = append(e.free, p)
}

// handRecords passes the records to the sink.
func (e *engine) handRecords() {
	if e.sink == nil || len(e.records) == 0 {
		return
	}
	e.sink.take(e.records)
	e.records = e.sink.chunk()
}
