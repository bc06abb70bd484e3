// Package influx keeps results in InfluxDB, 1.8 or 2.x: it encodes them as line
// protocol, writes them with acknowledgement (a perigee.Sink), and reads them back (a
// perigee.Store). docs/influx.md lays down measurements, tags and fields.
package influx
