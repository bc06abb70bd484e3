package perigee

import "math"

const (
	speedOfLight = 299_792_458.0 // m/s, exact (SI)

	earthRadius      = 6_378_137.0  // m, equatorial (WGS 84)
	geoAltitude      = 35_786_000.0 // m above the equator: one revolution a sidereal day
	oneWebAltitude   = 1_200_000.0  // m, of the OneWeb constellation
	starlinkAltitude = 550_000.0    // m, of Starlink's first and most used shells

	// legs is how often the signal crosses between ground and satellite in
	// one round trip: up, down to the gateway, up again, down again.
	legs = 4
)

// Floor returns the least round-trip time, in seconds, that the speed of light
// allows on link at site: four legs between ground and satellite, nothing for the
// way on the ground, for processing or for queues.
//
// On GEO each leg is the slant range from the site to the satellite, where both are
// known (the gateway is taken to see it at the same elevation): 0.4775 s overhead,
// 0.499 s at 45 degrees of elevation, 0.556 s at the horizon. Otherwise the satellite
// is taken to stand overhead: GEO 35,786 km, LEO 1200 km (OneWeb), Starlink 550 km.
// It reports false for other orbits, whose paths have no stated altitude, and for a
// GEO satellite that is below the site's horizon.
func Floor(link Link, site Site) (seconds float64, ok bool) {
	switch link.Orbit {
	case OrbitGEO:
		if !site.Located || !link.SatelliteKnown {
			return legs * geoAltitude / speedOfLight, true
		}
		distance, visible := geoSlantRange(site, link.SatelliteLongitude)
		return legs * distance / speedOfLight, visible
	case OrbitLEO:
		return legs * oneWebAltitude / speedOfLight, true
	case OrbitStarlink:
		return legs * starlinkAltitude / speedOfLight, true
	default:
		return 0, false
	}
}

// geoSlantRange returns the distance in metres from site to the geostationary
// satellite over longitude, on a spherical earth (0.1 % at most from the ellipsoid).
// It reports false if the satellite is below the horizon.
func geoSlantRange(site Site, longitude float64) (metres float64, visible bool) {
	const degree = math.Pi / 180
	const orbit = earthRadius + geoAltitude
	// The central angle between the site and the point below the satellite,
	// which is on the equator.
	cosine := math.Cos(site.Latitude*degree) * math.Cos((longitude-site.Longitude)*degree)
	distance := math.Sqrt(earthRadius*earthRadius + orbit*orbit - 2*earthRadius*orbit*cosine)
	return distance, cosine >= earthRadius/orbit
}
