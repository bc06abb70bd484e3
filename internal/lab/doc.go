// Package lab emulates links that carry real IP packets, so that what perigee
// measures can be compared with what truly happened.
//
// A lab has two sides, each a network namespace of its own: home, where the process
// itself lives, and far, a real host whose kernel answers ICMP and where listeners
// and programs can serve. Between them stands one pair of TUN devices per link. A
// packet that leaves home by a link's device is read by the link's engine, delayed,
// lost, duplicated or reordered as the link's Profile says, and written to the far
// device; replies go back on the link they came by. Every packet leaves one Record
// in the truth log: when it entered, what was done to it, the delay imposed.
//
// # Isolation
//
// Command runs the program again inside a fresh network namespace (and, without
// root, a fresh user namespace); New refuses to work anywhere else. Home has the
// loopback device and the links, and no default route, so no packet can leave the
// machine and the host's interfaces and routes are never touched. Nothing is
// mounted and no device is persistent: when the process ends, however it ends, the
// kernel removes everything. The process ends with its parent, see Command.
//
// # Addresses
//
// Link number N (from 1, in the order of Options.Links) has the home address
// 198.18.N.1/30 and 2001:db8:0:N::1/64, the far side 198.18.N.2 and 2001:db8:0:N::2.
// Every address of 198.18.255.0/24 and 2001:db8:0:ff::/64 is the far host itself,
// reachable over each link: by a socket bound to the link's device, by the link's
// source address, or by the firewall mark N. Unbound packets take the first link
// that is up.
//
// # Units and concurrency
//
// Durations are time.Duration, rates bits per second of IP packets (no link-layer
// framing), queues bytes, probabilities 0..1. All methods of Lab are safe for
// concurrent use. Each link is driven by one goroutine on an operating system thread
// of its own; all end with Close.
//
// The devices need Linux; elsewhere New and Command return an error, while profiles,
// the impairment model and the truth log's decoder work everywhere.
package lab
