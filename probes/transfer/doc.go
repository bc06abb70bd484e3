// Package transfer measures the throughput of a link with a far end of our own, which
// counts what arrives there. Run moves payload over one link in one direction and yields
// a perigee.Throughput.
//
// The rule it keeps: bytes count where they are received. Going down that is here; going
// up the far end tells what it got in each tenth of a second, and what was only handed
// to a socket never counts.
//
// It decides when the transfer ends: at a time, at a number of bytes on the wire, or when
// the rate is known well enough (package stats says when that is). It neither schedules
// transfers nor stores them, nor does it probe latency meanwhile. Package wire has the
// protocol, farend the other side; docs/probing.md states the rules under "Transfers".
//
// Rates are bits per second, sizes bytes. Bytes on the wire are those of IP packets, in
// both directions, of all connections of the transfer: what an interface would count.
package transfer
