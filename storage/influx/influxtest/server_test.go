package influxtest_test

import (
	"net/http"
	"strings"
	"testing"

	"perigee/storage/influx/influxtest"
)

// What was acknowledged is there after the server was killed and started again, under
// the same address.
func TestServerSurvivesItsDeath(t *testing.T) {
	s := influxtest.Start(t, influxtest.NoFlux())
	bucket := s.Bucket(t)
	database, _, _ := strings.Cut(bucket, "/")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v2/write?bucket="+bucket, strings.NewReader("m f=1i 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+s.Token)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("write answered %s", response.Status)
	}

	s.Kill()
	if _, err := http.DefaultTransport.RoundTrip(request.Clone(t.Context())); err == nil {
		t.Fatal("a killed server answers")
	}
	address := s.URL
	s.Restart(t)
	if s.URL != address {
		t.Errorf("moved from %s to %s", address, s.URL)
	}
	if got := s.Exec(t, `SELECT f FROM "`+database+`".autogen.m`); !strings.Contains(got, "[1,1]") {
		t.Errorf("the point is gone: %s", got)
	}
}
