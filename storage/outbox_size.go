package storage

import (
	"math"
	"time"

	"perigee"
)

const (
	// batchBytes bounds a write before compression, as estimated. With a quarter of
	// it a backlog drained a third slower; one that hangs costs one deadline for so
	// many results, and a broken connection costs so much at most.
	batchBytes = 1 << 20

	// compressed is what is thought to be left of a batch on the wire: digits
	// shrink to a third, sketches in base64 to three quarters.
	compressed = 0.5

	// firstEntrySize is what entries are thought to have before one was seen.
	firstEntrySize = 2048
)

// budget returns how many bytes a batch may have before compression: about a second of
// the rate, so that live results wait no longer behind old ones.
func budget(bitsPerSecond int64) int {
	if bitsPerSecond <= 0 {
		return batchBytes
	}
	return int(min(batchBytes, float64(bitsPerSecond)/8/compressed))
}

// deadline returns how long a write of that many bytes may take: what the server is
// given, and twice the time that pacing takes.
func deadline(base time.Duration, bytes int, bitsPerSecond int64) time.Duration {
	if bitsPerSecond <= 0 {
		return base
	}
	return base + 2*time.Duration(float64(bytes)*compressed*8/float64(bitsPerSecond)*float64(time.Second))
}

// sizeOf estimates the bytes of entries before compression.
func sizeOf(entries []perigee.Entry) int {
	total := 0
	for _, e := range entries {
		total += entrySize(e)
	}
	return total
}

// entrySize estimates the bytes of an entry in line protocol. It need not be exact: a
// sink refuses what is too large.
func entrySize(e perigee.Entry) int {
	switch {
	case e.Sample != nil:
		s := e.Sample
		const numbers, state = 900, 250
		tags := len(s.Stream.Site) + len(s.Stream.Link) + len(s.Stream.Target) + len(s.Cause) + 80
		rtt := sketchSize(s.RTT.Count, s.RTT.Min, s.RTT.Max)
		ipdv := sketchSize(s.Variation.IPDV.Count, s.Variation.IPDV.Min, s.Variation.IPDV.Max)
		return numbers + tags + (state+rtt+ipdv)*4/3
	case e.Throughput != nil:
		t := e.Throughput
		const numbers, state, interval, connections, receivers = 1400, 400, 3, 25, 20
		tags := len(t.Stream.Site) + len(t.Stream.Link) + len(t.Stream.Target) + 2*len(t.Server) + 80
		return numbers + tags + (state+interval*len(t.Series)+connections*len(t.TCP)+receivers*len(t.TCPReceiver))*4/3
	case e.Outage != nil:
		return 250 + len(e.Outage.Stream.Site) + len(e.Outage.Stream.Link) + len(e.Outage.Stream.Target) + len(e.Outage.Reason)
	case e.Gap != nil:
		return 200 + len(e.Gap.Site) + len(e.Gap.Link) + len(e.Gap.Detail)
	case e.Event != nil:
		return 200 + len(e.Event.Site) + len(e.Event.Link) + len(e.Event.Detail)
	default:
		return 400
	}
}

// sketchSize estimates the bytes of a sketch of values: three for each bin of 1 % width
// that may be used, of which there are no more than values.
func sketchSize(count int64, least, most float64) int {
	const head, bin, width, smallest = 40, 3, 0.01, 1e-6
	bins := math.Log(max(most, smallest)/max(least, smallest))/width + 1
	return head + int(bin*max(0, min(bins, float64(count))))
}

// fitting returns how many of entries, at least one if there are any, have no more than
// that many bytes together.
func fitting(entries []perigee.Entry, bytes int) int {
	total := 0
	for i, e := range entries {
		if total += entrySize(e); total > bytes && i > 0 {
			return i
		}
	}
	return len(entries)
}
