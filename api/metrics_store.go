package api

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// StoreState is how the monitor's own store does.
type StoreState struct {
	File, Log, Free int64 // bytes: of the file, of its log beside it, and of the file not in use

	// Windows is how many windows are kept at most: the number of the newest less that
	// of the oldest. After imports of old results some numbers between are free.
	Windows int64

	Oldest, Newest time.Time // starts of the first and the last window; zero if there is none

	// Damaged is how often a damaged file was set aside since the process started, Asides
	// how many such there are beside the store.
	Damaged, Asides int64

	DiskFull bool // single probes are given up for the room that new results need

	// Of appends since the process started.
	Appends, Failures int64
	LastAppend        time.Time // when the last succeeded; zero: none did
	Failing           bool      // whether the last failed

	// Of samples that the store did not take: those that wait in memory, and those
	// given up since the process started.
	Waiting, GivenUp int64
}

func storeDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("perigee_store_"+name, help, nil, nil)
}

// The metrics of the store. Counters begin at 0 when the process starts.
var (
	descStoreUp         = storeDesc("up", "Whether the store can be read and took what it was last given: 1 or 0.")
	descStoreFile       = storeDesc("file_bytes", "Size of the store's file.")
	descStoreLog        = storeDesc("log_bytes", "Size of the write-ahead log beside it.")
	descStoreFree       = storeDesc("free_bytes", "What of the file is not in use and will be before it grows.")
	descStoreWindows    = storeDesc("windows", "Windows kept, at most: fewer after imports of old results.")
	descStoreOldest     = storeDesc("oldest_window_timestamp_seconds", "When the first window kept begins, Unix time; absent if there is none.")
	descStoreNewest     = storeDesc("newest_window_timestamp_seconds", "When the last window kept begins, Unix time; absent if there is none.")
	descStoreDiskFull   = storeDesc("disk_full", "Whether single probes are given up for the room that new results need: 1 or 0.")
	descStoreDamaged    = storeDesc("damaged_total", "How often the store's file was damaged, set aside, and replaced by a new one.")
	descStoreAsides     = storeDesc("set_aside", "Damaged stores that were set aside and are still there.")
	descStoreAppends    = storeDesc("appends_total", "Batches of results that the store was given.")
	descStoreFailures   = storeDesc("append_failures_total", "Those of them that it did not take.")
	descStoreLastAppend = storeDesc("last_append_timestamp_seconds", "When it last took one, Unix time; absent before.")
	descStoreWaiting    = storeDesc("waiting_samples", "Samples that wait in memory for the store to take them.")
	descStoreGivenUp    = storeDesc("given_up_samples_total", "Samples that waited too long, or that the store refused for good.")
)

// storeCollector tells Prometheus of the store, and only that it is down if it cannot be
// asked.
type storeCollector struct {
	status func(context.Context) (StoreState, error)
}

// NewStoreCollector returns what tells Prometheus of the store that status tells of.
func NewStoreCollector(status func(context.Context) (StoreState, error)) prometheus.Collector {
	return storeCollector{status}
}

func (c storeCollector) Describe(ch chan<- *prometheus.Desc) {}

func (c storeCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
	defer cancel()
	s, err := c.status(ctx)
	send := sender(ch)
	send.flag(descStoreUp, err == nil && !s.Failing)
	if err != nil {
		return
	}
	send.gauge(descStoreFile, float64(s.File))
	send.gauge(descStoreLog, float64(s.Log))
	send.gauge(descStoreFree, float64(s.Free))
	send.gauge(descStoreWindows, float64(s.Windows))
	at := func(d *prometheus.Desc, t time.Time) {
		send.maybe(d, defined(float64(t.UnixMilli())/1000, !t.IsZero()))
	}
	at(descStoreOldest, s.Oldest)
	at(descStoreNewest, s.Newest)
	send.flag(descStoreDiskFull, s.DiskFull)
	send.counter(descStoreDamaged, float64(s.Damaged))
	send.gauge(descStoreAsides, float64(s.Asides))
	send.counter(descStoreAppends, float64(s.Appends))
	send.counter(descStoreFailures, float64(s.Failures))
	at(descStoreLastAppend, s.LastAppend)
	send.gauge(descStoreWaiting, float64(s.Waiting))
	send.counter(descStoreGivenUp, float64(s.GivenUp))
}
