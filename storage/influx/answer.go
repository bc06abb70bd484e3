package influx

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what the server, or whoever stands in its place, said instead of doing
// what it was asked.
type answer struct {
	status   int
	words    string // in its own words, one line; empty if it has none
	database bool   // whether it is InfluxDB that speaks
	body     []byte // the beginning of it
	location string // of a redirect
	after    time.Duration
}

// longestWords is how much of an answer is read and quoted: a login page is long.
const longestWords = 64 << 10

// readAnswer returns what response says, and closes it.
func readAnswer(response *http.Response) answer {
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, longestWords)) // what came of it is what there is to say
	header := response.Header
	a := answer{status: response.StatusCode, body: body, location: header.Get("Location"), after: retryAfter(header)}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))

	var said struct{ Error, Code, Message string }
	known := json.Unmarshal(body, &said) == nil && (said.Error != "" || said.Message != "")
	a.database = known || header.Get("X-Influxdb-Version") != "" || header.Get("X-Influxdb-Build") != "" || header.Get("X-Platform-Error-Code") != ""
	switch {
	case said.Error != "":
		a.words = said.Error
	case said.Message != "":
		a.words = said.Message
	case header.Get("X-Influxdb-Error") != "":
		a.words = header.Get("X-Influxdb-Error")
	case kind == "text/html": // says nothing that fits into a line
	default:
		a.words = string(body)
	}
	a.words = shorten(strings.Join(strings.Fields(a.words), " "))
	return a
}

// shorten cuts words that are too long for a message.
func shorten(words string) string {
	const most = 300
	if len(words) <= most {
		return words
	}
	return strings.ToValidUTF8(words[:most], "") + "…"
}

// says reports whether the answer has any of the given words in it.
func (a answer) says(words ...string) bool {
	said := strings.ToLower(a.words)
	for _, w := range words {
		if strings.Contains(said, w) {
			return true
		}
	}
	return false
}

// quote returns the status with the words, for a message.
func (a answer) quote() string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)))
	if a.words == "" {
		return status
	}
	return fmt.Sprintf("%s, %q", status, a.words)
}

// retryAfter returns for how long the server asks to be left alone, a day at most: in
// seconds, or until a date, by its own clock if it shows that.
func retryAfter(header http.Header) time.Duration {
	const most = 24 * time.Hour
	asked := header.Get("Retry-After")
	if asked == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(asked, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(most/time.Second))) * time.Second
	}
	until, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), most)
}
