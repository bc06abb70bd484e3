// Package perigee is the domain of the service that measures satellite links: what
// is measured (Site, Link, Target, Method), what a measurement yields (Singleton,
// Sample, Outage, Gap), how links compare (Summary, Comparison), and the contracts
// of those who produce and keep results (Prober, Store, Sink).
//
// Words are those of the IP performance metrics framework (RFC 2330): a singleton is
// one probe with one outcome, a sample is the singletons of one stream over one
// window, a statistic is computed from a sample and travels with its counts.
//
// The package does no I/O, its types carry no struct tags, and it reads no clock.
// Durations are time.Duration or, inside statistics, float64 seconds.
package perigee
