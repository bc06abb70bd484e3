package config

import (
	"reflect"
	"slices"
	"strings"
)

// synonyms are words that people use for keys that have another name.
var synonyms = map[string]string{
	"device": "interface", "iface": "interface", "dev": "interface", "nic": "interface",
	"ip": "address", "host": "address", "hostname": "address",
	"mark": "fwmark", "netns": "namespace", "type": "orbit", "id": "name",
	"lat": "latitude", "lon": "longitude", "lng": "longitude", "long": "longitude",
	"timeout": "loss_timeout", "retention": "keep", "dir": "path", "directory": "path",
	"token": "token_file", "tokens": "tokens_file", "key": "key_file", "password": "token_file",
	"influx": "influxdb", "ping": "icmp", "port": "listen", "organization": "org",
	"link": "via", "rate": "bandwidth", "limit": "bandwidth",
	"payload": "size", "cap": "budget", "quota": "budget",
}

// meant returns the key that was probably meant by name, which is not one of keys, or
// "".
func meant(name string, keys []string) string {
	if key, ok := synonyms[strings.ToLower(name)]; ok && slices.Contains(keys, key) {
		return key
	}
	return nearest(name, keys)
}

// elsewhere says what to do about a key that is like none of those of the raw type t:
// the section it belongs to, or all the keys there are.
func elsewhere(name string, t reflect.Type) string {
	var homes []string
	for _, full := range keyPaths(reflect.TypeFor[rawFile](), "") {
		home, key := "", full
		if i := strings.LastIndexByte(full, '.'); i >= 0 {
			home, key = full[:i], full[i+1:]
		}
		if key == name {
			homes = append(homes, home)
		}
	}
	switch {
	case len(homes) == 1 && homes[0] == "":
		return "it belongs at the top of the file, without indentation"
	case len(homes) == 1:
		return "it belongs in " + homes[0]
	}
	return "use one of " + strings.Join(keysOf(t), ", ")
}

// nearest returns the one of words that name is most likely a misspelling of, or "":
// at most a third of the letters may differ, and none of three, where too many words
// are alike.
func nearest(name string, words []string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if len(name) > 2*maxQuoted {
		return ""
	}
	best, found := "", 0
	for _, word := range words {
		d := distance(name, word)
		if allowed := max(len(name)-1, len(word)-1) / 3; d <= allowed && (best == "" || d < found) {
			best, found = word, d
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and swaps of neighbours
// that turn a into b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	previous2, previous, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		previous[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], previous2[j-2]+1)
			}
		}
		previous2, previous, row = previous, row, previous2
	}
	return previous[len(t)]
}
