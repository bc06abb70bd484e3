package stats

import "math"

// Distribution describes a set of non-negative values: exact count, minimum,
// maximum, mean and standard deviation, and a Sketch for quantiles. It is
// mergeable, so hours and days cost no more to describe than a window. The zero
// value is empty.
type Distribution struct {
	Count int64
	Min   float64 // smallest value; meaningless while Count is 0
	Max   float64 // largest value; meaningless while Count is 0
	Mean  float64
	M2    float64 // sum of squared deviations from Mean (Welford 1962, Chan et al. 1979)

	Sketch Sketch
}

// Add counts v.
func (d *Distribution) Add(v float64) {
	d.Count++
	if d.Count == 1 || v < d.Min {
		d.Min = v
	}
	if d.Count == 1 || v > d.Max {
		d.Max = v
	}
	delta := v - d.Mean
	d.Mean += delta / float64(d.Count)
	d.M2 += delta * (v - d.Mean)
	d.Sketch.Add(v)
}

// Merge adds all that o has counted. o is unchanged.
func (d *Distribution) Merge(o Distribution) {
	if o.Count == 0 {
		return
	}
	if d.Count == 0 {
		*d = o
		d.Sketch = o.Sketch.Clone()
		return
	}
	na, nb := float64(d.Count), float64(o.Count)
	delta := o.Mean - d.Mean
	d.Mean += delta * nb / (na + nb)
	d.M2 += o.M2 + delta*delta*na*nb/(na+nb)
	d.Count += o.Count
	d.Min = min(d.Min, o.Min)
	d.Max = max(d.Max, o.Max)
	d.Sketch.Merge(o.Sketch)
}

// Quantile returns the q-quantile as Sketch.Quantile does, held within the exact
// minimum and maximum. It reports false for an empty distribution.
func (d Distribution) Quantile(q float64) (float64, bool) {
	v, ok := d.Sketch.Quantile(q)
	if !ok {
		return 0, false
	}
	return min(max(v, d.Min), d.Max), true
}

// Stddev returns the sample standard deviation (n-1). It reports false below two
// values.
func (d Distribution) Stddev() (float64, bool) {
	if d.Count < 2 {
		return 0, false
	}
	return math.Sqrt(max(d.M2, 0) / float64(d.Count-1)), true
}
