// Package probes runs the measuring: it decides when probes are due, has a Prober of
// each stream send them, turns their singletons into samples of one window, finds
// outages and the gaps in which it was not measuring itself, and hands all of it to a
// store in order.
//
// It owns no socket: how a probe is sent and heard is a Prober's affair (see
// perigee.Prober and the packages below). It owns no storage either: Options.Record is
// the way out. The rules in words are in docs/probing.md.
//
// The parts that decide are pure, they neither read a clock nor start a goroutine:
// Periodic and Poisson (schedule.go), grid (grid.go), builder (window.go, ledger.go),
// tracker (outage.go) and watch (watch.go). Runner drives them.
//
// Times on the monotonic clock are time.Duration as in perigee.Reading; wall time only
// labels what was measured. Runner is safe for concurrent use.
package probes
