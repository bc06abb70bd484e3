package perigee

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Summarize describes every stream that q selects over q's range, ordered by stream:
// its samples merged into one, its availability and its physical floor. Streams
// without samples in the range have no summary.
//
// Long ranges are read from rollups where whole hours and days allow it, unless
// q.Resolution asks otherwise; merging is lossless, so the answer is the same. It
// fails with CodeNotFound for an unknown link.
func Summarize(ctx context.Context, store Store, q Query) ([]Summary, error) {
	known, err := findLinks(ctx, store, q.Site, q.Links)
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, nil
	}
	if q.From, q.To, err = resolveRange(q.From, q.To, known); err != nil {
		return nil, err
	}
	merged := map[Stream]*stepSample{}
	coarsest := cmp.Or(q.Resolution, Days)
	err = scan(ctx, store, q, coarsest, func(s Sample) {
		total := merged[s.Stream]
		if total == nil {
			total = &stepSample{start: q.From}
			merged[s.Stream] = total
		}
		total.add(s)
	})
	if err != nil {
		return nil, err
	}
	down, err := readDowntime(ctx, store, q)
	if err != nil {
		return nil, err
	}
	var summaries []Summary
	for _, stream := range slices.SortedFunc(maps.Keys(merged), Stream.Compare) {
		summaries = append(summaries, summarize(merged[stream], describedAs(known, stream), down.within(stream, q.From, q.To)))
	}
	return summaries, nil
}

// summarize completes a merged sample.
func summarize(total *stepSample, link LinkRecord, down time.Duration) Summary {
	s := Summary{Sample: total.sample, Orbit: link.Link.Orbit}
	s.Availability, s.AvailabilityDefined = availability(down, total.plannedTime)
	s.Floor, s.FloorDefined = Floor(link.Link, link.Site)
	return s
}

// describedAs returns the record of stream's link.
func describedAs(known []LinkRecord, stream Stream) LinkRecord {
	for _, r := range known {
		if r.Site.Name == stream.Site && r.Link.ID == stream.Link {
			return r
		}
	}
	return LinkRecord{Site: Site{Name: stream.Site}, Link: Link{ID: stream.Link}}
}

// findLinks returns the records of links at site, of any site if it is empty and of
// all links if there are none, in the order asked. It fails with CodeNotFound, naming
// those known, if one is not known.
func findLinks(ctx context.Context, store Store, site string, links []LinkID) ([]LinkRecord, error) {
	records, err := store.Links(ctx)
	if err != nil {
		return nil, err
	}
	if site != "" {
		records = slices.DeleteFunc(records, func(r LinkRecord) bool { return r.Site.Name != site })
	}
	if len(links) == 0 {
		return records, nil
	}
	var found []LinkRecord
	for _, id := range links {
		before := len(found)
		for _, r := range records {
			if r.Link.ID == id {
				found = append(found, r)
			}
		}
		if len(found) == before {
			return nil, unknownLink(id, records)
		}
	}
	return found, nil
}

func unknownLink(id LinkID, records []LinkRecord) error {
	names := make([]string, 0, len(records))
	for _, r := range records {
		names = append(names, string(r.Link.ID))
	}
	slices.Sort(names)
	have := "there are none yet"
	if names = slices.Compact(names); len(names) > 0 {
		have = "known links are " + strings.Join(names, ", ")
	}
	return &Error{Code: CodeNotFound, Message: "link " + string(id) + " is not known: " + have}
}

// oneSite returns the site that all of known belong to. It fails with CodeInvalid,
// naming them, if there are several: links of different sites are never mixed.
func oneSite(known []LinkRecord) (string, error) {
	var names []string
	for _, r := range known {
		names = append(names, r.Site.Name)
	}
	slices.Sort(names)
	switch names = slices.Compact(names); len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	default:
		return "", &Error{Code: CodeInvalid, Message: "site not given, and the links belong to several: " + strings.Join(names, ", ")}
	}
}
