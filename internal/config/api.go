package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// API says where the API and the page are served, and to whom.
type API struct {
	Listen     string // host:port; an address, "localhost", or empty for all addresses
	TokensFile string // a path from the root; nobody has read it yet
	TLS        *TLS   // nil: not encrypted

	// Origins are those whose pages may read answers, as browsers write them.
	Origins []string

	// Insecure is what may be missing although other machines reach the address.
	Insecure []Insecurity
}

// TLS names the files that TLS is spoken with: paths from the root, which nobody has read
// yet.
type TLS struct {
	Certificate, Key string
}

// An Insecurity is something that may be missing, said in so many words.
type Insecurity string

// The insecurities.
const (
	NoTLS    Insecurity = "no_tls"    // whoever is on the way reads results and tokens, and can use these
	NoTokens Insecurity = "no_tokens" // whoever reaches the address reads everything and spends bytes of budgets
)

// Insecurities are all of them.
var Insecurities = []Insecurity{NoTLS, NoTokens}

// risks say what each is about, for those who must decide.
var risks = map[Insecurity]string{
	NoTLS:    "whoever is on the way reads results and tokens, and can use the tokens",
	NoTokens: "whoever reaches the address reads everything, and can start measurements that spend bytes of your plan",
}

// Format prints a without the names of files: a token may have been written there by
// mistake.
func (a API) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "{%s}", a.Listen) }

// Exposed returns what other machines could do that reach address, which is host:port,
// each as an advice; nothing if none reaches it, or all of it was asked for.
func (a API) Exposed(address string) []string {
	if Loopback(address) {
		return nil
	}
	var open []string
	for _, i := range Insecurities {
		missing, key := a.TLS == nil, "tls: {certificate: FILE, key: FILE}"
		if i == NoTokens {
			missing, key = a.TokensFile == "", "tokens_file: FILE"
		}
		if missing && !slices.Contains(a.Insecure, i) {
			open = append(open, fmt.Sprintf("give api %s, or accept with insecure: [%s] that %s", key, i, risks[i]))
		}
	}
	return open
}

// Loopback reports whether nothing but this machine reaches address, which is host:port.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// api reads where the API is served, and to whom.
func (r *reader) api(raw rawAPI) API {
	a := API{Listen: DefaultListen}
	if s, ok := r.word(raw.Listen); ok {
		host, port, err := net.SplitHostPort(s)
		_, portErr := strconv.ParseUint(port, 10, 16)
		_, addrErr := netip.ParseAddr(host)
		switch {
		case err != nil || portErr != nil:
			r.wrong(raw.Listen, "is not an address with a port; write one such as %s", DefaultListen)
		case host != "" && host != "localhost" && addrErr != nil:
			r.wrong(raw.Listen, "names a host; write an address of this machine, such as 127.0.0.1:%s", port)
		default:
			a.Listen = s
		}
	}
	a.TokensFile = r.secretFile(raw.TokensFile)
	a.TLS = r.tls(raw.TLS)
	a.Insecure = r.insecure(raw.Insecure)
	a.Origins = r.origins(raw.AllowedOrigins)
	if slices.ContainsFunc(r.problems, func(p Problem) bool { return strings.HasPrefix(p.Field, "api.") }) {
		return a // what is missing may be there, misspelt
	}
	if open := a.Exposed(a.Listen); len(open) > 0 {
		_, port, _ := net.SplitHostPort(a.Listen)
		r.wrong(raw.Listen, "is reachable from other machines: %s. Or listen on 127.0.0.1:%s and let an SSH tunnel lead there", strings.Join(open, "; "), port)
	}
	return a
}

// tls reads what TLS is spoken with.
func (r *reader) tls(raw rawTLS) *TLS {
	if !raw.given {
		return nil
	}
	r.required(raw.section, raw.Certificate, raw.path+".certificate", "name the file of the certificate, such as /etc/perigee/monitor.pem")
	r.required(raw.section, raw.Key, raw.path+".key", "name the file of its key, such as /etc/perigee/monitor.key")
	return &TLS{Certificate: r.certificates(raw.Certificate), Key: r.secretFile(raw.Key)}
}

// insecure reads what may be missing.
func (r *reader) insecure(raw []value) []Insecurity {
	var list []Insecurity
	for _, v := range raw {
		word, ok := r.oneOf(v, "a word that is known here", []string{string(NoTLS), string(NoTokens)})
		if !ok {
			continue
		}
		if slices.Contains(list, Insecurity(word)) {
			r.problem(v.at, v.path, word+" stands twice; keep one")
			continue
		}
		list = append(list, Insecurity(word))
	}
	return list
}

// origins reads the origins whose pages may read answers.
func (r *reader) origins(raw []value) []string {
	var list []string
	for _, v := range raw {
		s, ok := r.word(v)
		switch {
		case !ok:
		case !origin(s):
			r.wrong(v, "is not an origin; write it as browsers do: scheme, name and port if it is not the usual one, in small letters, such as https://wall.example.net")
		case slices.Contains(list, s):
			r.wrong(v, "stands twice; keep one")
		default:
			list = append(list, s)
		}
	}
	return list
}

// origin reports whether s is an origin as browsers write it (RFC 6454 section 6.2).
func origin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ToLower(s) != s {
		return false
	}
	usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	_, addrErr := netip.ParseAddr(u.Hostname())
	return u.Port() != usual && !strings.HasSuffix(u.Host, ":") && (addrErr == nil || hostName(u.Hostname()))
}

// settings calls set with each value in effect.
func (a API) settings(set func(value, key string, args ...any)) {
	set(a.Listen, "api.listen")
	if a.TokensFile != "" {
		set(given, "api.tokens_file")
	}
	if a.TLS != nil {
		set(given, "api.tls.certificate")
		set(given, "api.tls.key")
	}
	if len(a.Origins) > 0 {
		set("["+strings.Join(slices.Sorted(slices.Values(a.Origins)), ", ")+"]", "api.allowed_origins")
	}
	if len(a.Insecure) > 0 {
		words := make([]string, len(a.Insecure))
		for i, w := range a.Insecure {
			words[i] = string(w)
		}
		slices.Sort(words)
		set("["+strings.Join(words, ", ")+"]", "api.insecure")
	}
}
