package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"perigee"
	"perigee/storage/sqlite"
	"perigee/storage/storagetest"
)

// BenchmarkDamage tells of a store of ten days of four links, with single probes of one, how
// long measuring waits when its first page is lost, how long carrying over takes, and how
// long a check of the whole file does.
func BenchmarkDamage(b *testing.B) {
	for range b.N {
		path := filepath.Join(b.TempDir(), "perigee.db")
		store, err := healing(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := store.Begin(b.Context(), benchStart); err != nil {
			b.Fatal(err)
		}
		g := storagetest.NewGenerator(1)
		const days = 10
		for day := range days {
			samples := g.Samples(benchStart.AddDate(0, 0, day), 8640, fourStreams...)
			if day < days-1 {
				for i := range samples {
					samples[i].Singletons = nil
				}
			}
			fill(b, store, samples, 4000)
		}
		for quarter := range days * 96 {
			if err := store.AddTraffic(b.Context(), "home", "a", perigee.PurposeProbing, benchStart.Add(time.Duration(quarter)*15*time.Minute), 1000); err != nil {
				b.Fatal(err)
			}
		}
		if err := store.Roll(b.Context(), benchStart.AddDate(0, 0, days)); err != nil {
			b.Fatal(err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, "MB")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		var sound string
		if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&sound); err != nil || sound != "ok" {
			b.Fatal(sound, err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "check-s")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(make([]byte, sheetSize), 0)
		}
		if err != nil || f.Close() != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		began = time.Now()
		var healed *sqlite.Store
		if healed, err = healing(path, func(text string) {
			if len(text) > 12 && text[:12] == "carried over" {
				close(done)
			}
		}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "open-s")
		<-done
		b.ReportMetric(time.Since(began).Seconds(), "carry-s")
		n := 0
		for _, err := range healed.Samples(b.Context(), perigee.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != days*8640*len(fourStreams) {
			b.Errorf("%d windows were carried over", n)
		}
		if err := healed.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
