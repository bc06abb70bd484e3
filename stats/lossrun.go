package stats

// Run is a maximal run of consecutively lost packets.
type Run struct {
	Packets int64
	Seconds float64 // from the first lost packet's sending to one send interval after the last's
}

// LossRuns counts the loss periods (RFC 3357 section 4) of a stream over one
// interval. Runs that touch the interval's ends are kept apart as Head and Tail, so
// that neighbouring intervals can be joined without counting one period twice. The
// zero value is an interval without packets.
type LossRuns struct {
	Count   int64 // runs, those at the ends included
	Longest Run   // by packets; its Seconds are the longest of all runs

	Packets int64 // packets seen, lost or not
	Head    Run   // the run at the beginning, if any; none beside a gap (see Separate)
	Tail    Run   // likewise at the end; equal to Head if all were lost
}

// Add tells of the next packet in send order and the time until the next one was
// to be sent.
func (l *LossRuns) Add(lost bool, interval float64) {
	one := LossRuns{Packets: 1}
	if lost {
		run := Run{Packets: 1, Seconds: interval}
		one.Count, one.Longest, one.Head, one.Tail = 1, run, run, run
	}
	l.Append(one)
}

// Append joins the interval that follows without a break: a run that crosses the
// boundary becomes one.
func (l *LossRuns) Append(next LossRuns) {
	if next.Packets == 0 {
		return
	}
	if l.Packets == 0 {
		*l = next
		return
	}
	joined := l.Tail.plus(next.Head)
	touches := l.Tail.Packets > 0 && next.Head.Packets > 0
	lAll, nextAll := l.allLost(), next.allLost()
	l.Count += next.Count
	if touches {
		l.Count--
	}
	l.Longest = l.Longest.longer(next.Longest).longer(joined)
	if lAll {
		l.Head = joined
	}
	if nextAll {
		l.Tail = joined
	} else {
		l.Tail = next.Tail
	}
	l.Packets += next.Packets
}

// Separate adds an interval that does not follow directly (there is a gap between
// the two): runs at the facing ends stay two. An interval without packets also
// counts: whatever follows it does not touch what went before.
func (l *LossRuns) Separate(next LossRuns) {
	switch {
	case next.Packets == 0:
		l.Tail = Run{}
	case l.Packets == 0:
		*l = next
		l.Head = Run{}
	default:
		l.Count += next.Count
		l.Longest = l.Longest.longer(next.Longest)
		l.Packets += next.Packets
		l.Tail = next.Tail
	}
}

// allLost reports whether l is one run that still touches both ends.
func (l LossRuns) allLost() bool {
	return l.Packets > 0 && l.Head.Packets == l.Packets && l.Tail.Packets == l.Packets
}

func (r Run) plus(o Run) Run {
	return Run{Packets: r.Packets + o.Packets, Seconds: r.Seconds + o.Seconds}
}

func (r Run) longer(o Run) Run {
	return Run{Packets: max(r.Packets, o.Packets), Seconds: max(r.Seconds, o.Seconds)}
}
