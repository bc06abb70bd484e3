package perigee

import (
	"strings"
	"testing"
)

// FuzzTransferDetail: the details of events about transfers are read back out of stores,
// and whatever target and reason they were made of, both are told.
func FuzzTransferDetail(f *testing.F) {
	f.Add("far-end", false, "the budget is used up", "far-end down: the budget is used up")
	f.Add("", true, "", " up: ")
	f.Add("a b", true, "went down: x", "x")
	f.Fuzz(func(t *testing.T, target string, up bool, reason, stored string) {
		direction := LoadDown
		if up {
			direction = LoadUp
		}
		got, way, ok := ParseTransferDetail(TransferDetail(TargetID(target), direction, reason))
		if ambiguous := strings.Contains(target+" ", " down: ") || strings.Contains(target+" ", " up: "); !ok || !ambiguous && (string(got) != target || way != direction) {
			t.Errorf("%q %s %q is read as %q %s", target, direction, reason, got, way)
		}
		if got, way, ok := ParseTransferDetail(stored); ok && !strings.HasPrefix(stored, string(got)+" "+string(way)+": ") {
			t.Errorf("%q is read as %q %s", stored, got, way)
		}
	})
}
