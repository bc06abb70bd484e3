package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// toldEvery is how often a service manager that does not watch is told how we fare.
const toldEvery = 30 * time.Second

// stuckAfter is how long something of ours may not move before we let the watchdog bite.
// A disk that is busy with others, or a machine short of memory, can take seconds.
const stuckAfter = 30 * time.Second

// A service is what a service manager is told of a process, by sd_notify(3).
type service struct {
	progress func(context.Context) error // why it is stuck; nil: it is not, or nobody can tell
	status   func() string               // how it fares, in a line
}

// tell tells the service manager that started this process, if it wants to be told, that
// the process is ready, from then on until told is called how it fares, and, if it keeps a
// watchdog, that it makes progress: only while it does, so that a process that is stuck is
// ended and started again. When ctx ends, or told is called, it tells that the process is stopping.
//
// It does nothing for a process that no such manager started.
func (v service) tell(ctx context.Context, s streams) (told func()) {
	m := messenger{service: v, s: s}
	watchdog := watchdogTime()
	m.watched = watchdog > 0
	if !m.send("READY=1", "STATUS="+v.status()) {
		return func() {}
	}
	every := toldEvery
	if m.watched {
		every = watchdog / 2 // as sd_watchdog_enabled(3) advises
	}
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { m.run(ctx, every, done) })
	return func() {
		close(done)
		telling.Wait()
	}
}

// messenger speaks with the service manager, from one goroutine.
type messenger struct {
	service
	s       streams
	watched bool
	failing bool // the last message did not leave
	stuck   bool
}

// run tells until done is closed.
func (m *messenger) run(ctx context.Context, every time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	stopping := ctx.Done()
	for {
		select {
		case <-done:
			if stopping != nil {
				m.send("STOPPING=1")
			}
			return
		case <-stopping:
			stopping = nil
			m.send("STOPPING=1", "STATUS=stopping: waiting for what is still on its way")
		case <-ticker.C:
			m.beat(context.WithoutCancel(ctx), stopping == nil)
		}
	}
}

// beat tells how the process fares, and feeds the watchdog if it is not stuck.
func (m *messenger) beat(ctx context.Context, stopping bool) {
	var lines []string
	switch err := m.progress(ctx); {
	case err != nil:
		lines = append(lines, "STATUS=stuck: "+err.Error())
		if !m.stuck {
			m.s.notef("perigee: stuck: %v", err)
		}
		m.stuck = true
	default:
		m.stuck = false
		if m.watched {
			lines = append(lines, "WATCHDOG=1")
		}
		if !stopping {
			lines = append(lines, "STATUS="+m.status())
		}
	}
	if len(lines) > 0 {
		m.send(lines...)
	}
}

// send sends one message and reports whether there is somebody to send it to.
func (m *messenger) send(lines ...string) bool {
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ") // a line break would end the assignment
	}
	wanted, err := sendNotification(strings.Join(lines, "\n"))
	if err != nil {
		if !m.failing {
			m.s.notef("perigee: tell the service manager: %v", err)
		}
		m.failing = true
		return true
	}
	m.failing = false
	return wanted
}

// notifyTimeout is how long a message may wait for a service manager that does not read:
// its socket takes some ten messages, and then lets the sender wait. Nothing of ours may
// hang on that, least of all our end.
const notifyTimeout = time.Second

// sendNotification sends one message as sd_notify(3) does. It reports false if no service
// manager wants to be told.
func sendNotification(text string) (wanted bool, err error) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return false, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // a leading @ is the abstract namespace
	if err != nil {
		return true, err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return true, err
	}
	_, err = conn.Write([]byte(text))
	return true, err
}

// watchdogTime returns how long this process may say nothing before the service manager
// ends it, as sd_watchdog_enabled(3) does; 0 if it does not watch.
func watchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // it watches the process that started us
	}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 || us > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
