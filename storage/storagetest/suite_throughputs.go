package storagetest

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"perigee"
)

func collectThroughputs(t *testing.T, found iter.Seq2[perigee.Throughput, error]) []perigee.Throughput {
	t.Helper()
	var list []perigee.Throughput
	for one, err := range found {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		list = append(list, one)
	}
	return list
}

// expectThroughputs compares the results that q selects with those wanted, in order.
func expectThroughputs(t *testing.T, store perigee.Store, q perigee.Query, want []perigee.Throughput) {
	t.Helper()
	got := collectThroughputs(t, store.Throughputs(t.Context(), q))
	if len(got) != len(want) {
		t.Fatalf("got %d throughputs, want %d", len(got), len(want))
	}
	for i := range got {
		if d := DiffThroughput(got[i], want[i]); d != "" {
			t.Fatalf("throughput %d of %d: %s", i, len(got), d)
		}
	}
}

func inThroughputOrder(a, b perigee.Throughput) int {
	return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
}

// throughputs of all sorts come back as they were.
func (s *suite) throughputs(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(20)
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Hour) }
	plain := g.Throughput(Transfer("geo", perigee.LoadDown), at(0))
	elsewhere := g.Throughput(Transfer("geo", perigee.LoadUp), at(1).Add(3).In(time.FixedZone("east", 9*3600)))
	old := g.Throughput(Transfer("geo", perigee.LoadUp), time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC))
	public := perigee.Throughput{Stream: Transfer("geo", perigee.LoadDown), Start: at(2), Length: time.Second, Server: "Sydney, 12345", Streams: 4,
		Stop: perigee.StoppedByUser, Rate: 8e6, WholeRate: 8e6, Error: -1, Bytes: 1e6, Retransmitted: -1}
	public.Stream.Method = perigee.MethodOokla
	broken := perigee.Throughput{Stream: Transfer("geo", perigee.LoadUp), Start: at(3), Stop: perigee.StoppedByFailure}
	extreme := g.Throughput(Transfer("geo", perigee.LoadUp), at(4))
	extreme.Rate, extreme.WireBytes, extreme.Retransmitted = math.MaxFloat64, math.MaxInt64, math.MinInt64
	extreme.Server, extreme.Congestion, extreme.Stop, extreme.Proof.InterfaceName = "a,b=c \"d\"\n\x00", "衛星", "", "it's"
	list := []perigee.Throughput{plain, elsewhere, old, public, broken, extreme}
	appendAll(t, store, perigee.Batch{Throughputs: list})
	slices.SortFunc(list, inThroughputOrder)
	expectThroughputs(t, store, perigee.Query{}, list)

	// They are no samples, nor is their link measured by them alone.
	if got := collect(t, store.Samples(t.Context(), perigee.Query{})); len(got) != 0 {
		t.Errorf("Samples: got %d, want none", len(got))
	}
	// What is done with them touches nothing that is stored.
	first := collectThroughputs(t, store.Throughputs(t.Context(), perigee.Query{}))
	for i := range first {
		clear(first[i].Series)
		clear(first[i].TCP)
		clear(first[i].TCPReceiver)
	}
	clear(plain.Series)
	again := collectThroughputs(t, store.Throughputs(t.Context(), perigee.Query{From: at(0), To: at(1)}))
	if len(again) != 1 || again[0].Check() != nil {
		t.Errorf("after its copies were cleared: got %+v, want it as it was", again)
	}
}

func (s *suite) throughputKeptOnce(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(21)
	first := g.Throughput(Transfer("a", perigee.LoadDown), epoch)
	other := g.Throughput(first.Stream, epoch)
	fresh := g.Throughput(first.Stream, epoch.Add(time.Nanosecond))
	up := g.Throughput(Transfer("a", perigee.LoadUp), epoch)
	appendAll(t, store, perigee.Batch{Throughputs: []perigee.Throughput{first}})
	appendAll(t, store, perigee.Batch{Throughputs: []perigee.Throughput{first}})
	appendAll(t, store, perigee.Batch{Throughputs: []perigee.Throughput{other, fresh, fresh, up}})
	want := []perigee.Throughput{first, up, fresh}
	if s.properties.LastWins {
		want[0] = other
	}
	expectThroughputs(t, store, perigee.Query{}, want)
}

