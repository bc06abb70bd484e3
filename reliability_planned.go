package perigee

import (
	"context"
	"time"

	"perigee/stats"
)

// readPlanned adds how long each link was meant to be measured and how often it lost
// probes for a short time, by UTC day, or by hour where days are not UTC's. Of several
// targets the one measured most counts: they are measured at the same time.
func readPlanned(ctx context.Context, store Store, q ReliabilityQuery, links map[siteLink]*reliabilityOf) error {
	coarsest, length := Hours, time.Hour
	if q.Location.String() == time.UTC.String() {
		coarsest, length = Days, 24*time.Hour
	}
	query := Query{Site: q.Site, Links: q.Links, From: q.From, To: q.To}
	outages, err := store.Outages(ctx, query)
	if err != nil {
		return err
	}
	told := map[unitOf]int64{}
	for _, o := range outages {
		if o.Reason == NoReplies {
			told[unitOf{o.Stream, floorTime(o.Start, length)}]++
		}
	}
	unit := plannedUnit{streams: map[Stream]*plannedStream{}}
	settle := func() {
		for link, a := range unit.links(told) {
			if one := links[link]; one != nil {
				one.plan(span{unit.start, unit.start.Add(length)}, a.planned, a.losses)
			}
		}
		clear(unit.streams)
	}
	err = scan(ctx, store, query, coarsest, func(s Sample) {
		if s.Stream.Target == FirstHop {
			return
		}
		if start := floorTime(s.Start, length); !start.Equal(unit.start) {
			settle()
			unit.start = start
		}
		unit.add(s)
	})
	settle()
	return err
}

// unitOf is a stream's part in an hour or day.
type unitOf struct {
	stream Stream
	start  time.Time
}

// plannedUnit is what streams measured in an hour or day.
type plannedUnit struct {
	start   time.Time
	streams map[Stream]*plannedStream
}

type plannedStream struct {
	planned time.Duration
	runs    stats.LossRuns
	end     time.Time // of the last sample
}

// add joins a sample, in order of start.
func (u *plannedUnit) add(s Sample) {
	p := u.streams[s.Stream]
	if p == nil {
		p = &plannedStream{}
		u.streams[s.Stream] = p
	}
	p.planned += plannedTime(s)
	if s.Start.Sub(p.end).Abs() <= Adjacency {
		p.runs.Append(s.LossRuns)
	} else {
		p.runs.Separate(s.LossRuns)
	}
	p.end = s.End()
}

// amount is what one link measured.
type amount struct {
	planned time.Duration
	losses  int64 // short ones
}

// links sums up by link. told are the loss periods that are known as outages.
func (u *plannedUnit) links(told map[unitOf]int64) map[siteLink]amount {
	paths := map[siteLink]map[path]amount{}
	for stream, s := range u.streams {
		link := siteLink{stream.Site, stream.Link}
		if paths[link] == nil {
			paths[link] = map[path]amount{}
		}
		a := paths[link][pathOf(stream)]
		a.planned += s.planned
		a.losses += max(s.runs.Count-told[unitOf{stream, u.start}], 0)
		paths[link][pathOf(stream)] = a
	}
	links := map[siteLink]amount{}
	for link, of := range paths {
		var most amount
		for _, a := range of { // of equals the better one: what only one target loses is not the link's
			if a.planned > most.planned || a.planned == most.planned && a.losses < most.losses {
				most = a
			}
		}
		links[link] = most
	}
	return links
}
