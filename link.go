package perigee

import "net/netip"

// LinkID names a link; unique within a site.
type LinkID string

// Site is where the monitor stands.
type Site struct {
	Name string

	// Latitude and Longitude are in degrees, north and east positive. They
	// are used only if Located.
	Latitude, Longitude float64
	Located             bool
}

// Orbit tells what kind of path a link takes.
type Orbit string

// The orbits that perigee knows.
const (
	OrbitStarlink    Orbit = "starlink"
	OrbitLEO         Orbit = "leo"
	OrbitMEO         Orbit = "meo"
	OrbitGEO         Orbit = "geo"
	OrbitCellular    Orbit = "cellular"
	OrbitTerrestrial Orbit = "terrestrial"
)

// Orbits lists every Orbit in the order users meet them.
var Orbits = []Orbit{OrbitStarlink, OrbitLEO, OrbitMEO, OrbitGEO, OrbitCellular, OrbitTerrestrial}

// Valid reports whether o is one of Orbits.
func (o Orbit) Valid() bool {
	for _, known := range Orbits {
		if o == known {
			return true
		}
	}
	return false
}

// Link is one way out of the site. At least one of Interface, Source, Mark and
// Namespace says how probes are kept on it; a link with none is never probed (it
// only holds imported results).
type Link struct {
	ID    LinkID
	Orbit Orbit

	Interface string     // device name, bound with SO_BINDTODEVICE
	Source    netip.Addr // local address
	Mark      uint32     // firewall mark for policy routing; 0 is none
	Namespace string     // network namespace, by name or path

	// SatelliteLongitude is the sub-satellite longitude of a GEO link in
	// degrees east, meaningful if SatelliteKnown.
	SatelliteLongitude float64
	SatelliteKnown     bool

	Plan Plan
}

// Plan is what was promised of a link, to hold its measurements against. What is 0 was
// not promised.
type Plan struct {
	Down, Up     float64 // bits per second of payload
	Availability float64 // 0 to 1
}

// Bound reports whether l says how its probes are kept on it.
func (l Link) Bound() bool {
	return l.Interface != "" || l.Source.IsValid() || l.Mark != 0 || l.Namespace != ""
}

// Proof is the evidence that a sample's probes left by their link: the device and
// the local address the socket really used.
type Proof struct {
	InterfaceIndex int
	InterfaceName  string
	Local          netip.Addr // invalid if nothing could be sent
	Remote         netip.Addr // the target's address at the time
}
