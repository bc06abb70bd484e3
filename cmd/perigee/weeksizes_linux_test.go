package main

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// weekSize is what the process and its store take at the end of a day.
type weekSize struct {
	heap, rss               int64 // bytes; of the test's process, which has little beside the daemon
	goroutines, descriptors int64
	probes                  int64 // planned so far
	used, file, log         int64 // bytes of the store
	tables                  map[string]int64
	pending                 int64
}

// measure notes how large everything is, a minute before a day ends.
func (w *week) measure() {
	runtime.GC()
	runtime.GC() // what finalizers gave up
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := weekSize{heap: int64(m.HeapAlloc), goroutines: int64(runtime.NumGoroutine()), tables: map[string]int64{}}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		w.t.Fatal(err)
	}
	s.descriptors = int64(len(open))
	rss, _, err := memory("/proc/self/smaps_rollup")
	if err != nil {
		w.t.Fatal(err)
	}
	s.rss = int64(rss)
	for _, l := range w.links {
		c := l.counted()
		s.probes += c.sent + c.failed + c.skipped
	}
	state, err := w.daemon.store.State(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	s.file, s.log = state.File, state.Log
	if s.pending, _, _, err = w.daemon.store.Pending(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.tables(&s)
	w.sizes = append(w.sizes, s)
	w.t.Logf("day %d: %s", len(w.sizes), s)
}

func (s weekSize) String() string {
	return fmt.Sprintf("%d probes, heap %.2f MB, RSS %.1f MB, %d goroutines, %d descriptors, store %.2f MB in use of %.2f, log %.2f MB, %d wait; singletons %.2f MB, windows %.2f, the rest %.2f",
		s.probes, mb(s.heap), mb(s.rss), s.goroutines, s.descriptors, mb(s.used), mb(s.file), mb(s.log), s.pending, mb(s.tables["singletons"]), mb(s.tables["windows"]), mb(s.rest()))
}

// rest is what neither windows nor singletons take.
func (s weekSize) rest() int64 { return s.used - s.tables["singletons"] - s.tables["windows"] }

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// tables reads what each table takes, with its indexes.
func (w *week) tables(s *weekSize) {
	db, err := sql.Open("sqlite", "file:"+storeFile(w.dir)+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), `SELECT coalesce(m.tbl_name, d.name), sum(d.pgsize) FROM dbstat d LEFT JOIN sqlite_schema m ON m.name = d.name GROUP BY 1`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var bytes int64
		if err := rows.Scan(&name, &bytes); err != nil {
			w.t.Fatal(err)
		}
		s.tables[name] = bytes
		s.used += bytes
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
}

// How much larger the last day may be than the second, and what may be kept for ever of a
// day.
const (
	weekHeapShare   = 0.05
	weekHeapAmount  = 512 << 10
	weekAmount      = 2 // goroutines, descriptors
	weekSteadyShare = 0.03
	weekForever     = 1_000_000 // bytes
)

// growths says what grew that may not: the process from the end of the second day to that
// of the last; what of the store expires, from day to day once it does (single probes
// after a day, windows after three); and what does not, by more than is stated.
func growths(sizes []weekSize) (grew []string) {
	if len(sizes) < 3 {
		return nil
	}
	note := func(format string, args ...any) { grew = append(grew, fmt.Sprintf(format, args...)) }
	second, last := sizes[1], sizes[len(sizes)-1]
	if limit := float64(second.heap)*(1+weekHeapShare) + weekHeapAmount; float64(last.heap) > limit {
		note("the heap has %d bytes at the end, had %d after the second day, may have %.0f", last.heap, second.heap, limit)
	}
	if last.goroutines > second.goroutines+weekAmount {
		note("%d goroutines at the end, %d after the second day", last.goroutines, second.goroutines)
	}
	if last.descriptors > second.descriptors+weekAmount {
		note("%d descriptors at the end, %d after the second day", last.descriptors, second.descriptors)
	}
	for i := 4; i < len(sizes); i++ {
		for _, table := range []string{"singletons", "windows"} {
			if was, is := sizes[i-1].tables[table], sizes[i].tables[table]; !near(float64(is), float64(was), weekSteadyShare) {
				note("%s take %d bytes after day %d, %d the day before", table, is, i+1, was)
			}
		}
	}
	if rest := (last.rest() - second.rest()) / int64(len(sizes)-2); rest > weekForever {
		note("%d bytes of a day are kept for ever, may be %d", rest, weekForever)
	}
	return grew
}

// judge fails t for what grew, and tells what a probe takes.
func (w *week) judge(t *testing.T) {
	t.Helper()
	for _, what := range growths(w.sizes) {
		t.Error(what)
	}
	first, last := w.sizes[0], w.sizes[len(w.sizes)-1]
	each := func(bytes int64) float64 { return float64(bytes) / float64(first.probes) }
	t.Logf("bytes a probe of the first day: windows %.2f, singletons %.2f, all else %.2f", each(first.tables["windows"]), each(first.tables["singletons"]), each(first.rest()))
	if len(w.sizes) < 3 {
		return
	}
	days := float64(len(w.sizes) - 2)
	t.Logf("MB a day that are kept for ever, after the second: %.3f", mb(last.rest()-w.sizes[1].rest())/days)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(last.tables)) {
		names = append(names, fmt.Sprintf("%s %.3f", name, mb(last.tables[name]-w.sizes[1].tables[name])/days))
	}
	t.Logf("of these %s", strings.Join(names, ", "))
}

// TestGrowthsOfAWeek judges weeks that grow and one that does not.
func TestGrowthsOfAWeek(t *testing.T) {
	for name, test := range map[string]struct {
		change func(day int, s *weekSize)
		want   string // part of what is said; nothing if empty
	}{
		"steady":                     {func(int, *weekSize) {}, ""},
		"garbage_of_the_second_day":  {func(d int, s *weekSize) { s.heap += int64(d%2) * 100_000 }, ""},
		"a_heap_of_200_kB_a_day":     {func(d int, s *weekSize) { s.heap += int64(d) * 200_000 }, "the heap has"},
		"a_goroutine_a_day":          {func(d int, s *weekSize) { s.goroutines += int64(d) }, "goroutines"},
		"a_descriptor_a_day":         {func(d int, s *weekSize) { s.descriptors += int64(d) }, "descriptors"},
		"singletons_that_stay":       {func(d int, s *weekSize) { s.tables["singletons"] *= int64(d) }, "singletons take"},
		"windows_that_stay":          {func(d int, s *weekSize) { s.tables["windows"] = int64(d) * 14_000_000 }, "windows take"},
		"rows_for_ever":              {func(d int, s *weekSize) { s.used += int64(d) * 1_600_000 }, "kept for ever"},
		"a_heap_that_is_full_by_two": {func(d int, s *weekSize) { s.heap += int64(min(d, 2)) * 3_000_000 }, ""},
	} {
		var sizes []weekSize
		for d := 1; d <= 7; d++ {
			tables := map[string]int64{"singletons": 13_000_000, "windows": int64(min(d, 3)) * 14_000_000}
			s := weekSize{heap: 7_000_000, goroutines: 26, descriptors: 30, tables: tables}
			s.used = int64(d) * 500_000
			test.change(d, &s)
			s.used += tables["singletons"] + tables["windows"]
			sizes = append(sizes, s)
		}
		got := growths(sizes)
		if (len(got) == 0) != (test.want == "") || len(got) > 0 && !strings.Contains(got[0], test.want) {
			t.Errorf("%s: says %q, want %q", name, got, test.want)
		}
	}
}
