// Package fleet simulates many homes, each with the same four links as the demo, and
// makes the samples that a perigee in every one of them would have stored. It exists to
// load a database as a fleet would, and to show a page with many sites.
//
// What becomes of a probe is decided by the models of package lab (see lab.Walk), no
// packet is sent. Everything after that is built as probes builds it: counts,
// distribution, delay variation, loss runs and outages of each window; single probes are
// not kept. Homes differ: each has a seed of its own, its own distance to the ground
// station, its own jitter, and one in eight has a poor view of the sky. Starlink's slots
// are those of GPS time, the same at every home.
//
// # Determinism
//
// A window is a function of the seed, Window and Interval, the home's number, the link
// and the window's start, and of nothing else: not of how many homes there are, when the
// fleet began, or whether Run or Backfill made it. So what is made again after a crash is
// identical to what was made before. To that end a link's time is divided into eras of 15 minutes, aligned to the
// grid of slots and apart from link to link; each is a walk of its own, begun a minute
// early so that jitter is what it would be, and an outage does not outlast it.
//
// # Cadence
//
// Windows lie on the grid of wall time. A window of home n of N is due n/N of a window's
// length after its end, so that the load is even. The windows of all homes that became
// due within 100 ms are one batch. A fleet that cannot hold this pace, because Append
// takes too long, omits nothing: it falls behind, tells so (Stats) and catches up.
package fleet
