// Package sqlite is the embedded store: one SQLite file that keeps every sample, its
// raw singletons for a while, hourly and daily rollups and transfers for good, and the
// outages, gaps and events they must be read with. It implements perigee.Store.
//
// The layout of the file is drawn in docs/store.md. Times are int64 nanoseconds since
// the Unix epoch, statistics float64 seconds as they came, singletons are packed to
// microseconds (codec.go).
//
// One process writes (Open takes a lock that dies with it); any number may read the
// same file meanwhile (OpenReader). Within a process a Store is safe for concurrent
// use: writes go one after another through one connection, reads through a small pool
// beside it, and no iterator holds a connection while its caller works. The package
// reads no clock: callers pass the time.
package sqlite
