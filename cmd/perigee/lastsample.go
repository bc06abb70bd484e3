package main

import (
	"context"
	"time"

	"perigee"
)

// lastBefore corrects what links tell of their last samples for those that end after now, as
// they do where the clock ran ahead and was set right: else nobody would tell of the time
// between such a monitor's death and its next start. They get the end of the last window
// that ends before now, none of before since; or keep what they had if there is none.
func lastBefore(ctx context.Context, store perigee.Store, links []perigee.LinkRecord, since, now time.Time) error {
	for i := range links {
		l := &links[i]
		if !l.Last.After(now) {
			continue
		}
		last, err := lastWindow(ctx, store, *l, since, now)
		if err != nil {
			return err
		}
		if !last.IsZero() {
			l.Last = last
		}
	}
	return nil
}

// lastWindow returns the end of a link's last window that ends before now; zero if there is
// none since. Most are found in the first look: that a monitor was off for longer is rare.
func lastWindow(ctx context.Context, store perigee.Store, l perigee.LinkRecord, since, now time.Time) (last time.Time, err error) {
	to := now
	for span := time.Hour; to.After(since); span *= 8 {
		from := to.Add(-span)
		if from.Before(since) {
			from = since
		}
		for s, err := range store.Samples(ctx, perigee.Query{Site: l.Site.Name, Links: []perigee.LinkID{l.Link.ID}, From: from, To: to}) {
			if err != nil {
				return time.Time{}, err
			}
			if end := s.End(); end.After(last) && !end.After(now) {
				last = end
			}
		}
		if !last.IsZero() {
			break
		}
		to = from
	}
	return last, nil
}
