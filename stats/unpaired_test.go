package stats

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Two periods of one link that differ in length and in nothing else are told apart in one
// case of twenty, and the interval of a difference between them holds it in nineteen.
//
// The rates of 500 trials, of the median and of the 95th percentile, are logged with
// PERIGEE_LONG=1; without, fewer keep a grosser watch.
func TestUnpairedIntervalsHold(t *testing.T) {
	trials, long := 150, os.Getenv("PERIGEE_LONG") != ""
	lengths := [][2]int{{360, 720}}
	if long {
		trials, lengths = 500, [][2]int{{360, 360}, {360, 720}, {180, 1200}, {1080, 7200}}
	}
	for _, n := range lengths {
		var alarms, covered, found [2]int
		for trial := range trials {
			r := rand.New(rand.NewPCG(uint64(trial), 5))
			now, then, slower := stretch(r, 0.040, n[0]), stretch(r, 0.040, n[1]), stretch(r, 0.043, n[0])
			measured := time.Duration(min(n[0], n[1])) * 10 * time.Second
			alike := UnpairedQuantileDifferences(now, then, measured, []float64{0.5, 0.95}, FromZero, 0.95)
			apart := UnpairedQuantileDifferences(slower, then, measured, []float64{0.5, 0.95}, FromZero, 0.95)
			for i := range alike {
				if alike[i].excludesZero() {
					alarms[i]++
				}
				if apart[i].Low > 0 {
					found[i]++
				}
				if apart[i].Bounded && apart[i].Low <= 0.003 && apart[i].High >= 0.003 {
					covered[i]++
				}
			}
		}
		share := func(n [2]int) [2]float64 {
			return [2]float64{100 * float64(n[0]) / float64(trials), 100 * float64(n[1]) / float64(trials)}
		}
		t.Logf("%d and %d windows: %.1f %% false alarms, %.1f %% of differences of 3 ms found, %.1f %% of intervals hold them", n[0], n[1], share(alarms), share(found), share(covered))
		least, most := 88.0, 12.0
		if long {
			least, most = 92, 8
		}
		for i := range alarms {
			if share(alarms)[i] > most || share(covered)[i] < least {
				t.Errorf("%d and %d windows: %.1f %% false alarms, %.1f %% of intervals hold the difference", n[0], n[1], share(alarms)[i], share(covered)[i])
			}
		}
		if share(found)[0] < 90 {
			t.Errorf("%d and %d windows: %.1f %% of differences of 3 ms were found", n[0], n[1], share(found)[0])
		}
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
