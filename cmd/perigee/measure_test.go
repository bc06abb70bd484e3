package main

import (
	"testing"
	"time"

	"perigee"
	"perigee/api"
)

// TestMeasuringGoesOnWithItsSuccessor asks for a measurement where a configuration has
// been read again and requests still come to the parts of before: it is made all the same.
func TestMeasuringGoesOnWithItsSuccessor(t *testing.T) {
	p := plan{site: perigee.Site{Name: "test"}, interval: time.Second, links: []perigee.Link{{ID: "one", Orbit: perigee.OrbitTerrestrial, Interface: "none0"}}}
	first := newMeasuring(nil, p, time.Now)
	ask := api.ProbeRequest{Link: "one", Method: api.ProbeICMP} // it fails at once, as there is no target
	if id, err := first.StartProbe(t.Context(), ask); id != "1" || err != nil {
		t.Fatal(id, err)
	}
	first.Close()
	if _, err := first.StartProbe(t.Context(), ask); perigee.CodeOf(err) != perigee.CodeUnavailable {
		t.Errorf("after the end: %v", err)
	}
	second := newMeasuring(nil, p, time.Now)
	second.remember(first)
	id, err := first.StartProbe(t.Context(), ask)
	if id != "2" || err != nil {
		t.Fatal(id, err)
	}
	for _, id := range []string{"1", "2"} {
		for name, m := range map[string]*measuring{"first": first, "second": second} {
			if state, err := m.Probe(t.Context(), id); err != nil || state.ID != id {
				t.Errorf("%s of measurement %s: %+v, %v", name, id, state, err)
			}
		}
	}
	second.Close()
	if _, err := first.StartProbe(t.Context(), ask); perigee.CodeOf(err) != perigee.CodeUnavailable {
		t.Errorf("after the end of both: %v", err)
	}
}
