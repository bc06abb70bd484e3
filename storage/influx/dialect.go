package influx

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"perigee"
)

// Dialect is what a server understands. Writing points and asking in Flux is the same
// in all; what differs hides behind it.
type Dialect string

// The dialects.
const (
	V1 Dialect = "1.8" // databases, retention policies, users; Flux 0.65
	V2 Dialect = "2.x" // organizations, buckets, tokens
)

// Detect returns the server's dialect. It asks once, and again only if that failed,
// with CodeUnavailable if no InfluxDB answers and CodeInvalid if it is one of another
// version.
func (c *Client) Detect(ctx context.Context) (Dialect, error) {
	c.detecting.Lock()
	defer c.detecting.Unlock()
	if c.dialect != "" {
		return c.dialect, nil
	}
	version, err := c.ask(ctx)
	if err != nil {
		return "", err
	}
	var major, minor int
	_, err = fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &major, &minor) // 1.8.10, v2.7.1
	switch {
	case err == nil && major == 1 && minor >= 8:
		c.dialect = V1
	case err == nil && major == 2:
		c.dialect = V2
	case err == nil:
		return "", &perigee.Error{Code: perigee.CodeInvalid, Message: c.place() + " is version " + version + "; use 1.8 or 2.x"}
	default: // builds from source know no version of themselves
		if c.dialect, err = c.probe(ctx); err != nil {
			return "", err
		}
	}
	c.version = version
	return c.dialect, nil
}

// ask returns the version that the server says it is.
func (c *Client) ask(ctx context.Context) (string, error) {
	response, err := c.call(ctx, http.MethodGet, "/health", nil, nil)
	if err != nil {
		return "", c.unanswered(err).failure()
	}
	version := response.Header.Get("X-Influxdb-Version")
	a := readAnswer(response)
	var health struct{ Name, Version string }
	decoded := json.Unmarshal(a.body, &health)
	switch {
	case decoded == nil && health.Name == "influxdb" && health.Version != "":
		return health.Version, nil
	case version != "":
		return version, nil
	case decoded == nil && health.Name == "influxdb":
		return "unknown", nil
	}
	if a.status == http.StatusOK || a.status == http.StatusNotFound {
		a.database = false // whatever it is
	}
	return "", c.understand(a).failure()
}

// probe tells dialects apart by a path that 1.8 does not have.
func (c *Client) probe(ctx context.Context) (Dialect, error) {
	response, err := c.call(ctx, http.MethodGet, "/api/v2/buckets", map[string][]string{"limit": {"1"}}, nil)
	if err != nil {
		return "", c.unanswered(err).failure()
	}
	switch a := readAnswer(response); a.status {
	case http.StatusNotFound:
		return V1, nil
	case http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return V2, nil
	default:
		return "", c.understand(a).failure()
	}
}
