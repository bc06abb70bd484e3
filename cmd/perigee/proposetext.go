package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text is the proposal as a configuration file, with the reasons beside what they are for.
func (p *proposal) text() []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Configuration of perigee, written by \"perigee init\" for this machine. Change what it")
	line("# assumed wrongly; \"perigee config check\" names faults by line, and every key is")
	line("# described in docs/configuration.md.")
	line("")
	site := "name: " + quoted(p.site.Name)
	if p.site.Located {
		site += fmt.Sprintf(", latitude: %v, longitude: %v", p.site.Latitude, p.site.Longitude)
	}
	line("site: {%s}", site)
	line("")
	line("links:")
	for _, l := range p.links {
		for _, why := range l.because {
			line("  # %s", why)
		}
		line("  - name: %s", quoted(l.name))
		line("    orbit: %s", l.orbit)
		line("    interface: %s", quoted(l.device))
		if l.source.IsValid() {
			line("    source: %s", l.source)
		}
		if l.mark != 0 {
			line("    fwmark: %#x", l.mark)
		}
		if l.firstHop != "" {
			line("    first_hop: %s # probed too, to tell failures at home from those beyond", l.firstHop)
		}
		if l.budget > 0 {
			line("    budget: {bytes: %s, resets_on: 1} # what perigee may move over it in a month", wholeBytes(l.budget))
		}
	}
	line("")
	line("# Resolvers of different operators, near almost everybody, that answer echo requests.")
	line("targets:")
	for _, t := range publicAnchors {
		line("  - {name: %s, address: %s}", t.ID, t.Address)
	}
	line("")
	line("probes:")
	line("  icmp: {interval: %s}", p.interval)
	line("  # transfer: {every: 6h} # throughput; without budgets it would move all it can")
	if p.storePath != "" || p.influxdb != nil {
		line("")
		line("storage:")
		if p.storePath != "" {
			line("  path: %s", quoted(p.storePath))
		}
		if d := p.influxdb; d != nil {
			line("  influxdb:")
			line("    url: %s", quoted(d.url))
			for _, kv := range [][2]string{{"org", d.org}, {"bucket", d.bucket}, {"token_file", d.tokenFile}} {
				if kv[1] != "" {
					line("    %s: %s", kv[0], quoted(kv[1]))
				}
			}
		}
	}
	return []byte(b.String())
}

// quoted writes a string for YAML: as it is where that reads as the same string, in
// double quotes, whose escapes are those of Go for printable text, elsewhere. YAML has no
// way to write what is not UTF-8, whose escapes in Go are characters there: it stands as
// it is, and who reads the file refuses it by its line.
func quoted(s string) string {
	if !utf8.ValidString(s) {
		return `"` + s + `"`
	}
	plain := s != ""
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		plain = plain && (letter || r == '/' || i > 0 && (r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' || r == '/'))
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// wholeBytes writes an amount of data so that it reads back exactly.
func wholeBytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}} {
		if n%u.size == 0 {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}
