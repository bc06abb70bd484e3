package stats

import (
	"cmp"
	"slices"
)

// Holm returns the p-values of p corrected for their number, in the same order (Holm,
// "A simple sequentially rejective multiple test procedure", 1979): calling different
// what has a corrected value below 0.05 errs at all, however many are alike and however
// they depend on each other, in less than 5 % of questions. A corrected value is at most
// 1 and not below the one it was made from.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	corrected := make([]float64, len(p))
	most := 0.0
	for rank, i := range order {
		most = max(most, min(p[i]*float64(len(p)-rank), 1))
		corrected[i] = most
	}
	return corrected
}
