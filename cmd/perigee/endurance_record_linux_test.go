package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The columns of what is recorded of a daemon, in their order.
var enduranceColumns = []string{
	"elapsed_seconds",
	"rss_bytes", "pss_bytes", // of the process
	"heap_in_use_bytes", "heap_live_bytes", // of Go's heap; live is what the last collection left
	"goroutines", "descriptors", "threads", "cpu_seconds",
	"db_bytes", "used_bytes", "wal_bytes", // the store's file, what is in use of it with what lies in its log, and that log
	"window_rows", "singleton_rows", // singletons lie packed, a row a window
	"probes", "waiting_samples", "pending_results", "live_clients",
	"log_bytes", // that the daemon wrote to standard error
}

// A recording reads what a running daemon takes of its machine.
type recording struct {
	pid      int
	store    string // its file
	logged   string // the file that it writes its log to
	metrics  func(context.Context) (map[string]float64, error)
	begin    time.Time
	out      *csv.Writer
	rows     [][]float64
	problems []string
}

// column returns all values of a quantity.
func (r *recording) column(name string) []float64 {
	for i, column := range enduranceColumns {
		if column == name {
			values := make([]float64, len(r.rows))
			for n, row := range r.rows {
				values[n] = row[i]
			}
			return values
		}
	}
	panic("no column " + name)
}

// take adds a row.
func (r *recording) take(ctx context.Context) {
	values, err := r.read(ctx)
	if err != nil {
		r.problems = append(r.problems, err.Error())
		return
	}
	row, text := make([]float64, len(enduranceColumns)), make([]string, len(enduranceColumns))
	for i, column := range enduranceColumns {
		value, ok := values[column]
		if !ok {
			r.problems = append(r.problems, "no value of "+column)
			return
		}
		row[i], text[i] = value, strconv.FormatFloat(value, 'f', -1, 64)
	}
	r.rows = append(r.rows, row)
	if err := r.out.Write(text); err != nil {
		r.problems = append(r.problems, err.Error())
	}
	r.out.Flush()
}

// read reads every quantity once.
func (r *recording) read(ctx context.Context) (map[string]float64, error) {
	m, err := r.metrics(ctx)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{
		"elapsed_seconds":   time.Since(r.begin).Round(time.Second).Seconds(),
		"heap_in_use_bytes": m["go_memstats_heap_inuse_bytes"],
		// A collection sets the next to when the heap will have doubled (GOGC=100).
		"heap_live_bytes": m["go_memstats_next_gc_bytes"] / 2,
		"goroutines":      m["go_goroutines"],
		"probes":          m["perigee_probes_total"],
		"waiting_samples": m["perigee_store_waiting_samples"],
		"pending_results": m["perigee_outbox_pending"],
		"live_clients":    m["perigee_live_clients"],
	}
	proc := fmt.Sprintf("/proc/%d/", r.pid)
	if values["rss_bytes"], values["pss_bytes"], err = memory(proc + "smaps_rollup"); err != nil {
		return nil, err
	}
	for column, name := range map[string]string{"descriptors": "fd", "threads": "task"} {
		entries, err := os.ReadDir(proc + name)
		if err != nil {
			return nil, err
		}
		values[column] = float64(len(entries))
	}
	if values["cpu_seconds"], err = processorTime(proc + "stat"); err != nil {
		return nil, err
	}
	for column, file := range map[string]string{"db_bytes": r.store, "wal_bytes": r.store + "-wal", "log_bytes": r.logged} {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		values[column] = float64(info.Size())
	}
	return values, rowsOf(ctx, r.store, values)
}

// memory reads what a process has in memory, and its share of that.
func memory(file string) (rss, pss float64, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "Rss: %f kB", &kib); n == 1 {
			rss = kib * 1024
		}
		if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kib); n == 1 {
			pss = kib * 1024
		}
	}
	return rss, pss, nil
}

// processorTime reads the seconds of processors that a process has had. Linux counts
// them in hundredths (USER_HZ).
func processorTime(file string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %q", file, text)
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("%s: %q", file, text)
	}
	return (user + system) / 100, nil
}

// rowsOf counts windows, those of which the single probes are kept, and the bytes in use.
func rowsOf(ctx context.Context, store string, values map[string]float64) error {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(store)+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var windows, singletons, used float64
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM windows), (SELECT count(*) FROM singletons),
		(page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).Scan(&windows, &singletons, &used)
	values["window_rows"], values["singleton_rows"], values["used_bytes"] = windows, singletons, used
	return err
}

// parseMetrics sums Prometheus's text by the names of metrics, whatever their labels.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	sums := map[string]float64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		if bare, labels, labelled := strings.Cut(line, "{"); labelled {
			_, rest, _ = strings.Cut(labels[strings.LastIndex(labels, "}"):], " ")
			name = bare
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}
