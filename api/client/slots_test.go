package client_test

import (
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/storage/storagetest"
)

func TestClientAsksForSlots(t *testing.T) {
	store := storagetest.NewMemory()
	var batch perigee.Batch
	for i := range 72 {
		s := sample(odd, epoch.Add(time.Duration(i)*10*time.Second), 0.04)
		for j := range 10 {
			s.Singletons = append(s.Singletons, perigee.Singleton{Seq: perigee.Seq(j), At: time.Duration(j) * time.Second, Outcome: perigee.Received, RTT: 40 * time.Millisecond})
		}
		batch.Samples = append(batch.Samples, s, sample("bare", s.Start, 0.04))
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	c := monitor(t, api.Options{Store: store})
	f := client.SlotsFilter{Filter: client.Filter{Link: odd, Load: perigee.LoadDown}, LeapSeconds: 19, WithSeries: true}
	if r, err := c.Slots(t.Context(), f); err != nil || r.Link != odd || r.LeapSeconds != 19 || *r.Detected || len(r.Slots) != 49 || r.Slots[1].Start.Second()%15 != 11 {
		t.Errorf("Slots = %+v, %v", r, err)
	}
	f = client.SlotsFilter{Filter: client.Filter{Link: "bare"}}
	if _, err := c.Slots(t.Context(), f); perigee.CodeOf(err) != perigee.CodeNotEnoughData {
		t.Errorf("Slots of a link without single probes: %v", err)
	}
}
