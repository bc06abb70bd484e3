package dashboards

import (
	"regexp"
	"strings"
	"testing"
)

// TestPageFindsItsElements keeps the script and the document together: the script looks
// elements up by id, and one that is missing would stop it only when it is drawn.
func TestPageFindsItsElements(t *testing.T) {
	script, document := string(Pages["/app.js"].Content), string(Pages["/"].Content)
	ids := regexp.MustCompile(`(?:byId|fill)\("([a-z]+)"`).FindAllStringSubmatch(script, -1)
	if len(ids) < 10 {
		t.Fatalf("%d elements are looked up, want at least 10", len(ids))
	}
	for _, id := range ids {
		if !strings.Contains(document, `id="`+id[1]+`"`) {
			t.Errorf("the document has no element %s", id[1])
		}
	}
}
