package dashboards

import (
	"regexp"
	"strings"
	"testing"
)

// TestPageNamesNothingElsewhere holds the page to its word that it works with the
// internet away: it loads no file but its own, and each that it names is there.
func TestPageNamesNothingElsewhere(t *testing.T) {
	document := string(Pages["/"].Content)
	named := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(document, -1)
	if len(named) < 4 {
		t.Fatalf("%d files are named, want at least 4", len(named))
	}
	for _, m := range named {
		_, ours := Pages[m[1]]
		served := strings.HasPrefix(m[1], "/api/") || m[1] == "/metrics" || strings.HasPrefix(m[1], "#")
		if !ours && !served {
			t.Errorf("the document names %s, which is not served", m[1])
		}
	}
	for path, page := range Pages {
		for _, address := range regexp.MustCompile(`(?:url\(|import |import\()["']?(?:https?:)?//[^\s"')]+`).FindAllString(string(page.Content), -1) {
			t.Errorf("%s loads %s", path, address)
		}
	}
}
