package stats

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// exactQuantile is type 7 of Hyndman & Fan by its definition.
func exactQuantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	h := q * float64(len(sorted)-1)
	low := math.Floor(h)
	if int(low)+1 == len(sorted) {
		return sorted[int(low)]
	}
	return sorted[int(low)] + (h-low)*(sorted[int(low)+1]-sorted[int(low)])
}

// delays are distributions that links have: narrow, wide, skewed, with two levels, and
// with values of zero.
var delays = map[string]func(r *rand.Rand) float64{
	"narrow":      func(r *rand.Rand) float64 { return 0.014 + 1e-5*r.Float64() },
	"wide":        func(r *rand.Rand) float64 { return math.Exp(10*r.Float64() - 8) },
	"exponential": func(r *rand.Rand) float64 { return 0.6 + 0.02*r.ExpFloat64() },
	"two_levels":  func(r *rand.Rand) float64 { return 0.03 + 0.1*math.Round(r.Float64()) },
	"with_zeros":  func(r *rand.Rand) float64 { return max(0, r.NormFloat64()*1e-3) },
	"equal":       func(*rand.Rand) float64 { return 0.1 },
}

var probabilities = []float64{0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1}

// Every quantile is within 0.5 % of the exact one, for any number of values.
func TestSketchQuantileWithinRelativeError(t *testing.T) {
	for name, draw := range delays {
		t.Run(name, func(t *testing.T) {
			r := seeded(1)
			for _, n := range []int{1, 2, 3, 10, 50, 1000, 20000} {
				var s Sketch
				var values []float64
				for range n {
					v := draw(r)
					values = append(values, v)
					s.Add(v)
				}
				if s.Count() != int64(n) {
					t.Fatalf("Count() = %d, want %d", s.Count(), n)
				}
				for _, q := range probabilities {
					got, ok := s.Quantile(q)
					want := exactQuantile(values, q)
					if !ok || math.Abs(got-want) > RelativeError*want*(1+1e-9) {
						t.Errorf("n %d: Quantile(%g) = %g, %v, want %g within 0.5 %%", n, q, got, ok, want)
					}
				}
			}
		})
	}
}

func TestSketchQuantileUndefined(t *testing.T) {
	var s Sketch
	if v, ok := s.Quantile(0.5); ok {
		t.Errorf("Quantile(0.5) of nothing = %g, true", v)
	}
	s.Add(1)
	for _, q := range []float64{-0.1, 1.1, math.NaN()} {
		if v, ok := s.Quantile(q); ok {
			t.Errorf("Quantile(%g) = %g, true", q, v)
		}
	}
}

func TestSketchRefusesWhatIsNoDelay(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Add(%g) did not panic", v)
				}
			}()
			new(Sketch).Add(v)
		}()
	}
}

// Merging in any order and grouping gives the bins that adding all to one gives.
func TestSketchMergeIsLossless(t *testing.T) {
	r := seeded(2)
	for name, draw := range delays {
		var whole, left, right Sketch
		parts := make([]Sketch, 7)
		for range 3000 {
			v := draw(r)
			whole.Add(v)
			parts[r.IntN(len(parts))].Add(v)
		}
		for i := range parts {
			left.Merge(parts[i])               // ((a+b)+c)+...
			p := parts[len(parts)-1-i].Clone() // ...+(c+(b+a)), each from a copy
			p.Merge(right)
			right = p
		}
		if !slices.Equal(binsOf(left), binsOf(whole)) || !slices.Equal(binsOf(right), binsOf(whole)) {
			t.Errorf("%s: merged bins differ from those of all values", name)
		}
	}
}

func binsOf(s Sketch) [][2]float64 {
	var bins [][2]float64
	s.ForEach(func(value float64, count int64) bool {
		bins = append(bins, [2]float64{value, float64(count)})
		return true
	})
	return bins
}

func TestSketchForEachAscendsAndStops(t *testing.T) {
	var s Sketch
	r := seeded(3)
	for range 500 {
		s.Add(delays["wide"](r))
		s.Add(0)
	}
	last, total := -1.0, int64(0)
	s.ForEach(func(value float64, count int64) bool {
		if value <= last {
			t.Fatalf("bin %g after %g", value, last)
		}
		last, total = value, total+count
		return true
	})
	if total != 1000 {
		t.Errorf("bins hold %d values, want 1000", total)
	}
	calls := 0
	s.ForEach(func(float64, int64) bool { calls++; return calls < 2 })
	if calls != 2 {
		t.Errorf("%d calls after false from the second, want 2", calls)
	}
}

