package perigee

// TargetID names a target; unique within a site.
type TargetID string

// FirstHop is the target that stands for a link's own first hop, such as the dish or the
// router at its end of the cable; each link has another. It tells a failure at home from
// one beyond. Links are not compared at it, and it says nothing of their availability.
const FirstHop TargetID = "first-hop"

// Target is what probes are sent to. Several links probe the same target at the
// same instants, so that what the target does cancels out in a comparison.
type Target struct {
	ID      TargetID
	Address string // IP address or host name, resolved again while probing
}

// Method tells how a stream measures.
type Method string

// MethodICMP is ICMP echo (RFC 792, RFC 4443).
const MethodICMP Method = "icmp"

// Family is the IP version of a stream; IPv4 and IPv6 are never mixed.
type Family string

// The address families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// Load tells whether the service's own transfer ran on the link meanwhile. Idle and
// loaded samples are never mixed.
type Load string

// The loads.
const (
	LoadIdle Load = "idle"
	LoadDown Load = "down"
	LoadUp   Load = "up"
)

// Stream identifies a series of samples.
type Stream struct {
	Site   string
	Link   LinkID
	Target TargetID
	Method Method
	Family Family
	Load   Load
}

// Compare orders streams by site, link, target, method, family, load: negative if s
// comes before o, 0 if they are the same.
func (s Stream) Compare(o Stream) int {
	for _, pair := range [][2]string{
		{s.Site, o.Site},
		{string(s.Link), string(o.Link)},
		{string(s.Target), string(o.Target)},
		{string(s.Method), string(o.Method)},
		{string(s.Family), string(o.Family)},
		{string(s.Load), string(o.Load)},
	} {
		if pair[0] < pair[1] {
			return -1
		}
		if pair[0] > pair[1] {
			return 1
		}
	}
	return 0
}
