package ookla

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// process is a child that runs.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	requests *json.Encoder
	messages chan message // closed when there are no more
	stderr   complaint    // what it wrote to standard error
	garbage  error        // what was no message; after messages is closed

	ending sync.Once
	quit   chan struct{} // closed when nobody wants messages any more
	reap   chan struct{} // closed when the child may be waited for
	reaped chan error
}

// startProcess starts cmd in a process group of its own.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{
		cmd: cmd, messages: make(chan message), quit: make(chan struct{}), reap: make(chan struct{}), reaped: make(chan error, 1),
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.requests = in, json.NewEncoder(in)
	cmd.Stderr = &p.stderr
	isolate(cmd)

	begun := make(chan error)
	go func() {
		// The death of the parent that the kernel tells the child of is that of
		// this thread: it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		begun <- err
		if err != nil {
			return
		}
		<-p.reap
		p.reaped <- cmd.Wait()
	}()
	if err := <-begun; err != nil {
		return nil, err
	}
	go p.listen(out)
	return p, nil
}

// maxMessage is the longest message that is read: the last may hold all counts of the
// time during which the child could not tell them.
const maxMessage = 4 << 20

func (p *process) listen(out io.Reader) {
	defer close(p.messages)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			p.garbage = fmt.Errorf("message: %w", err)
			return
		}
		select {
		case p.messages <- m:
		case <-p.quit:
			return
		}
	}
	p.garbage = lines.Err()
}

// send tells the child something. It may hang if the child does not read, but for a
// request or an order the pipe has room.
func (p *process) send(v any) error { return p.requests.Encode(v) }

// end kills the child's whole group, if it is still there, and waits until it is gone.
// Until then its number cannot become another's.
func (p *process) end() error {
	err := errors.New("ended before")
	p.ending.Do(func() {
		close(p.quit)
		kill(p.cmd)
		close(p.reap)
		err = <-p.reaped
		p.in.Close()
	})
	return err
}

// complaint keeps the beginning of what is written to it.
type complaint struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// maxComplaint is enough for the head of a stack.
const maxComplaint = 4 << 10

func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := maxComplaint - c.buf.Len(); room > 0 {
		c.buf.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// String returns the first line.
func (c *complaint) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(c.buf.String()), "\n")
	return line
}
