package ookla

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"sync"
	"time"

	"github.com/showwin/speedtest-go/speedtest"

	"perigee"
)

// An answerError is an answer that cannot be of a test: it makes the whole transfer void.
type answerError struct{ message string }

func (e *answerError) Error() string { return e.message }

// checkStatus turns an answer other than 200 into an error: the library takes the body
// of any answer for payload. Redirects are no exception; the library would follow them
// to any other server.
func checkStatus(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	response.Body.Close()
	return &answerError{fmt.Sprintf("%s %s was answered with %q instead of 200", response.Request.Method, response.Request.URL, response.Status)}
}

// maxDirectoryAnswer bounds what is read of one answer of the directory.
const maxDirectoryAnswer = 4 << 20

// libraryDirectory is where the library looks for servers.
const libraryDirectory = "www.speedtest.net"

// setupTripper carries the requests that find a server.
type setupTripper struct {
	ctx       context.Context // bounds all of them: the library pings on without
	base      http.RoundTripper
	directory *url.URL // in place of the library's; nil for that
}

func (t *setupTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	context.AfterFunc(t.ctx, cancel) // which comes when a server was found, too
	request = request.Clone(ctx)
	request.Header.Set("User-Agent", speedtest.DefaultUserAgent)
	if t.directory != nil && request.URL.Host == libraryDirectory {
		request.URL.Scheme, request.URL.Host = t.directory.Scheme, t.directory.Host
		request.URL.Path = path.Join("/", t.directory.Path, request.URL.Path)
		request.Host = ""
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := checkStatus(response); err != nil {
		return nil, err
	}
	response.Body = limitedBody{io.LimitReader(response.Body, maxDirectoryAnswer), response.Body}
	return response, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// A file is one of those that every server has for downloads.
type file struct {
	name string
	size int64
}

// files are the servers' files, smallest first. The library asks for the one of 2 MB
// alone; on a long path a connection then mostly waits for the next to begin.
var files = []file{
	{"random350x350.jpg", 245388},
	{"random500x500.jpg", 505544},
	{"random750x750.jpg", 1118012},
	{"random1000x1000.jpg", 1986284},
	{"random1500x1500.jpg", 4468241},
	{"random2000x2000.jpg", 7907740},
	{"random2500x2500.jpg", 12407926},
	{"random3000x3000.jpg", 17816816},
	{"random3500x3500.jpg", 24262167},
	{"random4000x4000.jpg", 31625365},
}

// Sizes of uploads: the most is the greatest of the library's table, which servers are
// used to; the least is as small a file as there is.
const (
	mostUpload  = 3999490
	leastUpload = 245388
)

// transferTripper carries the requests of the transfer.
type transferTripper struct {
	base    http.RoundTripper
	meter   *meter
	up      bool
	streams int64

	mu    sync.Mutex // guards what follows
	tls   time.Duration
	first time.Duration // to the first byte of an answer, going down
}

func (t *transferTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	select {
	case <-t.meter.over:
		// The library asks again and again, as fast as it can. The process will
		// end soon.
		select {}
	default:
	}
	request, size, ok := t.prepare(request)
	if !ok {
		t.meter.end(perigee.StoppedAtCap, nil)
		select {}
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		t.meter.requestBroke(err)
		return nil, err
	}
	if err := checkStatus(response); err != nil {
		t.meter.end(perigee.StoppedByFailure, err)
		return nil, err
	}
	if t.up {
		return response, nil
	}
	if err := t.checkFile(response, size); err != nil {
		response.Body.Close()
		return nil, err
	}
	response.Body = &fileBody{response.Body, t.meter, max(size, response.ContentLength)}
	return response, nil
}

// prepare makes of the library's request one that the cap has room for, of the greatest
// size that is sensible, and says which that is; false if there is no room.
func (t *transferTripper) prepare(request *http.Request) (*http.Request, int64, bool) {
	size := t.size()
	if !t.meter.promise(size) {
		return nil, 0, false
	}
	request = request.Clone(t.trace(request.Context()))
	request.Header.Set("User-Agent", speedtest.DefaultUserAgent)
	if t.up {
		request.Body, request.ContentLength = newPayload(size), size
		request.GetBody = func() (io.ReadCloser, error) { return newPayload(size), nil }
		return request, size, true
	}
	for _, f := range files {
		if f.size == size {
			request.URL.Path = path.Join(path.Dir(request.URL.Path), f.name)
		}
	}
	return request, size, true
}

// size is how much the next request should move. Near the cap requests become smaller,
// so that all streams keep going and little of the cap is left over.
func (t *transferTripper) size() int64 {
	room, limited := t.meter.room()
	share := room / (2 * t.streams)
	if t.up {
		if !limited {
			return mostUpload
		}
		return min(mostUpload, max(share, leastUpload))
	}
	size := files[0].size
	for _, f := range files {
		if !limited || f.size <= share {
			size = f.size
		}
	}
	return size
}

// checkFile reports whether an answer is a file of about the size that was asked for. A
// page that a gateway puts in its place is not.
func (t *transferTripper) checkFile(response *http.Response, size int64) error {
	announced := response.ContentLength
	switch {
	case announced < 0:
		return nil // fileBody holds it to the cap
	case announced < size/4:
		err := &answerError{fmt.Sprintf("%s has %d bytes instead of %d: something else than a test server answers", response.Request.URL, announced, size)}
		t.meter.end(perigee.StoppedByFailure, err)
		return err
	case announced > size && !t.meter.promise(announced-size):
		t.meter.end(perigee.StoppedAtCap, nil)
		return errCap
	}
	return nil
}

// trace watches how the first connection comes about. Its TCP handshake is timed where
// it is made.
func (t *transferTripper) trace(ctx context.Context) context.Context {
	var handshake, asked time.Time // by t.mu, for hooks run on several goroutines
	note := func(first *time.Duration, since time.Time) {
		if *first == 0 && !since.IsZero() {
			*first = time.Since(since)
		}
	}
	locked := func(f func()) {
		t.mu.Lock()
		defer t.mu.Unlock()
		f()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { locked(func() { handshake = time.Now() }) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { locked(func() { note(&t.tls, handshake) }) },
		WroteHeaders:      t.meter.reached,
		WroteRequest:      func(httptrace.WroteRequestInfo) { locked(func() { asked = time.Now() }) },
		GotFirstResponseByte: func() {
			if !t.up { // an upload is answered when all of it has arrived
				locked(func() { note(&t.first, asked) })
			}
		},
	})
}

// connect returns how the first connection came about, but for TCP.
func (t *transferTripper) connect() perigee.Connect {
	t.mu.Lock()
	defer t.mu.Unlock()
	return perigee.Connect{TLS: t.tls, FirstByte: t.first}
}

// fileBody is a file on its way. It tells the meter when it breaks off, which the library
// keeps to itself, and holds files of unannounced length to the cap.
type fileBody struct {
	io.ReadCloser
	meter *meter
	left  int64 // of what was promised
}

func (b *fileBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if !b.meter.promise(files[0].size) {
			b.meter.end(perigee.StoppedAtCap, nil)
			return 0, errCap
		}
		b.left += files[0].size
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		b.meter.requestBroke(err)
	}
	return n, err
}
