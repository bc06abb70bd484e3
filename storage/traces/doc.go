// Package traces reads and writes results in the formats of other tools.
//
// Import reads foreign traces, of ping, fping, irtt, iperf3, SmokePing and Telegraf, and
// our own exports, and makes of them what the daemon would have: windows on its grid with
// their single probes, outages, gaps, transfers. docs/import.md says how each format is
// taken. A trace is read once, in bounded memory, and always yields the same batches.
//
// The writers make CSV and JSON lines; docs/export.md lists every column. (Line protocol
// is written by storage/influx.) They stream: memory does not grow with the number of
// samples. They take what perigee.Store's Samples, Singletons and Throughputs yield.
// Values are in base units with the unit in the name, an undefined value is an empty cell
// or null, and times are RFC 3339 in UTC with all nanoseconds, beside them Unix seconds
// as an exact decimal fraction.
//
// Functions are safe for concurrent use on different readers and writers.
package traces
