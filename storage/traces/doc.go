// Package traces writes results in the formats of other tools: CSV and JSON lines.
// docs/export.md lists every column. (Line protocol is storage/influx's.)
//
// The writers stream: memory does not grow with the number of samples. They take what
// perigee.Store's Samples, Singletons and Throughputs yield. Values are in base units with the unit
// in the name, an undefined value is an empty cell or null, and times
// are RFC 3339 in UTC with all nanoseconds, beside them Unix seconds as an exact decimal
// fraction. Functions are safe for concurrent use on different writers.
package traces
