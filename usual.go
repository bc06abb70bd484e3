package perigee

import (
	"context"
	"maps"
	"slices"
	"time"

	"perigee/stats"
)

const (
	// UsualRange is over how long what is usual is measured: every hour of the day
	// and every day of the week has a part in it.
	UsualRange = 7 * 24 * time.Hour

	// usualEnough is how much must be measured before it says what is usual, and
	// usualHours from when on there are hours enough to tell the worst of them.
	usualEnough = time.Hour
	usualHours  = 24 * time.Hour
)

// UsualQuery asks what is usual of a link.
type UsualQuery struct {
	Site string
	Link LinkID
	To   time.Time // end of the UsualRange that is looked at; zero: end of what is stored
}

// Usual is what a link's idle streams did over UsualRange, to hold a moment against.
type Usual struct {
	Site     string
	Link     LinkID
	From, To time.Time
	Streams  []UsualStream // those measured in the range, in order
}

// UsualStream is what is usual of one stream. Numbers are of all its probes of the range
// as one.
type UsualStream struct {
	Stream   Stream
	Measured time.Duration // planned time, gaps left out
	Enough   bool          // whether it was measured for an hour or longer

	// RTTLow, RTTMedian and RTTHigh are the 5 %, 50 % and 95 % quantile of the
	// received probes' round trips, in seconds: the median of a minute that lies
	// outside of low to high is unusual. Meaningful if RTTDefined.
	RTTLow, RTTMedian, RTTHigh float64
	RTTDefined                 bool

	// LossMean is the loss ratio of the whole; meaningful if LossDefined.
	LossMean    float64
	LossDefined bool

	// LossHigh is the 95 % quantile of the loss ratios of clock hours, of clock
	// minutes while less than a day was measured; of each of which at least half was
	// measured. Meaningful if LossHighDefined.
	LossHigh        float64
	LossHighDefined bool
}

// UsualOf returns what was usual of a link over the UsualRange before q.To. It reads
// hours, and windows only of streams of which less than a day was measured.
//
// It fails with CodeNotFound for an unknown link, and with CodeInvalid if several sites
// have it.
func UsualOf(ctx context.Context, store Store, q UsualQuery) (Usual, error) {
	known, err := findLinks(ctx, store, q.Site, []LinkID{q.Link})
	if err != nil {
		return Usual{}, err
	}
	site, err := oneSite(known)
	if err != nil {
		return Usual{}, err
	}
	u := Usual{Site: site, Link: q.Link, To: q.To}
	if u.To.IsZero() {
		u.To = known[0].Last
	}
	u.From = u.To.Add(-UsualRange)
	query := Query{Site: site, Links: []LinkID{q.Link}, Load: LoadIdle, From: u.From, To: u.To, Lean: true}
	merged, err := readUsual(ctx, store, query, Hours, time.Hour)
	if err != nil {
		return Usual{}, err
	}
	if err := byMinute(ctx, store, query, merged); err != nil {
		return Usual{}, err
	}
	for _, stream := range slices.SortedFunc(maps.Keys(merged), Stream.Compare) {
		u.Streams = append(u.Streams, merged[stream].usual(stream))
	}
	return u, nil
}

// byMinute puts the loss of minutes in the place of that of hours for streams of which less
// than a day was measured.
func byMinute(ctx context.Context, store Store, q Query, merged map[Stream]*usualOf) error {
	q.From = q.To
	for stream, u := range merged {
		if u.total.plannedTime < usualHours {
			q.Targets = append(q.Targets, stream.Target)
			q.From = earlier(q.From, u.total.start)
		}
	}
	if len(q.Targets) == 0 {
		return nil
	}
	minutes, err := readUsual(ctx, store, q, Windows, time.Minute)
	if err != nil {
		return err
	}
	for stream, u := range merged {
		if m := minutes[stream]; m != nil && u.total.plannedTime < usualHours {
			u.loss = m.loss
		}
	}
	return nil
}

// usualOf is a UsualStream that grows.
type usualOf struct {
	total stepSample
	part  stepSample // of the clock interval that is being read
	loss  []float64  // loss ratios of those before
}

// readUsual reads q's streams, and their loss by clock intervals.
func readUsual(ctx context.Context, store Store, q Query, coarsest Resolution, interval time.Duration) (map[Stream]*usualOf, error) {
	merged := map[Stream]*usualOf{}
	err := scan(ctx, store, q, coarsest, func(s Sample) {
		u := merged[s.Stream]
		start := floorTime(s.Start, interval)
		if u == nil {
			u = &usualOf{total: stepSample{start: s.Start}, part: stepSample{start: start}}
			merged[s.Stream] = u
		}
		if !u.part.start.Equal(start) {
			u.endPart(interval)
			u.part = stepSample{start: start}
		}
		s = lean(s)
		u.total.add(s)
		s.RTT = stats.Distribution{} // the part's loss alone is wanted
		u.part.add(s)
	})
	for _, u := range merged {
		u.endPart(interval)
	}
	return merged, err
}

func (u *usualOf) endPart(interval time.Duration) {
	if ratio, ok := u.part.sample.Counts.LossRatio(); ok && u.part.plannedTime >= interval/2 {
		u.loss = append(u.loss, ratio)
	}
}

func (u *usualOf) usual(stream Stream) UsualStream {
	s := UsualStream{Stream: stream, Measured: u.total.plannedTime, Enough: u.total.plannedTime >= usualEnough}
	rtt := u.total.sample.RTT
	if s.RTTMedian, s.RTTDefined = rtt.Quantile(0.5); s.RTTDefined {
		s.RTTLow, _ = rtt.Quantile(0.05)
		s.RTTHigh, _ = rtt.Quantile(0.95)
	}
	s.LossMean, s.LossDefined = u.total.sample.Counts.LossRatio()
	if s.LossHighDefined = len(u.loss) > 0; s.LossHighDefined {
		s.LossHigh = stats.QuantileOfSorted(slices.Sorted(slices.Values(u.loss)), 0.95)
	}
	return s
}
