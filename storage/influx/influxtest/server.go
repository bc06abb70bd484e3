package influxtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// version is that of the server, as .ci/influxd builds it.
const version = "v1.8.10"

// patience bounds every wait for the server. A machine that is busy may need some of it.
const patience = 2 * time.Minute

// Server is a running InfluxDB 1.8.
type Server struct {
	URL   string // http://127.0.0.1:PORT, the same after Restart
	Token string // user:password of an administrator

	binary, dir, address string
	environment          []string
	discard              bool // the directory, when the process ends
	log                  log
	process              *process // nil while killed
}

// An Option changes a server before it starts.
type Option func(*Server)

// MaxSeries limits the series of a database: points of further ones are refused.
func MaxSeries(n int) Option {
	return Setting("INFLUXDB_DATA_MAX_SERIES_PER_DATABASE", fmt.Sprint(n))
}

// Setting sets an environment variable of the server, by which it is configured.
func Setting(name, value string) Option {
	return func(s *Server) { s.environment = append(s.environment, name+"="+value) }
}

// NoFlux leaves out Flux, the preparation of which takes a server 3.5 s of a processor each
// time that it starts, and it alone a hundredth of that. It is for tests that write, and
// read in InfluxQL.
func NoFlux() Option { return Setting("INFLUXDB_HTTP_FLUX_ENABLED", "false") }

// Start starts a server that ends with t. It skips t where there is none to start,
// and fails it if $CI is set.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{binary: find(t), dir: t.TempDir(), address: "127.0.0.1:0"}
	for _, option := range options {
		option(s)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.log.String())
		}
	})
	s.begin(t)
	return s
}

var shared struct {
	sync.Mutex
	server *Server
}

// Shared returns a server that ends with the test's process: starting one takes
// seconds. It must not be killed; each test takes its own Bucket. It skips and fails
// like Start.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		binary := find(t)
		dir, err := os.MkdirTemp("", "influxtest")
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{binary: binary, dir: dir, address: "127.0.0.1:0", discard: true}
		s.begin(t)
		shared.server = s
	}
	return shared.server
}

// begin starts the server for the first time.
func (s *Server) begin(t testing.TB) {
	t.Helper()
	s.Token = "admin:correct.horse"
	s.Restart(t)
	// The first user may be made without being one.
	s.Exec(t, `CREATE USER "admin" WITH PASSWORD 'correct.horse' WITH ALL PRIVILEGES`)
}

// find returns the path of the server's program.
func find(t testing.TB) string {
	t.Helper()
	binary := os.Getenv("PERIGEE_INFLUXD")
	if binary == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(cache, "perigee", "influxd-"+version, "influxd")
	}
	if _, err := os.Stat(binary); err != nil {
		message := fmt.Sprintf("there is no InfluxDB to test against, run make influxd: %v", err)
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return binary
}

// Kill ends the server as kill -9 does. It may be restarted.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Restart starts the server where it was, on what it had kept, and waits until it
// answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	address, err := s.start()
	if err != nil {
		t.Fatalf("influxd: %v\n%s", err, s.log.String())
	}
	s.address, s.URL = address, "http://"+address
	if _, err := s.get("/ping"); err != nil {
		t.Fatalf("influxd does not answer: %v\n%s", err, s.log.String())
	}
}

// listening is what the server logs when it can be asked.
var listening = regexp.MustCompile(`Listening on HTTP.* addr=(\S+)`)

// start starts the process and returns the address that it listens on.
func (s *Server) start() (string, error) {
	environment := append([]string{
		"INFLUXDB_META_DIR=" + filepath.Join(s.dir, "meta"),
		"INFLUXDB_DATA_DIR=" + filepath.Join(s.dir, "data"),
		"INFLUXDB_DATA_WAL_DIR=" + filepath.Join(s.dir, "wal"),
		"INFLUXDB_BIND_ADDRESS=127.0.0.1:0",
		"INFLUXDB_HTTP_BIND_ADDRESS=" + s.address,
		"INFLUXDB_HTTP_AUTH_ENABLED=true",
		"INFLUXDB_HTTP_FLUX_ENABLED=true",
		"INFLUXDB_HTTP_LOG_ENABLED=false",
		"INFLUXDB_DATA_QUERY_LOG_ENABLED=false",
		"INFLUXDB_REPORTING_DISABLED=true",
		"INFLUXDB_MONITOR_STORE_ENABLED=false",
		"HOME=" + s.dir,
	}, s.environment...)
	discard := ""
	if s.discard {
		discard = s.dir
	}
	p, stderr, err := run(s.binary, environment, discard)
	if err != nil {
		return "", err
	}
	s.process = p
	address := make(chan string, 1)
	go func() { // ends with the process
		defer close(address)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			s.log.add(lines.Text())
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				select {
				case address <- found[1]:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, stderr) // a line beyond the scanner's buffer must not stop the server
	}()
	select {
	case found, ok := <-address:
		if !ok {
			return "", fmt.Errorf("ended at once")
		}
		return found, nil
	case <-time.After(patience):
		return "", fmt.Errorf("does not listen after %s", patience)
	}
}

// process is the server under a shell that kills it when standard input ends: so it
// does not outlive this process, however that ends. The shell then removes the
// directory discard, if it is not empty.
type process struct {
	command *exec.Cmd
	stdin   io.Closer
}

const guard = `"$0" -config /dev/null </dev/null & server=$!; exec 2>/dev/null; read -r _; kill -9 $server; wait $server; [ -z "$1" ] || rm -rf "$1"`

func run(binary string, environment []string, discard string) (*process, io.Reader, error) {
	command := exec.Command("/bin/sh", "-c", guard, binary, discard)
	command.Env = environment
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	return &process{command, stdin}, stderr, nil
}

func (p *process) kill() {
	_ = p.stdin.Close()
	_ = p.command.Wait() // of the shell, which tells that it killed
}

// log keeps the last lines of the server.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const kept = 40
	if len(l.lines) == kept {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	l.lines = append(l.lines, line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

var databases atomic.Int64

// Bucket makes a database that no other test uses and returns it as a bucket,
// "name/autogen".
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	s.Exec(t, `CREATE DATABASE "`+name+`"`)
	return name + "/autogen"
}

// Exec runs InfluxQL statements as the administrator and returns the answer, JSON.
func (s *Server) Exec(t testing.TB, statements string) string {
	t.Helper()
	body, err := s.get("/query?epoch=ns&q=" + url.QueryEscape(statements))
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	if bytes.Contains(body, []byte(`"error"`)) {
		t.Fatalf("%s: %s", statements, body)
	}
	return string(body)
}

func (s *Server) get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, nil)
	if err != nil {
		return nil, err
	}
	if path == "/ping" {
		request.Method = http.MethodGet
	}
	user, password, _ := strings.Cut(s.Token, ":")
	request.SetBasicAuth(user, password)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}
