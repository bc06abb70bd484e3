package config

import (
	"perigee"
)

// site reads where the monitor stands.
func (r *reader) site(raw rawSite) perigee.Site {
	s := perigee.Site{Name: DefaultSiteName}
	if name, ok := r.name(raw.Name); ok {
		s.Name = name
	}
	latitude, north := r.number(raw.Latitude, -90, 90, "degrees north")
	longitude, east := r.number(raw.Longitude, -180, 180, "degrees east")
	switch {
	case raw.Latitude.given() && !raw.Longitude.given():
		r.required(raw.section, raw.Longitude, "site.longitude", "give both latitude and longitude, or neither")
	case raw.Longitude.given() && !raw.Latitude.given():
		r.required(raw.section, raw.Latitude, "site.latitude", "give both latitude and longitude, or neither")
	}
	if north && east {
		s.Latitude, s.Longitude, s.Located = latitude+0, longitude+0, true // no negative zeros
	}
	return s
}
