package stats

import "math"

// betaCDF returns the regularized incomplete beta function I_x(a, b), the probability
// that a value of the beta distribution is at most x, for a and b above 0: the
// continued fraction DLMF 8.17.22 by Lentz's method, where it converges fast, and
// I_x(a, b) = 1 - I_{1-x}(b, a) elsewhere. Where both a and b are above manyValues, it
// converges slowly and is approximated, within 3e-5.
func betaCDF(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaCDF(1-x, b, a)
	}
	if min(a, b) > manyValues {
		return betaOfMany(x, a, b)
	}
	const tiny, precision, most = 1e-300, 1e-14, 10000
	c, d, fraction := 1.0, 0.0, 1.0
	for i := range most {
		m := float64(i / 2)
		numerator := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		if i == 0 {
			numerator = 1
		} else if i%2 == 1 {
			numerator = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + numerator*d; math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		if c = 1 + numerator/c; math.Abs(c) < tiny {
			c = tiny
		}
		fraction *= c * d
		if i > 0 && math.Abs(c*d-1) < precision {
			break
		}
	}
	ga, _ := math.Lgamma(a)
	gb, _ := math.Lgamma(b)
	gab, _ := math.Lgamma(a + b)
	return math.Exp(a*math.Log(x)+b*math.Log1p(-x)+gab-ga-gb) / a * (fraction - 1)
}

const manyValues = 200

// betaOfMany approximates I_x(a, b) by cube roots that are nearly normal (Abramowitz &
// Stegun 26.5.22, after Wilson & Hilferty 1931).
func betaOfMany(x, a, b float64) float64 {
	u, v := math.Cbrt(b*x), math.Cbrt(a*(1-x))
	return normalCDF(3 * (u*(1-1/(9*b)) - v*(1-1/(9*a))) / math.Sqrt(u*u/b+v*v/a))
}

// crossing returns where f, which rises, crosses 0 between low and high, to a
// billionth of their distance (Chandrupatla 1997: inverse quadratic interpolation
// where it is safe, bisection elsewhere). If f does not change its sign, it returns
// the end that is nearer to 0.
func crossing(low, high float64, f func(float64) float64) float64 {
	a, b := high, low // b is the latest, a on the other side, c the one before
	fa, fb := f(a), f(b)
	if (fa > 0) == (fb > 0) {
		if math.Abs(fa) < math.Abs(fb) {
			return a
		}
		return b
	}
	precision := 1e-9 * (high - low)
	c, fc := a, fa
	share := 0.5
	for range 100 {
		x := a + share*(b-a)
		fx := f(x)
		if (fx > 0) == (fa > 0) {
			c, fc = a, fa
		} else {
			c, fc = b, fb
			b, fb = a, fa
		}
		a, fa = x, fx
		if fa == 0 || math.Abs(b-a) < precision {
			return a
		}
		xi, phi := (a-b)/(c-b), (fa-fb)/(fc-fb)
		share = 0.5
		if phi*phi < xi && (1-phi)*(1-phi) < 1-xi {
			share = fa/(fb-fa)*fc/(fb-fc) + (c-a)/(b-a)*fa/(fc-fa)*fb/(fc-fb)
		}
		least := precision / 2 / math.Abs(b-a)
		share = min(max(share, least), 1-least)
	}
	return a
}
