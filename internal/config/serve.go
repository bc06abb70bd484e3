package config

import "os"

// Serve is what a process needs that measures nothing and shows what is in InfluxDB.
type Serve struct {
	InfluxDB InfluxDB // Via and Bandwidth are zero: they are about forwarding
	API      API
	Warnings []string // as those of a Config
}

// LoadServe reads of the configuration at path what serving from InfluxDB takes:
// storage.influxdb, which must be there, and api. Everything else may be missing; what
// is there must be known keys of the right shape, and is not looked at further. It
// checks the files that are named, and fails as Load does.
func LoadServe(path string) (Serve, error) {
	data, err := read(path)
	if err != nil {
		return Serve{}, unreadable(path, err)
	}
	return parseServe(newReader(path, os.Stat), data)
}

// parseServe is LoadServe of a file's content.
func parseServe(r *reader, data []byte) (Serve, error) {
	var s Serve
	if raw, ok := r.grammar(data); ok {
		if d := r.influxdb(raw.Storage.InfluxDB); d != nil {
			s.InfluxDB = *d
		} else if !r.meant["storage"] && !r.reported("storage") {
			at := section{at: start}
			if raw.Storage.given {
				at = raw.Storage.section
			}
			r.required(at, value{}, "storage.influxdb", "say which database to show, such as {url: \"http://127.0.0.1:8086\", bucket: perigee}")
		}
		s.API = r.api(raw.API)
	}
	var err error
	if s.Warnings, err = r.verdict(); err != nil {
		return Serve{}, err
	}
	return s, nil
}

// LoadAPI reads of the configuration at path what api says, and looks at nothing else
// beyond the keys and their shape. It fails as Load does.
func LoadAPI(path string) (API, error) {
	data, err := read(path)
	if err != nil {
		return API{}, unreadable(path, err)
	}
	r := newReader(path, os.Stat)
	var a API
	if raw, ok := r.grammar(data); ok {
		a = r.api(raw.API)
	}
	if _, err := r.verdict(); err != nil {
		return API{}, err
	}
	return a, nil
}
