package sqlite

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/storage/storagetest"
)

// The layout, byte by byte. A change of it needs a new version, and this case stays.
func TestPackedLayoutOfVersion1(t *testing.T) {
	singletons := []perigee.Singleton{
		{Seq: 300, At: 5 * time.Microsecond, Outcome: perigee.Received, RTT: 40 * time.Microsecond},
		{Seq: 301, At: 104 * time.Microsecond, Outcome: perigee.Received, RTT: 39*time.Microsecond + 499},
		{Seq: 302, At: 205 * time.Microsecond, Outcome: perigee.Lost},
		{Seq: 305, At: 305 * time.Microsecond, Outcome: perigee.Late, RTT: 50 * time.Microsecond, Reordered: true, Duplicates: 2},
		{Seq: 306, At: 405 * time.Microsecond, Outcome: perigee.SendFailed, Cause: "down"},
	}
	want := []byte{
		1, 5, // version, count
		1, 4, 'd', 'o', 'w', 'n', // one text
		0xac, 0x02, // first: 300 = 0b10_0101100
		0xc8, 0x01, // spacing: (405-5)/4 = 100, zigzag 200 = 0b1_1001000
		1, 2, // received, 2 of them
		3, 1, // lost, 1
		2 | 8 | 32 | 64, 2, 4, 1, // late, reordered, with 2 duplicates and after 2 left out (zigzag 4), 1 of them
		4 | 16, 0, 1, // send failed, text 0, 1
		10, 1, 2, 0, 0, // ats: 5; 99 is -1 off; 101 is 1 off; 100; 100
		80, 1, 22, // rtts: 40; -1; +11
	}
	got, err := pack(singletons)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("pack = %v, %v, want\n%v", got, err, want)
	}
	back, err := unpack(want)
	singletons[1].RTT = 39 * time.Microsecond
	if err != nil || !slices.Equal(back, singletons) {
		t.Errorf("unpack = %+v, %v, want %+v", back, err, singletons)
	}
}

// Times are rounded to microseconds once: what was unpacked packs to the same bytes.
func TestPackingIsIdempotent(t *testing.T) {
	g := storagetest.NewGenerator(1)
	start := time.Unix(1_700_000_000, 0)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		g.Jitter = time.Duration(random.Int64N(int64(time.Second)) + 1)
		singletons := g.Sample(storagetest.Stream("a", "x"), start).Singletons
		if i%3 == 0 {
			random.Shuffle(len(singletons), func(i, j int) { singletons[i], singletons[j] = singletons[j], singletons[i] })
		}
		first, err := pack(singletons)
		if err != nil {
			t.Fatal(err)
		}
		back, err := unpack(first)
		if err != nil {
			t.Fatal(err)
		}
		for j := range back {
			want := singletons[j]
			want.At, want.RTT = want.At.Round(time.Microsecond), want.RTT.Round(time.Microsecond)
			if back[j] != want {
				t.Fatalf("singleton %d: got %+v, want %+v", j, back[j], want)
			}
		}
		second, err := pack(back)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("packed again: %v, %v, want %v", second, err, first)
		}
	}
}

func TestPackKeepsExtremes(t *testing.T) {
	const far = math.MaxInt64 / 1000 * time.Microsecond
	want := []perigee.Singleton{
		{Seq: math.MaxUint64, At: -far, Outcome: perigee.Received, RTT: far},
		{Seq: 0, At: far, Outcome: perigee.Late, RTT: -far, Duplicates: math.MaxInt32},
		{Seq: 1 << 63, Outcome: perigee.Skipped, Cause: strings.Repeat("x", 1000)},
		{Seq: 7, Outcome: perigee.Received, Cause: "\x00"},
	}
	packed, err := pack(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpack(packed)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("unpack(pack) = %+v, %v, want %+v", got, err, want)
	}
}

func TestPackRefusesWhatItCannotGiveBack(t *testing.T) {
	for name, s := range map[string]perigee.Singleton{
		"no_outcome":          {},
		"unknown_outcome":     {Outcome: perigee.Skipped + 1},
		"negative_duplicates": {Outcome: perigee.Received, Duplicates: -1},
	} {
		if b, err := pack([]perigee.Singleton{s}); err == nil {
			t.Errorf("%s: pack = %v, want an error", name, b)
		}
	}
}

func TestUnpackRefusesForeignBytes(t *testing.T) {
	good, err := pack(storagetest.NewGenerator(3).Sample(storagetest.Stream("a", "x"), time.Unix(0, 0)).Singletons)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if s, err := unpack(good[:n]); err == nil {
			t.Errorf("cut at %d of %d bytes: got %d singletons, want an error", n, len(good), len(s))
		}
	}
	for name, b := range map[string][]byte{
		"trailing_bytes":    append(slices.Clone(good), 0),
		"another_version":   append([]byte{2}, good[1:]...),
		"no_singletons":     {1, 0, 0, 0, 0},
		"absurd_count":      {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0},
		"endless_number":    bytes.Repeat([]byte{0xff}, 20),
		"unknown_outcome":   {1, 1, 0, 0, 0, 7, 1, 0, 0},
		"unknown_flag":      {1, 1, 0, 0, 0, 0x81, 1, 0, 0},
		"text_out_of_range": {1, 1, 0, 0, 0, 0x11, 0, 1, 0, 0},
		"empty_run":         {1, 1, 0, 0, 0, 1, 0, 0, 0},
		"run_too_long":      {1, 1, 0, 0, 0, 1, 2, 0, 0},
	} {
		if s, err := unpack(b); err == nil {
			t.Errorf("%s: got %+v, want an error", name, s)
		}
	}
}

// docs/store.md states these figures. A packed window of 5 probes/s around 40 ms has
// to stay within 4 bytes a singleton.
func TestPackedSize(t *testing.T) {
	g := storagetest.NewGenerator(4)
	total, count := 0, 0
	for range 360 {
		s := g.Sample(storagetest.Stream("a", "x"), time.Unix(0, 0)).Singletons
		b, err := pack(s)
		if err != nil {
			t.Fatal(err)
		}
		total, count = total+len(b), count+len(s)
	}
	each := float64(total) / float64(count)
	t.Logf("%.2f bytes a singleton", each)
	if each > 4 {
		t.Errorf("%.2f bytes a singleton, want at most 4", each)
	}
}

func FuzzUnpack(f *testing.F) {
	g := storagetest.NewGenerator(5)
	for range 20 {
		b, err := pack(g.Sample(storagetest.Stream("a", "x"), time.Unix(0, 0)).Singletons)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{1, 1, 0, 0, 0, 1, 1, 0, 0})
	f.Add([]byte{1, 2, 1, 1, 'x', 0, 0, 0x51, 0, 5, 2, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		singletons, err := unpack(b)
		if err != nil {
			return
		}
		again, err := pack(singletons)
		if err != nil {
			t.Fatalf("unpacked %+v cannot be packed: %v", singletons, err)
		}
		back, err := unpack(again)
		if err != nil || !slices.Equal(back, singletons) {
			t.Fatalf("packed again: %+v, %v, want %+v", back, err, singletons)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	s := storagetest.NewGenerator(6).Sample(storagetest.Stream("a", "x"), time.Unix(0, 0)).Singletons
	for b.Loop() {
		if _, err := pack(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	packed, err := pack(storagetest.NewGenerator(6).Sample(storagetest.Stream("a", "x"), time.Unix(0, 0)).Singletons)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := unpack(packed); err != nil {
			b.Fatal(err)
		}
	}
}
