package perigee_test

import (
	"math"
	"testing"

	"perigee"
)

func TestFloor(t *testing.T) {
	geo := func(longitude float64) perigee.Link {
		return perigee.Link{Orbit: perigee.OrbitGEO, SatelliteLongitude: longitude, SatelliteKnown: true}
	}
	equator := perigee.Site{Located: true}
	// With R = 6378.137 km and r = R + 35786 km, the satellite stands at
	// elevation E for a central angle of 90° - E - asin(R/r cos E): 38.83° at
	// 45°, 81.30° on the horizon. Slant range sqrt(R² + r² - 2 R r cos angle).
	for name, c := range map[string]struct {
		link perigee.Link
		site perigee.Site
		want float64 // seconds
		ok   bool
	}{
		"geo_unknown_site":      {perigee.Link{Orbit: perigee.OrbitGEO}, perigee.Site{}, 0.4775, true},
		"geo_unknown_satellite": {perigee.Link{Orbit: perigee.OrbitGEO}, equator, 0.4775, true},
		"geo_overhead":          {geo(0), equator, 0.4775, true},
		"geo_at_45_degrees":     {geo(38.83), equator, 0.4992, true},
		"geo_at_45_north":       {geo(0), perigee.Site{Latitude: 38.83, Located: true}, 0.4992, true},
		"geo_on_horizon":        {geo(81.29), equator, 0.5561, true},
		"geo_below_horizon":     {geo(100), equator, 0, false},
		// Sky Muster from Canberra: latitude 35.28 S, 9.03° west of the
		// satellite: cos angle = cos 35.28 cos 9.03 = 0.8062, 37,214 km.
		"geo_canberra":         {geo(140.1), perigee.Site{Latitude: -35.28, Longitude: 149.13, Located: true}, 0.4965, true},
		"across_the_date_line": {geo(-179), perigee.Site{Longitude: 179, Located: true}, 0.4775, true},
		"leo":                  {perigee.Link{Orbit: perigee.OrbitLEO}, equator, 0.0160, true},
		"starlink":             {perigee.Link{Orbit: perigee.OrbitStarlink}, equator, 0.0073, true},
		"meo":                  {perigee.Link{Orbit: perigee.OrbitMEO}, equator, 0, false},
		"terrestrial":          {perigee.Link{Orbit: perigee.OrbitTerrestrial}, equator, 0, false},
		"cellular":             {perigee.Link{Orbit: perigee.OrbitCellular}, equator, 0, false},
		"orbit_unknown":        {perigee.Link{}, equator, 0, false},
	} {
		got, ok := perigee.Floor(c.link, c.site)
		if ok != c.ok || ok && math.Abs(got-c.want) > 0.0001 {
			t.Errorf("%s: Floor = %.5f s, %v, want %.4f, %v", name, got, ok, c.want, c.ok)
		}
	}
}
