package perigee

import "testing"

func TestTransferDetailIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		target    TargetID
		direction Load
		reason    string
	}{
		"plain":                {"far", LoadDown, "others move 3 Mbit/s over it"},
		"public_server":        {"", LoadUp, "the budget leaves 2 MB for it"},
		"reason_names_another": {"far", LoadUp, "it was far down: nobody listened"},
		"spaces":               {"Sydney, 12345", LoadDown, "x up: y"},
	} {
		target, direction, ok := ParseTransferDetail(TransferDetail(c.target, c.direction, c.reason))
		if !ok || target != c.target || direction != c.direction {
			t.Errorf("%s: %q %q %v, want %q %q", name, target, direction, ok, c.target, c.direction)
		}
	}
	for _, detail := range []string{"", "perigee v1", "the store did not take results"} {
		if _, direction, ok := ParseTransferDetail(detail); ok {
			t.Errorf("%q is read as a transfer %s", detail, direction)
		}
	}
}
