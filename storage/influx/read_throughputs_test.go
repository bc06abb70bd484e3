package influx_test

import (
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// More transfers than are read at once come in order, each once, however they lie: many
// together, then none for years, then one.
func TestThroughputsAreReadByParts(t *testing.T) {
	store := open(t, "00c0ffee").Store()
	g := storagetest.NewGenerator(1)
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var want []perigee.Throughput
	add := func(start time.Time) {
		one := g.Throughput(storagetest.Transfer("geo", perigee.LoadDown), start)
		one.Series, one.TCP = nil, nil
		want = append(want, one)
	}
	const together = 4100
	for i := range together {
		add(begin.Add(time.Duration(i) * time.Second))
	}
	add(begin.AddDate(3, 0, 0))
	for i := 0; i < len(want); i += 2050 {
		if err := store.Append(t.Context(), perigee.Batch{Throughputs: want[i:min(i+2050, len(want))]}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		query perigee.Query
		want  []perigee.Throughput
	}{
		"all":        {perigee.Query{}, want},
		"the_last":   {perigee.Query{From: begin.AddDate(1, 0, 0)}, want[together:]},
		"a_part":     {perigee.Query{From: begin.Add(time.Minute), To: begin.Add(time.Hour)}, want[60:3600]},
		"in_between": {perigee.Query{From: begin.AddDate(1, 0, 0), To: begin.AddDate(2, 0, 0)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for got, err := range store.Throughputs(t.Context(), test.query) {
				if err != nil {
					t.Fatal(err)
				}
				if n < len(test.want) {
					if d := storagetest.DiffThroughput(got, test.want[n]); d != "" {
						t.Fatalf("throughput %d: %s", n, d)
					}
				}
				n++
			}
			if n != len(test.want) {
				t.Errorf("read %d, want %d", n, len(test.want))
			}
		})
	}
}