func (s *suite) throughputOrder(t *testing.T) {
	store := s.open(t)
	g := NewGenerator(22)
	// Streams are first met in another order than theirs, and there are more
	// results than a store reads at once.
	var list []perigee.Throughput
	for i := range 150 {
		for _, stream := range []perigee.Stream{Transfer("c", perigee.LoadUp), Transfer("a", perigee.LoadUp), Transfer("b", perigee.LoadDown), Transfer("b", perigee.LoadUp)} {
			one := g.Throughput(stream, epoch.Add(time.Duration(i)*time.Minute))
			one.TCP, one.TCPReceiver = nil, nil
			list = append(list, one)
		}
	}
	shuffled := slices.Clone(list)
	g.rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for chunk := range slices.Chunk(shuffled, 97) {
		appendAll(t, store, perigee.Batch{Throughputs: chunk})
	}
	slices.SortFunc(list, inThroughputOrder)
	expectThroughputs(t, store, perigee.Query{}, list)

	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	for name, q := range map[string]perigee.Query{
		"direction":        {Load: perigee.LoadDown},
		"link":             {Links: []perigee.LinkID{"b", "c"}},
		"link_and_more":    {Links: []perigee.LinkID{"b"}, Load: perigee.LoadUp, Method: perigee.MethodTransfer, Targets: []perigee.TargetID{"far"}, Site: "home"},
		"other_method":     {Method: perigee.MethodOokla},
		"other_site":       {Site: "hut"},
		"from_is_included": {From: at(149)},
		"to_is_not":        {To: at(1)},
		"nanoseconds":      {From: at(3).Add(1), To: at(4).Add(1)},
		"empty":            {From: at(3), To: at(3)},
		"backwards":        {From: at(4), To: at(3)},
		"beyond":           {From: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.DeleteFunc(slices.Clone(list), func(one perigee.Throughput) bool { return !q.Matches(one.Stream) || !startsWithin(q, one.Start) })
			expectThroughputs(t, store, q, want)
		})
	}

	// A reader may stop at any time, and go on while something is written.
	for i := range 20 {
		read := 0
		for _, err := range store.Throughputs(t.Context(), perigee.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if read == i {
				break
			}
			read++
		}
	}
	read := 0
	for _, err := range store.Throughputs(t.Context(), perigee.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 1 {
			appendAll(t, store, perigee.Batch{Throughputs: []perigee.Throughput{g.Throughput(Transfer("a", perigee.LoadUp), epoch.Add(-time.Hour))}})
		}
	}
	if read != len(list) {
		t.Errorf("read %d throughputs, want the %d from the first on", read, len(list))
	}
}

func (s *suite) throughputRefused(t *testing.T) {
	store := s.open(t)
	good := NewGenerator(23).Throughput(Transfer("a", perigee.LoadDown), epoch)
	later := NewGenerator(24).Throughput(Transfer("a", perigee.LoadDown), epoch.Add(time.Minute))
	for name, spoil := range map[string]func(*perigee.Throughput){
		"no_time":                  func(t *perigee.Throughput) { t.Start = time.Time{} },
		"a_time_too_late":          func(t *perigee.Throughput) { t.Start = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no_direction":             func(t *perigee.Throughput) { t.Stream.Load = perigee.LoadIdle },
		"a_series_of_other_bytes":  func(t *perigee.Throughput) { t.Bytes++ },
		"a_rate_that_is_no_number": func(t *perigee.Throughput) { t.Rate = math.NaN() },
		"an_endless_round_trip":    func(t *perigee.Throughput) { t.Loaded.P99 = math.Inf(1) },
	} {
		bad := later
		spoil(&bad)
		wantCode(t, name, store.Append(t.Context(), perigee.Batch{Throughputs: []perigee.Throughput{good, bad}}), perigee.CodeInvalid)
	}
	expectThroughputs(t, store, perigee.Query{}, nil)

	appendAll(t, store, perigee.Batch{Throughputs: []perigee.Throughput{good, later}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, failed := 0, error(nil)
	for _, err := range store.Throughputs(ctx, perigee.Query{}) {
		if err != nil {
			failed = err
			continue
		}
		read++
		cancel()
	}
	if read != 1 || !errors.Is(failed, context.Canceled) {
		t.Errorf("cancelled after one: read %d, error %v; want 1 and context.Canceled", read, failed)
	}
	wantCode(t, "Throughputs", failed, perigee.CodeUnavailable)
}
