package config

import (
	"time"
	_ "time/tzdata" // time zones by name also where the system has none

	"perigee"
)

// DefaultReserve is the share of a budget that is kept for transfers by hand.
const DefaultReserve = 0.1

// Bounds of budgets.
const (
	minBudget  = 1_000_000
	maxBudget  = 1_000_000_000_000_000
	maxReserve = 0.9
)

// Budget is what may be moved over a link in each month of its plan.
type Budget struct {
	Bytes    int64 // on the wire, both directions together
	ResetsOn int   // day of the month on which the plan's month begins; in a shorter month its last

	// Location is of the provider's calendar; time.Local unless the file says.
	Location *time.Location

	// Reserve is the share of Bytes, 0 to 1, kept for transfers by hand.
	Reserve float64

	// Used is what was used of Bytes before UsedOn, the beginning of a day, in
	// the plan's month that it lies in. UsedOn is zero if the file does not say.
	Used   int64
	UsedOn time.Time
}

// budgets reads what may be moved over links, and which links are metered, in the file's
// order.
func (r *reader) budgets(raw []rawLink, links []perigee.Link) (map[perigee.LinkID]Budget, []perigee.LinkID) {
	var budgets map[perigee.LinkID]Budget
	var metered []perigee.LinkID
	for i, l := range links {
		if raw[i].Budget.given {
			if budgets == nil {
				budgets = make(map[perigee.LinkID]Budget)
			}
			budgets[l.ID] = r.budget(raw[i].Budget)
			metered = append(metered, l.ID)
		}
	}
	return budgets, metered
}

// budget reads what may be moved over one link.
func (r *reader) budget(raw rawBudget) Budget {
	b := Budget{ResetsOn: 1, Location: time.Local, Reserve: DefaultReserve}
	r.required(raw.section, raw.Bytes, raw.path+".bytes", "write what may be moved in a month, such as 20GB")
	b.Bytes, _ = r.bytes(raw.Bytes, minBudget, maxBudget)
	if day, ok := r.integer(raw.ResetsOn, 1, 31, "the day of the month on which the plan's month begins"); ok {
		b.ResetsOn = int(day)
	}
	if name, ok := r.text(raw.TimeZone); ok {
		zone, err := time.LoadLocation(name)
		switch {
		case err != nil:
			r.wrong(raw.TimeZone, "is not a time zone; write its name in the IANA database, such as Australia/Sydney")
		case name == "Local":
			r.problem(raw.TimeZone.at, raw.TimeZone.path, "the system's own time zone is the default; remove the key")
		default:
			b.Location = zone
		}
	}
	if share, ok := r.share(raw.Reserve, maxReserve); ok {
		b.Reserve = share
	}
	b.Used, _ = r.bytes(raw.Used, 0, maxBudget)
	if raw.Used.given() {
		r.required(raw.section, raw.UsedOn, raw.path+".used_on", "write the day on whose beginning so much was used, such as 2026-11-20")
	} else if raw.UsedOn.given() {
		r.required(raw.section, raw.Used, raw.path+".used", "write what was used when that day began, such as 500MB or 0")
	}
	if s, ok := r.word(raw.UsedOn); ok {
		day, err := time.ParseInLocation(time.DateOnly, s, b.Location)
		if err != nil {
			r.wrong(raw.UsedOn, "is not a day; write year, month and day such as 2026-11-20")
		} else {
			b.UsedOn = day
		}
	}
	return b
}
