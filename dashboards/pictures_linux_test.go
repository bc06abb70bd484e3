package dashboards_test

import (
	"os"
	"path/filepath"
	"testing"

	"perigee/dashboards/webtest"
)

// TestPictures takes the pictures of the README and the docs, of the demo after a quarter of
// an hour, into the directory $PERIGEE_PICTURES; `make screenshots` runs it.
func TestPictures(t *testing.T) {
	into, err := filepath.Abs(os.Getenv("PERIGEE_PICTURES"))
	if os.Getenv("PERIGEE_PICTURES") == "" || err != nil {
		t.Skip("set PERIGEE_PICTURES to a directory to take them")
	}
	d := newDemo(t, "--transfers=1m")
	d.follow(t, map[string]int{"sample": 15 * 6 * 4, "throughput": 10})
	webtest.Run(t, "http://"+d.address, nil, webtest.Check{"name": "pictures", "into": into, "pictures": []map[string]any{
		{"name": "now", "address": "/#/now"},
		{"name": "now-phone", "address": "/#/now", "screen": "phone", "scheme": "dark"},
		{"name": "compare", "address": "/#/compare?period=15m"},
		{"name": "distribution", "address": "/#/compare?period=15m", "clip": "#view section.figure:has(h2:text-is('Distribution'))"},
		{"name": "throughput", "address": "/#/throughput?link=starlink&period=1h"},
		{"name": "slots", "address": "/#/slots?link=starlink&period=30m"},
		{"name": "outages", "address": "/#/outages?period=1h", "scheme": "dark"},
	}})
}
