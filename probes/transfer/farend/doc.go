// Package farend is the other end of transfers: it serves clients that have its key with
// payload, or counts theirs, and says what it saw. docs/transfer.md has the protocol,
// package wire its bytes.
//
// It is made to stand on the open internet. Whoever has not proved the key gets a few
// kilobytes and a few seconds, from a fixed number of places (see Options.MaxStrangers);
// whoever has, gets sessions bounded in number, time and bytes. No more connections than
//
//	MaxStrangers + MaxClients × (1 + wire.MaxStreams)
//
// are open at any time, with two goroutines for a session's control connection and one for
// each of the others, and 2 MiB of buffers for a session at most.
//
// Durations are time.Duration, sizes bytes of payload, rates bits per second. Serve may
// be called more than once; what it starts has ended when it returns.
package farend
