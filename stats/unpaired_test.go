package stats

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Two periods of one link that differ in length and in nothing else are rarely told
// apart, and a difference between them is found.
func TestUnpairedIntervalsHold(t *testing.T) {
	const trials = 150
	var alarms, covered, found int
	for trial := range uint64(trials) {
		r := rand.New(rand.NewPCG(trial, 5))
		now, then, slower := stretch(r, 0.040, 360), stretch(r, 0.040, 720), stretch(r, 0.043, 360)
		in := UnpairedQuantileDifferences(now, then, time.Hour, []float64{0.5}, FromZero, 0.95)[0]
		if in.excludesZero() {
			alarms++
		} else {
			covered++
		}
		if in := UnpairedQuantileDifferences(slower, then, time.Hour, []float64{0.5}, FromZero, 0.95)[0]; in.Low > 0 && in.Low <= 0.003 && in.High >= 0.003 {
			found++
		}
	}
	t.Logf("of %d: %d false alarms, %d differences of 3 ms found and within", trials, alarms, found)
	if alarms > trials*12/100 || covered+alarms != trials || found < trials*85/100 {
		t.Errorf("of %d: %d false alarms, %d differences found", trials, alarms, found)
	}
}

// stretch makes windows of 10 s of a link whose level is drawn anew every 15 s.
func stretch(r *rand.Rand, base float64, windows int) []Histogram {
	var list []Histogram
	level := 0.0
	for i := range windows {
		var d Distribution
		for k := range 50 {
			if (i*50+k)%75 == 0 {
				level = 0.005 * r.NormFloat64()
			}
			d.Add(base + level + 0.002*r.ExpFloat64())
		}
		list = append(list, d.Histogram())
	}
	return list
}

// Periods of rates that differ are told apart, whatever their lengths; of shares too.
func TestUnpairedRatios(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	rates := func(n int, mean float64) []Ratio {
		var list []Ratio
		for range n {
			list = append(list, Ratio{Part: mean * (1 + 0.2*r.NormFloat64()), Whole: 1})
		}
		return list
	}
	if in := UnpairedMeanDifference(rates(48, 100), rates(168, 120), 0.95); !in.excludesZero() || in.Low > -20 || in.High < -20 {
		t.Errorf("100 against 120: %+v", in)
	}
	if in := UnpairedMeanDifference(rates(48, 100), rates(168, 100), 0.95); in.excludesZero() {
		t.Errorf("100 against 100: %+v", in)
	}
	if in := UnpairedMeanDifference(rates(4, 100), rates(168, 100), 0.95); in.Bounded || in.Needs != leastMeans/4.0 {
		t.Errorf("four against many: %+v", in)
	}
	lost := func(n int, share float64) []Ratio {
		var list []Ratio
		for range n {
			w := Ratio{Whole: 50}
			for range 50 {
				if r.Float64() < share {
					w.Part++
				}
			}
			list = append(list, w)
		}
		return list
	}
	if in := UnpairedShareDifference(lost(360, 0.02), lost(720, 0.01), 0.95); !in.excludesZero() || in.Low > 0.01 || in.High < 0.01 {
		t.Errorf("2 %% against 1 %%: %+v", in)
	}
	if in := UnpairedShareDifference(lost(360, 0.01), nil, 0.95); in.Defined {
		t.Errorf("against nothing: %+v", in)
	}
}
