package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// limitedWriter stops a generator that has written enough.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, io.ErrShortWrite
	}
	l.left -= int64(len(b))
	return l.w.Write(b)
}

// A trace of a gigabyte takes less than 100 MB of memory.
func TestImportTakesLittleMemory(t *testing.T) {
	if raced {
		t.Skip("the race detector takes several times the memory")
	}
	size := int64(50 << 20)
	if os.Getenv("PERIGEE_LONG") != "" {
		size = 1 << 30
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "import", "ping", "-", "--link=dish", "--store="+t.TempDir(), "--json")
	cmd.Env = append(os.Environ(), beProgram+"=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := pingTrace(&limitedWriter{stdin, size}, 1<<30); err != io.ErrShortWrite {
		t.Error(err)
	}
	// The peak of this program alone; what wait reports begins with its parent's.
	peak := peakMemory(t, cmd.Process.Pid)
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var report importJSON
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Bytes < size || report.Bad > 1 { // the last line may be cut
		t.Errorf("%d bytes were read, %d lines bad", report.Bytes, report.Bad)
	}
	t.Logf("%s, %d probes: peak of resident memory %s, %v of processor time",
		byteSize(float64(report.Bytes)), report.Counts.Planned, byteSize(float64(peak)), cmd.ProcessState.UserTime())
	if peak > 100e6 {
		t.Errorf("it took %s of memory at most", byteSize(float64(peak)))
	}
}

// peakMemory returns the most resident memory that a process ever had.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("no VmHWM in %s", status)
	}
	kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
