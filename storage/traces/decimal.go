package traces

import (
	"math"
	"strconv"
	"time"
)

// parseDecimal reads a decimal number of the given unit as whole nanoseconds, rounded.
// It reports false for what is no number or does not fit.
func parseDecimal(b []byte, unit time.Duration) (int64, bool) {
	negative := false
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i++
	}
	var whole, fraction int64
	digits, scale := 0, int64(1)
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if whole > math.MaxInt64/10-1 {
			return 0, false
		}
		whole = whole*10 + int64(b[i]-'0')
		digits++
	}
	if i < len(b) && b[i] == '.' {
		for i++; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			digits++
			if scale < 1e9 { // more digits are less than a nanosecond of a second
				fraction = fraction*10 + int64(b[i]-'0')
				scale *= 10
			}
		}
	}
	if digits == 0 || i < len(b) {
		return parseExponent(b, unit)
	}
	u := int64(unit)
	if whole > (math.MaxInt64-u)/u {
		return 0, false
	}
	ns := whole*u + (fraction*u+scale/2)/scale
	if negative {
		ns = -ns
	}
	return ns, true
}

// parseExponent reads what is not a plain decimal, such as 2.5e-05.
func parseExponent(b []byte, unit time.Duration) (int64, bool) {
	if len(b) > 40 {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(v) || math.Abs(v)*float64(unit) >= 1<<62 {
		return 0, false
	}
	return int64(math.Round(v * float64(unit))), true
}
