package influx

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"perigee"
)

// Options say where the database is and who asks. The zero value of a field that is
// not said to be required is its default.
type Options struct {
	// URL is that of the server, with the path it is served under, if any:
	// "http://127.0.0.1:8086". Required.
	URL string

	// Org is the organization, of 2.x; 1.8 has none.
	Org string

	// Bucket is where results are. Of 1.8 it is "database/policy", or
	// "database" for that database's default retention policy. Required.
	Bucket string

	// Token proves the right to write, to read, or both. Of 1.8 it is
	// "user:password", of 2.x an API token. Empty if the server asks for none.
	Token string

	// Instance tags what is written, so that two services with the same site
	// and links never overwrite each other's results. Empty: no tag.
	Instance string

	// Timeout bounds every call, and in a stream of rows the wait for more of
	// them. 30 s if zero.
	Timeout time.Duration

	// Dial opens every connection, if it is set; then no proxy is used. If it
	// is not, connections take the system's way, and the proxy that the
	// environment names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const defaultTimeout = 30 * time.Second

// check returns o with its defaults, and its URL parsed.
func (o Options) check() (Options, *url.URL, error) {
	invalid := func(format string, args ...any) (Options, *url.URL, error) {
		return o, nil, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return invalid(`InfluxDB's URL %q is not one: write it like "http://127.0.0.1:8086"`, redactURL(o.URL))
	case base.User != nil:
		return invalid("InfluxDB's URL holds a password: give it as the token, user:password")
	case base.RawQuery != "" || base.Fragment != "":
		return invalid("InfluxDB's URL %q has a part after its path: remove what begins with ? or #", redactURL(o.URL))
	case o.Bucket == "":
		return invalid("InfluxDB's bucket is missing: name it, of 1.8 as database/policy")
	case strings.ContainsFunc(o.Bucket+o.Org, control):
		return invalid("InfluxDB's bucket %q or organization %q holds a control character", o.Bucket, o.Org)
	case strings.ContainsFunc(o.Token, control):
		return invalid("InfluxDB's token holds a line break or another control character: its file must hold the token and nothing else")
	case o.Timeout < 0:
		return invalid("InfluxDB's timeout %s is negative", o.Timeout)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	base.Path = strings.TrimRight(base.Path, "/")
	o.URL = base.String()
	return o, base, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// redactURL returns a URL for people to read, without what may be a secret.
func redactURL(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		u.RawQuery = ""
		return u.Redacted()
	}
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		return "…" + raw[i:]
	}
	return raw
}
