package probes

import (
	"testing"
	"time"
)

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return zone
}

func TestPeriodOfTheBillingMonth(t *testing.T) {
	const layout = "2006-01-02T15:04:05"
	for _, c := range []struct {
		name       string
		on         int
		zone       string
		at         string // RFC 3339
		start, end string // local
	}{
		{"first of the month", 1, "UTC", "2026-11-23T12:00:00Z", "2026-11-01T00:00:00", "2026-12-01T00:00:00"},
		{"day left out is the first", 0, "UTC", "2026-11-23T12:00:00Z", "2026-11-01T00:00:00", "2026-12-01T00:00:00"},
		{"last instant", 12, "UTC", "2026-11-11T23:59:59.999999999Z", "2026-10-12T00:00:00", "2026-11-12T00:00:00"},
		{"first instant", 12, "UTC", "2026-11-12T00:00:00Z", "2026-11-12T00:00:00", "2026-12-12T00:00:00"},
		{"over new year", 12, "UTC", "2026-12-31T00:00:00Z", "2026-12-12T00:00:00", "2027-01-12T00:00:00"},
		{"31 in February", 31, "UTC", "2027-02-15T00:00:00Z", "2027-01-31T00:00:00", "2027-02-28T00:00:00"},
		{"31 from February on", 31, "UTC", "2027-02-28T00:00:00Z", "2027-02-28T00:00:00", "2027-03-31T00:00:00"},
		{"30 in a leap year", 30, "UTC", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00", "2028-03-30T00:00:00"},
		{"31 in April", 31, "UTC", "2027-04-30T12:00:00Z", "2027-04-30T00:00:00", "2027-05-31T00:00:00"},
		{"in the provider's calendar", 1, "Australia/Sydney", "2026-11-30T13:30:00Z", "2026-12-01T00:00:00", "2027-01-01T00:00:00"},
		{"west of Greenwich", 1, "America/Los_Angeles", "2026-12-01T07:59:59Z", "2026-11-01T00:00:00", "2026-12-01T00:00:00"},
		// On 29 March 2026 clocks in Berlin go from 2:00 to 3:00, in Beirut from 0:00 to
		// 1:00; on 25 October 2026 both have the hour before 3:00 or 0:00 twice.
		{"day of 23 hours", 29, "Europe/Berlin", "2026-03-28T22:59:59Z", "2026-02-28T00:00:00", "2026-03-29T00:00:00"},
		{"day of 25 hours", 25, "Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25T00:00:00", "2026-11-25T00:00:00"},
		{"no midnight", 29, "Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-29T01:00:00", "2026-04-29T00:00:00"},
		{"before no midnight", 29, "Asia/Beirut", "2026-03-28T21:59:59Z", "2026-02-28T00:00:00", "2026-03-29T01:00:00"},
		{"no midnight in the west", 4, "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T01:00:00", "2018-12-04T00:00:00"},
		// Samoa had no 30 December 2011.
		{"no such day", 30, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00", "2012-01-30T00:00:00"},
		{"the day before no such day", 30, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-11-30T00:00:00", "2011-12-31T00:00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			m := BillingMonth{ResetsOn: c.on, Location: mustZone(t, c.zone)}
			start, end := m.Period(at)
			if got := start.Format(layout); got != c.start {
				t.Errorf("starts %s, want %s", got, c.start)
			}
			if got := end.Format(layout); got != c.end {
				t.Errorf("ends %s, want %s", got, c.end)
			}
		})
	}
}

// Over eight years and in zones with all kinds of changes: every instant lies in its
// month, months follow one another without a hole, and none is shorter than 28 days or
// longer than 31 by more than a change of the clocks.
func TestPeriodsFollowOneAnother(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"} {
		location := mustZone(t, zone)
		for on := 1; on <= 31; on++ {
			m := BillingMonth{ResetsOn: on, Location: location}
			var before time.Time
			for at := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2030; {
				start, end := m.Period(at)
				if start.After(at) || !end.After(at) {
					t.Fatalf("%s, %d: %v is not within %v to %v", zone, on, at, start, end)
				}
				if !before.IsZero() && !start.Equal(before) {
					t.Fatalf("%s, %d: a month ends at %v and the next starts at %v", zone, on, before, start)
				}
				if days := end.Sub(start).Hours() / 24; days < 27.9 || days > 31.1 {
					t.Fatalf("%s, %d: %v to %v has %.2f days", zone, on, start, end, days)
				}
				for _, inside := range []time.Time{start, end.Add(-1), start.Add(end.Sub(start) / 2)} {
					if s, e := m.Period(inside); !s.Equal(start) || !e.Equal(end) {
						t.Fatalf("%s, %d: %v is within %v to %v, but also %v to %v", zone, on, inside, s, e, start, end)
					}
				}
				before, at = end, end
			}
		}
	}
}
