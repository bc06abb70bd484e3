package influx_test

import (
	"testing"

	"perigee"
	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
	"perigee/storage/storagetest"
)

// open returns a client of a fresh bucket of the shared server.
func open(t testing.TB, instance string) *influx.Client {
	t.Helper()
	server := influxtest.Shared(t)
	return openAt(t, influx.Options{URL: server.URL, Token: server.Token, Bucket: server.Bucket(t), Instance: instance})
}

func openAt(t testing.TB, o influx.Options) *influx.Client {
	t.Helper()
	client, err := influx.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return client
}

func TestStoreConforms(t *testing.T) {
	storagetest.RunStore(t, func(t *testing.T) perigee.Store { return open(t, "00c0ffee").Store() },
		storagetest.Properties{NoSingletons: true, LastWins: true})
}
