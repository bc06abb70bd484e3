package stats

import (
	"fmt"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// RelativeError is the relative accuracy of every order statistic that a Sketch
// returns: 0.5 %.
const RelativeError = 0.005

// indexMapping is shared by all sketches: it is immutable, and equal mappings
// are what makes two sketches mergeable.
var indexMapping = func() mapping.IndexMapping {
	m, err := mapping.NewLogarithmicMapping(RelativeError)
	if err != nil {
		panic(err) // only for an accuracy outside (0, 1)
	}
	return m
}()

// Sketch is a mergeable quantile sketch of non-negative values (DDSketch, Masson
// et al., VLDB 2019): each order statistic it returns is within RelativeError of
// the true one, and merging loses nothing. The zero value is an empty sketch.
//
// A Sketch is a reference: a copy made by assignment shares its values with the
// original until Clone parts them. It is not safe for concurrent use, not even for
// reading, because the library sorts its buffer when it is read.
type Sketch struct {
	dd *ddsketch.DDSketch
}

func newDDSketch() *ddsketch.DDSketch {
	return ddsketch.NewDDSketch(indexMapping, store.NewBufferedPaginatedStore(), store.NewBufferedPaginatedStore())
}

// Add counts v, which must be a finite value >= 0: a smaller one counts as 0. It
// panics on NaN and infinity, which no clock reads.
func (s *Sketch) Add(v float64) {
	if s.dd == nil {
		s.dd = newDDSketch()
	}
	if err := s.dd.Add(max(v, 0)); err != nil {
		panic(fmt.Sprintf("stats: add %g to sketch: %v", v, err))
	}
}

// Merge adds all that o has counted to s. o is unchanged.
func (s *Sketch) Merge(o Sketch) {
	if o.dd == nil {
		return
	}
	if s.dd == nil {
		s.dd = newDDSketch()
	}
	// MergeWith fails only for unequal mappings, which Decode refuses.
	if err := s.dd.MergeWith(o.dd); err != nil {
		panic(err)
	}
}

// Clone returns a copy that shares nothing with s.
func (s Sketch) Clone() Sketch {
	if s.dd == nil {
		return Sketch{}
	}
	return Sketch{dd: s.dd.Copy()}
}

// Count returns how many values were added.
func (s Sketch) Count() int64 {
	if s.dd == nil {
		return 0
	}
	return int64(s.dd.GetCount() + 0.5)
}

// Quantile returns the q-quantile, 0 <= q <= 1, by linear interpolation between
// the two order statistics around rank q(n-1) (Hyndman & Fan type 7). It reports
// false if the sketch is empty or q is outside [0, 1].
func (s Sketch) Quantile(q float64) (float64, bool) {
	n := s.Count()
	if n == 0 || !(q >= 0 && q <= 1) {
		return 0, false
	}
	rank := q * float64(n-1)
	lower := int64(rank)
	low := s.orderStatistic(lower, n)
	fraction := rank - float64(lower)
	if fraction == 0 || lower+1 >= n {
		return low, true
	}
	return low + fraction*(s.orderStatistic(lower+1, n)-low), true
}

// orderStatistic returns the k-th smallest of n values, k counted from 0.
func (s Sketch) orderStatistic(k, n int64) float64 {
	if n == 1 {
		k = 0
	}
	// The library answers the first bin whose cumulative count exceeds
	// q(n-1); aiming at k+1/2 keeps rounding away from the bin's edges.
	q := min((float64(k)+0.5)/float64(max(n-1, 1)), 1)
	v, err := s.dd.GetValueAtQuantile(q)
	if err != nil {
		panic(err) // only for an empty sketch or a quantile outside [0, 1]
	}
	return v
}

// ForEach calls f for each non-empty bin in ascending order of value with the
// bin's representative value (within RelativeError of all it holds) and its count.
// It stops when f returns false.
func (s Sketch) ForEach(f func(value float64, count int64) bool) {
	if s.dd == nil {
		return
	}
	// The library promises no order over all its stores; the one that holds
	// the positive values is visited in ascending order, after zero, and there
	// are no negatives.
	s.dd.ForEach(func(value, count float64) bool { return !f(value, int64(count+0.5)) })
}

// forEachBin calls f for each non-empty bin in ascending order with its index, that of
// zero first.
func (s Sketch) forEachBin(f func(index int, count int64)) {
	if s.dd == nil {
		return
	}
	if zeros := int64(s.dd.GetZeroCount() + 0.5); zeros > 0 {
		f(zeroBin, zeros)
	}
	s.dd.GetPositiveValueStore().ForEach(func(index int, count float64) bool {
		f(index, int64(count+0.5))
		return false
	})
}

// Encode returns the sketch in the library's wire format with its index mapping
// included, so that a stored sketch explains itself. An empty sketch is nil.
func (s Sketch) Encode() []byte {
	if s.Count() == 0 {
		return nil
	}
	var b []byte
	s.dd.Encode(&b, false)
	return b
}
