package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Bounds of retention. A day's rollup is made once the day has ended, so windows are
// kept until then.
const (
	minKeepSingletons = time.Hour
	minKeepWindows    = 2 * day
	maxKeep           = 100 * 365 * day
)

// StoragePath returns the directory that results are kept in unless the configuration
// says otherwise: the one that systemd made for its service (StateDirectory=, told in
// $STATE_DIRECTORY), DefaultStoragePath for root, $XDG_STATE_HOME/perigee or
// ~/.local/state/perigee for others.
func StoragePath() string {
	if dir := os.Getenv("STATE_DIRECTORY"); filepath.IsAbs(dir) && !strings.Contains(dir, ":") { // several are joined by colons
		return dir
	}
	if os.Geteuid() == 0 {
		return DefaultStoragePath
	}
	return userStoragePath()
}

// userStoragePath is StoragePath for everybody but root; DefaultStoragePath for a user
// without a home.
func userStoragePath() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return DefaultStoragePath
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "perigee")
}

// storage reads where results are kept and where they go from there.
func (r *reader) storage(raw rawStorage, ways ways) Storage {
	s := Storage{Path: StoragePath()}
	if path, ok := r.word(raw.Path); ok {
		switch {
		case strings.HasPrefix(path, "~"):
			r.wrong(raw.Path, "begins with ~, which only a shell understands; write the whole path")
		case strings.Contains(path, "$"):
			r.wrong(raw.Path, "holds a $; variables are not replaced here, so write the path out")
		case filepath.IsAbs(path):
			s.Path = filepath.Clean(path)
		default:
			s.Path = filepath.Join(filepath.Dir(r.file), path)
		}
	}
	s.Keep.Singletons = r.keep(raw.Keep.Singletons, DefaultKeepSingletons, minKeepSingletons)
	s.Keep.Windows = r.keep(raw.Keep.Windows, DefaultKeepWindows, minKeepWindows)
	rollups := r.keep(raw.Keep.Rollups, Forever, minKeepWindows)
	singletons := kept{"singletons", raw.Keep.Singletons, s.Keep.Singletons}
	windows := kept{"windows", raw.Keep.Windows, s.Keep.Windows}
	r.ordered(singletons, windows, "singletons are stored in windows and go with them")
	r.ordered(windows, kept{"rollups", raw.Keep.Rollups, rollups}, "rollups are what remains when windows are gone")
	if rollups != Forever {
		r.warning(raw.Keep.Rollups.key, raw.Keep.Rollups.path, "not used by this version: rollups are kept forever")
	}
	s.InfluxDB = r.influxdb(raw.InfluxDB)
	if s.InfluxDB != nil {
		s.InfluxDB.Via = r.via(raw.InfluxDB, ways)
		s.InfluxDB.Bandwidth = r.bandwidth(raw.InfluxDB.Bandwidth)
	}
	return s
}

// keep reads how long something is kept.
func (r *reader) keep(v value, otherwise, low time.Duration) time.Duration {
	if v.kind == textual && v.text == "forever" {
		return Forever
	}
	if d, ok := r.duration(v, low, maxKeep, "forever"); ok {
		return d
	}
	return otherwise
}

// A kept is how long one kind of result is kept.
type kept struct {
	noun string
	at   value
	time time.Duration
}

// ordered reports if the finer results would be kept longer than the coarser ones that
// they need.
func (r *reader) ordered(fine, coarse kept, because string) {
	if coarse.time == Forever || fine.time != Forever && fine.time <= coarse.time ||
		r.reported(fine.at.path) || r.reported(coarse.at.path) {
		return
	}
	v := coarse.at
	if !v.given() {
		v = fine.at
	}
	r.problem(v.at, v.path, fmt.Sprintf("%s would be kept longer (%s) than %s (%s), but %s; keep %s at least as long",
		fine.noun, retention(fine.time), coarse.noun, retention(coarse.time), because, coarse.noun))
}
