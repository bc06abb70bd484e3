package transfer

import (
	"sync"
	"time"

	"perigee"
	"perigee/probes/transfer/wire"
)

// What bytes on the wire are reckoned by, where the system does not tell better: segments
// of an Ethernet path with IPv6 and timestamps, and one of TLS's longest records.
const (
	assumedMSS    = 1428
	assumedHeader = 72

	tlsRecord = 16 << 10
	tlsHeader = 22
)

// price says what payload costs on the wire.
type price struct {
	mss, header int
	secured     bool
}

func (p price) orAssumed() price {
	if p.mss <= 0 || p.header <= 0 {
		p.mss, p.header = assumedMSS, assumedHeader
	}
	return p
}

// stream returns how many bytes of TCP payload n bytes of ours become.
func (p price) stream(n int64) int64 {
	if p.secured {
		n += (n/tlsRecord + 1) * tlsHeader
	}
	return n
}

// segments returns how many bytes on the wire n bytes of TCP payload become, as long as
// none are lost: full segments, each of which is acknowledged. Most receivers acknowledge
// every second one or fewer.
func (p price) segments(n int64) int64 {
	return n + 2*p.acks(n)
}

// acks returns what acknowledging n bytes of TCP payload costs at most.
func (p price) acks(n int64) int64 {
	return (n + int64(p.mss) - 1) / int64(p.mss) * int64(p.header)
}

// payload returns how much payload n bytes on the wire suffice for.
func (p price) payload(n int64) int64 {
	if n <= 0 {
		return 0
	}
	whole := float64(p.mss)
	share := whole / (whole + 2*float64(p.header))
	if p.secured {
		share *= tlsRecord / float64(tlsRecord+tlsHeader)
	}
	return int64(float64(n) * share)
}

// capMargin is the share of a cap that is never aimed at: BBR over a shallow queue sends
// a fifth of everything again within milliseconds, which nobody can stop in time.
const capMargin = 0.015

// controlShare is the share of a cap that is left for the control connection.
const controlShare = 0.01

// allowance returns how much payload a transfer may ask the far end for, if it may move
// most bytes and has moved some already.
func (p price) allowance(most, moved int64) int64 {
	return p.payload(most - moved - int64(controlShare*float64(most)))
}

// leastAllowance is the least payload that is worth a transfer.
const leastAllowance = 64 << 10

// errCap tells that a cap is too small for anything.
func errCap() error {
	return &perigee.Error{Code: perigee.CodeInvalid,
		Message: "transfer: the cap of bytes leaves no payload after connecting: give more bytes or fewer streams"}
}

// budget keeps a sender within its cap: it lets payload go to the sockets only as far as
// what is on the wire, on its way to it, and may have to be sent again, fits.
//
// Not every loss can be foreseen. What is sent again beyond expectation is stopped by
// whoever watches over.
type budget struct {
	cap     int64
	account *account
	price   price

	// limit is the payload that the far end has granted; left counts it down.
	left *wire.Allowance

	mu    sync.Mutex // guards what follows
	base  int64      // TCP payload that was sent before any of ours: handshakes
	taken int64      // payload handed to sockets
	looks time.Time
	seen  tally
}

// freshness is how old a look at the connections may be to decide by.
const freshness = time.Millisecond

// take returns how many of n bytes may be written now. If none, done tells that none
// will be, and otherwise that it is worth asking again a little later.
func (b *budget) take(n int) (taken int, done bool) {
	if b.cap == 0 {
		taken = b.left.Take(n)
		return taken, taken == 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.looks) > freshness {
		b.looks, b.seen = now, b.account.look()
	}
	room, final := b.room()
	if room < int64(b.price.mss) {
		return 0, final
	}
	taken = b.left.Take(int(min(int64(n), room)))
	b.taken += int64(taken)
	return taken, taken == 0
}

// give returns bytes that were taken and not written.
func (b *budget) give(n int) {
	b.left.Give(n)
	if b.cap > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.taken -= int64(n)
	}
}

// room returns how much more payload fits into the cap. final tells that nothing under
// way can change that.
func (b *budget) room() (room int64, final bool) {
	if !b.seen.known {
		return b.price.payload(b.cap-b.price.segments(b.price.stream(b.taken+b.base))) - 1, true
	}
	t := b.seen
	waiting := max(0, b.price.stream(b.taken)-(t.sent-t.retransmitted-b.base))
	flying := t.unacked * int64(b.price.mss)
	committed := t.wire + b.price.segments(waiting) + b.price.acks(flying)
	again := float64(t.lost*int64(b.price.mss)) + b.sentAgain()*float64(waiting+flying)
	committed += int64(again)
	return b.price.payload(b.cap - committed), waiting == 0 && flying == 0 && again < float64(b.price.mss)
}

// sentAgain returns for how many bytes to be sent again room is kept, for each byte under
// way: what is under way is taken to be lost two and a half times as often as what went
// before, and what is sent for it as well. The room is free when it has arrived.
func (b *budget) sentAgain() float64 {
	t := b.seen
	if t.sent <= 0 || t.retransmitted <= 0 {
		return 0
	}
	lost := min(0.5, float64(t.retransmitted)/float64(t.sent))
	return 2.5 * lost / (1 - lost)
}

// watchful is how long to wait before the next look at a sender that may reach its cap,
// if it moved so much in the time since the last one.
func watchful(left, moved int64, since time.Duration) time.Duration {
	const soonest, latest = time.Millisecond, wire.Step
	if moved <= 0 || since <= 0 {
		return 10 * time.Millisecond
	}
	return min(latest, max(soonest, time.Duration(float64(since)*float64(left)/float64(moved)/2)))
}
