package influxtest

import (
	"os"
	"testing"
)

// Target is a place to write to and read from, on a server of either version.
type Target struct {
	Name                    string // of the version, for subtests
	URL, Token, Org, Bucket string
}

// Targets returns a fresh bucket of the shared server, and the one of 2.x that the
// environment names, if it does. What that holds is not this test's alone.
func Targets(t testing.TB) []Target {
	t.Helper()
	s := Shared(t)
	targets := []Target{{Name: "1.8", URL: s.URL, Token: s.Token, Bucket: s.Bucket(t)}}
	if second, ok := Second(); ok {
		targets = append(targets, second)
	}
	return targets
}

// Second returns the server of 2.x that the environment names. It reports false if it
// names none.
func Second() (Target, bool) {
	t := Target{
		Name:   "2.x",
		URL:    os.Getenv("PERIGEE_INFLUX2_URL"),
		Token:  os.Getenv("PERIGEE_INFLUX2_TOKEN"),
		Org:    os.Getenv("PERIGEE_INFLUX2_ORG"),
		Bucket: os.Getenv("PERIGEE_INFLUX2_BUCKET"),
	}
	return t, t.URL != ""
}
