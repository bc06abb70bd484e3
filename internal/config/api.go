package config

import (
	"net"
	"net/netip"
	"strconv"
)

// api reads where the API is served. It has no authentication yet, so it is served on
// this machine only.
func (r *reader) api(raw rawAPI) API {
	a := API{Listen: DefaultListen}
	if s, ok := r.word(raw.Listen); ok {
		host, port, err := net.SplitHostPort(s)
		_, portErr := strconv.ParseUint(port, 10, 16)
		addr, addrErr := netip.ParseAddr(host)
		switch {
		case err != nil || portErr != nil:
			r.wrong(raw.Listen, "is not an address with a port; write one such as %s", DefaultListen)
		case host == "", addrErr == nil && !addr.IsLoopback():
			r.wrong(raw.Listen, "is reachable from other machines and this version cannot ask them for a token; listen on 127.0.0.1:%s and let an SSH tunnel or a reverse proxy with authentication lead there", port)
		case addrErr != nil && host != "localhost":
			r.wrong(raw.Listen, "names a host; write an address of this machine, such as 127.0.0.1:%s", port)
		default:
			a.Listen = s
		}
	}
	a.TokensFile = r.secretFile(raw.TokensFile)
	return a
}