func TestSketchCloneSharesNothing(t *testing.T) {
	var s Sketch
	s.Add(1)
	c := s.Clone()
	c.Add(2)
	s.Merge(c)
	if s.Count() != 3 || c.Count() != 2 {
		t.Errorf("counts %d and %d, want 3 and 2", s.Count(), c.Count())
	}
	empty := Sketch{}.Clone()
	empty.Merge(Sketch{})
	if empty.Count() != 0 {
		t.Errorf("empty count %d", empty.Count())
	}
}

func TestDecodeSketchIsInverse(t *testing.T) {
	for name, draw := range delays {
		r := seeded(4)
		for _, n := range []int{0, 1, 50, 5000} {
			var s Sketch
			for range n {
				s.Add(draw(r))
			}
			b := s.Encode()
			got, err := DecodeSketch(b)
			if err != nil {
				t.Fatalf("%s, %d values: %v", name, n, err)
			}
			if !slices.Equal(binsOf(got), binsOf(s)) {
				t.Errorf("%s, %d values: bins differ after decoding", name, n)
			}
			if got.Count() != int64(n) {
				t.Errorf("%s: count %d, want %d", name, got.Count(), n)
			}
		}
	}
}

// The library's own decoder accepts most of these: it drops the errors of its stores.
func TestDecodeSketchRefusesTruncation(t *testing.T) {
	var s Sketch
	r := seeded(5)
	for range 300 {
		s.Add(delays["exponential"](r))
	}
	whole := s.Encode()
	for n := 1; n < len(whole); n++ {
		got, err := DecodeSketch(whole[:n])
		// A cut between two parts leaves a sketch that is whole but smaller;
		// its count tells, as it is kept beside it.
		if err == nil && got.Count() == s.Count() {
			t.Errorf("the first %d of %d bytes decode as the whole sketch", n, len(whole))
		}
		if err == nil && !endsPart(whole, n) {
			t.Errorf("the first %d of %d bytes decode without error", n, len(whole))
		}
	}
}

// endsPart reports whether the first n bytes of encoded are whole parts: then the rest
// after a mapping decodes as well.
func endsPart(encoded []byte, n int) bool {
	const mappingLength = 17 // flag, gamma, offset
	rest := append(slices.Clone(encoded[mappingOffset(encoded):mappingOffset(encoded)+mappingLength]), encoded[n:]...)
	_, err := DecodeSketch(rest)
	return err == nil
}

func mappingOffset(encoded []byte) int { return bytes.IndexByte(encoded, 0b10) }

func TestDecodeSketchRefusesForeignBytes(t *testing.T) {
	coarse, err := mapping.NewLogarithmicMapping(0.02)
	if err != nil {
		t.Fatal(err)
	}
	foreign := func(m mapping.IndexMapping, add func(*ddsketch.DDSketch)) []byte {
		dd := ddsketch.NewDDSketch(m, store.NewBufferedPaginatedStore(), store.NewBufferedPaginatedStore())
		add(dd)
		var b []byte
		dd.Encode(&b, false)
		return b
	}
	prefix := (func() []byte { var b []byte; indexMapping.Encode(&b); return b })()
	for name, b := range map[string][]byte{
		"text":            []byte("not a sketch"),
		"other_mapping":   foreign(coarse, func(dd *ddsketch.DDSketch) { _ = dd.Add(1) }),
		"negative_values": foreign(indexMapping, func(dd *ddsketch.DDSketch) { _ = dd.Add(-1) }),
		"part_of_a_count": foreign(indexMapping, func(dd *ddsketch.DDSketch) { _ = dd.AddWithCount(1, 0.5) }),
		"no_mapping":      {5<<2 | 1},
		"unknown_part":    append(slices.Clone(prefix), 0xfc),
		"bins_unbounded":  append(slices.Clone(prefix), 2<<2|1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"index_too_far":   append(slices.Clone(prefix), 2<<2|1, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"empty_part":      append(slices.Clone(prefix), 2<<2|1),
	} {
		if s, err := DecodeSketch(b); err == nil {
			t.Errorf("%s: decoded as a sketch of %d values", name, s.Count())
		}
	}
}

func FuzzDecodeSketch(f *testing.F) {
	r := seeded(6)
	for _, name := range []string{"narrow", "wide", "with_zeros"} {
		var s Sketch
		for range 100 {
			s.Add(delays[name](r))
		}
		f.Add(s.Encode())
	}
	f.Add([]byte{})
	f.Add([]byte("not a sketch"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSketch(b)
		if err != nil {
			return
		}
		// Whatever decodes is a sketch that works and survives a round trip.
		n := s.Count()
		if v, ok := s.Quantile(0.5); ok != (n > 0) || math.IsNaN(v) {
			t.Fatalf("Quantile(0.5) = %g, %v of %d values", v, ok, n)
		}
		again, err := DecodeSketch(s.Encode())
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !slices.Equal(binsOf(again), binsOf(s)) {
			t.Fatal("bins change in a round trip")
		}
	})
}
