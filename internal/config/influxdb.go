package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"perigee"
)

// TokenVariable names the environment variable that holds the token of InfluxDB if
// storage.influxdb has no token_file.
const TokenVariable = "PERIGEE_INFLUXDB_TOKEN"

// Bounds of the bandwidth of forwarding, in bit/s. Below the least, the results of 64
// links would come faster than they leave.
const (
	minBandwidth = 8_000
	maxBandwidth = 10_000_000_000
)

// MeteredBandwidth is how fast results leave by a metered link unless the file says
// otherwise, in bit/s: a backlog is sent without being felt by those who use the link.
const MeteredBandwidth int64 = 256_000

// Unlimited, as a bandwidth, is no limit.
const Unlimited int64 = -1

// InfluxDB is the database that results are forwarded to.
type InfluxDB struct {
	URL    string // http or https, without user, password and query
	Org    string // may be empty
	Bucket string

	// TokenFile is a path from the root, or empty: then the token is in the
	// environment as TokenVariable, or there is none. Nobody has read it yet.
	TokenFile string

	// Via is the link that results leave by, a Bound one of Config.Links. Empty:
	// the way that the system chooses.
	Via perigee.LinkID

	// Bandwidth is the most that forwarding uses, in bit/s, or Unlimited. 0 is
	// automatic, see Limit.
	Bandwidth int64
}

// Limit returns the most bits per second that forwarding may use where the links of
// metered are metered, or Unlimited.
func (d InfluxDB) Limit(metered []perigee.LinkID) int64 {
	switch {
	case d.Bandwidth != 0:
		return d.Bandwidth
	case d.Via != "" && slices.Contains(metered, d.Via):
		return MeteredBandwidth
	}
	return Unlimited
}

// influxdb reads which database it is and how it is asked; nil if the file has none.
func (r *reader) influxdb(raw rawInfluxDB) *InfluxDB {
	if !raw.given {
		return nil
	}
	d := &InfluxDB{}
	r.required(raw.section, raw.URL, raw.path+".url", "write the server's address such as http://127.0.0.1:8086")
	r.required(raw.section, raw.Bucket, raw.path+".bucket", "name the bucket that results go to")
	if s, ok := r.word(raw.URL); ok {
		d.URL = s
		u, err := url.Parse(s)
		switch {
		case err == nil && u.User != nil || strings.Contains(s, "@"):
			// Not repeated: it may hold a password.
			r.problem(raw.URL.at, raw.URL.path, "holds a user or password; put the token into a file and name it as token_file")
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			r.problem(raw.URL.at, raw.URL.path, "is not the address of a server; write one such as http://127.0.0.1:8086")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			r.problem(raw.URL.at, raw.URL.path, "has a query; write the server's address alone, such as http://127.0.0.1:8086")
		case u.Scheme == "http" && !local(u.Hostname()) && raw.TokenFile.given():
			r.warning(raw.URL.key, raw.URL.path, "would carry the token unencrypted; use https for a server on another machine")
		}
	}
	d.Org, _ = r.text(raw.Org)
	d.Bucket, _ = r.text(raw.Bucket)
	d.TokenFile = r.secretFile(raw.TokenFile)
	return d
}

// local reports whether host is this machine.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// ways are the links as they stand in the file and as they were understood.
type ways struct {
	raw   []rawLink
	links []perigee.Link
}

// via reads the link that results leave by.
func (r *reader) via(db rawInfluxDB, all ways) perigee.LinkID {
	v := db.Via
	name, ok := r.text(v)
	if !ok {
		return ""
	}
	var bound []string
	for i, l := range all.links {
		raw := all.raw[i]
		unclear := r.unclear(raw) || r.reported(raw.path+".name")
		switch {
		case raw.Name.text == name && (l.Bound() || unclear):
			u, err := url.Parse(db.URL.text)
			if err == nil && local(u.Hostname()) && l.Interface != "lo" && !l.Source.IsLoopback() {
				r.warning(v.key, v.path, "the server is on this machine, where no link leads; remove via")
			}
			return l.ID
		case raw.Name.text == name:
			r.wrong(v, "is a link without a way of its own; give it an interface, source, fwmark or namespace, or remove via")
			return ""
		case l.Bound():
			bound = append(bound, raw.Name.text)
		}
	}
	switch better := nearest(name, bound); {
	case better != "":
		r.wrong(v, "is not a link; did you mean %s?", better)
	case len(bound) > 0:
		r.wrong(v, "is not a link; use one of %s, or remove via", strings.Join(bound, ", "))
	case !r.reported("links"):
		r.wrong(v, "is not a link; name one under links, or remove via")
	}
	return ""
}
