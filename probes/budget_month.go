package probes

import "time"

// BillingMonth says when the months of a link's plan begin.
type BillingMonth struct {
	ResetsOn int            // day of the month, 1 to 31, the last of months that have no such day; 0 is 1
	Location *time.Location // of the provider's calendar; UTC if nil
}

// Period returns the billing month that at lies in: start <= at < end. Both are the
// first instants of their days in Location, where a day need not begin at midnight nor
// have 24 hours.
func (m BillingMonth) Period(at time.Time) (start, end time.Time) {
	local := at.In(m.location())
	year, month := local.Year(), local.Month()
	start = m.reset(year, month)
	for start.After(at) {
		month--
		start = m.reset(year, month)
	}
	for {
		month++
		end = m.reset(year, month)
		if end.After(at) {
			return start, end
		}
		start = end
	}
}

// reset returns when the plan starts anew in a month, which may be any number of months
// from January of the year.
func (m BillingMonth) reset(year int, month time.Month) time.Time {
	const noon = 12 // away from any change of the clocks
	last := time.Date(year, month+1, 0, noon, 0, 0, 0, time.UTC)
	return dayBegin(last.Year(), last.Month(), min(max(m.ResetsOn, 1), last.Day()), m.location())
}

func (m BillingMonth) location() *time.Location {
	if m.Location == nil {
		return time.UTC
	}
	return m.Location
}

// dayBegin returns the first instant of a day, or of the next one there is where a place
// left the day out. Where the clocks are put forward at midnight a day begins later than
// 0:00, which it has not; time.Date then returns an instant before or after the change.
func dayBegin(year int, month time.Month, day int, in *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, in)
	shown := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	before, after := t.ZoneBounds()
	switch shown.Compare(time.Date(year, month, day, 0, 0, 0, 0, time.UTC)) {
	case -1:
		return after
	case +1:
		return before
	}
	return t
}
