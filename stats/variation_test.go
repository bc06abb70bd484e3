package stats

import (
	"math"
	"testing"
)

// By hand, in units of 16: delays 32 48 16 gives |D| 16 and 32, so
// J = 0 + (16-0)/16 = 1, then 1 + (32-1)/16 = 2.9375.
func TestJitterByHand(t *testing.T) {
	var v Variation
	for _, delay := range []float64{32, 48, 16} {
		v.Arrived(delay)
	}
	s := v.Cut()
	if !s.JitterDefined || s.Jitter != 2.9375 {
		t.Errorf("Jitter = %g, %v, want 2.9375", s.Jitter, s.JitterDefined)
	}
	if mean, ok := s.MeanJitter(); !ok || mean != (1+2.9375)/2 {
		t.Errorf("MeanJitter() = %g, %v, want 1.96875", mean, ok)
	}
	if s.IPDV.Count != 2 || s.IPDV.Mean != 24 {
		t.Errorf("IPDV of %d pairs, mean %g, want 2 pairs, mean 24", s.IPDV.Count, s.IPDV.Mean)
	}
}

// The C code of RFC 3550 A.8 keeps 16 times the jitter in an integer:
// s->jitter += d - ((s->jitter + 8) >> 4). It is an independent computation; rounding
// to whole units leaves it within one unit of ours.
func TestJitterAgreesWithRFC3550IntegerCode(t *testing.T) {
	r := seeded(1)
	var v Variation
	var scaled, last int64
	for i := range 10000 {
		delay := int64(40000 + r.ExpFloat64()*9000)
		if i > 0 {
			d := delay - last
			if d < 0 {
				d = -d
			}
			scaled += d - ((scaled + 8) >> 4)
		}
		last = delay
		v.Arrived(float64(delay))
	}
	s := v.Cut()
	if want := float64(scaled) / 16; math.Abs(s.Jitter-want) > 1 {
		t.Errorf("Jitter = %g, want %g of the RFC's code within 1", s.Jitter, want)
	}
}

// A missing packet forms no pair with its neighbours, and the estimator is carried
// over: 0 16 (lost) 100 100 gives one pair of 16, J = 1, then one of 0, J = 15/16.
func TestVariationSkipsPairsWithLoss(t *testing.T) {
	var v Variation
	v.Arrived(0)
	v.Arrived(16)
	v.Missed()
	v.Arrived(100)
	v.Arrived(100)
	s := v.Cut()
	if s.IPDV.Count != 2 || s.IPDV.Max != 16 || s.Jitter != 15.0/16 {
		t.Errorf("got %d pairs, largest %g, jitter %g, want 2, 16, 0.9375", s.IPDV.Count, s.IPDV.Max, s.Jitter)
	}
}

// Cutting a stream into windows anywhere changes nothing: pairs across the cut count,
// and merged windows equal the whole.
func TestVariationCutAnywhere(t *testing.T) {
	r := seeded(2)
	var whole, cut Variation
	var merged VariationSummary
	for range 5000 {
		if r.IntN(20) == 0 {
			whole.Missed()
			cut.Missed()
		} else {
			delay := 0.04 + 0.01*r.ExpFloat64()
			whole.Arrived(delay)
			cut.Arrived(delay)
		}
		if r.IntN(50) == 0 {
			merged.Merge(cut.Cut())
		}
	}
	merged.Merge(cut.Cut())
	want := whole.Cut()
	if merged.IPDV.Count != want.IPDV.Count || math.Abs(merged.IPDV.Mean-want.IPDV.Mean) > 1e-12 ||
		merged.Jitter != want.Jitter || math.Abs(merged.JitterSum-want.JitterSum) > 1e-9 {
		t.Errorf("merged %d pairs, mean %g, jitter %g; whole %d, %g, %g",
			merged.IPDV.Count, merged.IPDV.Mean, merged.Jitter, want.IPDV.Count, want.IPDV.Mean, want.Jitter)
	}
}

func TestVariationUndefinedBeforeFirstPair(t *testing.T) {
	var v Variation
	v.Arrived(1)
	v.Missed()
	v.Arrived(1)
	s := v.Cut()
	if _, ok := s.MeanJitter(); ok || s.JitterDefined {
		t.Errorf("jitter defined without a pair: %+v", s)
	}
	// A later window without pairs keeps the estimate but has no mean of its own.
	v.Arrived(2)
	v.Cut()
	v.Missed()
	s = v.Cut()
	if _, ok := s.MeanJitter(); ok || !s.JitterDefined || s.Jitter != 1.0/16 {
		t.Errorf("got %+v, want jitter 1/16 carried and no mean", s)
	}
}
