package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"perigee"
	"perigee/api"
	"perigee/stats"
)

// outagesCommand says when links failed, and what was to blame.
type outagesCommand struct {
	storeFlags  `embed:""`
	rangeFlags  `embed:""`
	Links       []string `placeholder:"NAME" help:"Of these links. Default: all."`
	By          string   `default:"day" enum:"day,month" help:"Sum up by day or month."`
	Timezone    string   `default:"UTC" placeholder:"ZONE" help:"IANA time zone of days, months and times, e.g. Australia/Sydney."`
	LeapSeconds int      `default:"18" help:"Seconds by which GPS time is ahead of UTC; 18 since 2017."`
	Limit       int      `default:"40" help:"List at most so many, the newest; 0 is all."`
	JSON        bool     `name:"json" help:"Print JSON: the REST API's /disruptions, all of them, and /availability."`
}

// Run implements the command.
func (c outagesCommand) Run(ctx context.Context, s streams) error {
	from, to, err := c.resolve(time.Now())
	if err != nil {
		return err
	}
	location, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--timezone %q is no time zone; write an IANA name like Australia/Sydney", c.Timezone), Err: err}
	}
	if err := checkLeapSeconds(c.LeapSeconds); err != nil {
		return err
	}
	if c.Limit < 0 {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("--limit %d is below 0", c.Limit)}
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	q := perigee.ReliabilityQuery{Links: linkIDs(c.Links), From: from, To: to, By: perigee.CalendarUnit(c.By), Location: location, LeapSeconds: c.LeapSeconds}
	disruptions, err := perigee.Disruptions(ctx, store, perigee.DisruptionQuery{Links: q.Links, From: from, To: to, Location: location, LeapSeconds: c.LeapSeconds})
	if err != nil {
		return err
	}
	q.Disruptions = disruptions
	reliability, err := perigee.ReliabilityOf(ctx, store, q)
	if err != nil {
		return err
	}
	if c.JSON {
		made, err := perigee.ProvenanceOf(ctx, store, perigee.Query{Links: q.Links, To: to})
		if err != nil {
			return err
		}
		report := api.OutageReport{Disruptions: api.NewDisruptions(disruptions, made)}
		if made, err = perigee.ProvenanceOf(ctx, store, perigee.Query{Links: q.Links, From: from, To: to}); err != nil {
			return err
		}
		report.Availability = api.NewAvailabilityResponse(q, reliability, made)
		return writeJSON(s.out, report)
	}
	return c.write(ctx, s.out, store, location, disruptions, reliability)
}

// write prints the answer for a person.
func (c outagesCommand) write(ctx context.Context, w io.Writer, store perigee.Store, location *time.Location, disruptions []perigee.Disruption, reliability []perigee.LinkReliability) error {
	if len(reliability) == 0 {
		_, err := fmt.Fprintln(w, "no link is known yet")
		return err
	}
	total := reliability[0].Total
	if _, err := fmt.Fprintf(w, "%s to %s (%s), times in %s\n\n", total.From.In(location).Format(time.RFC3339), total.To.In(location).Format(time.RFC3339), lasted(total.To.Sub(total.From)), location); err != nil {
		return err
	}
	if err := c.writeList(w, location, disruptions); err != nil {
		return err
	}
	if err := totalsTable(reliability).write(w, 1); err != nil {
		return err
	}
	if days := c.calendar(location, reliability); len(days.rows) > 1 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := days.write(w, 1); err != nil {
			return err
		}
	}
	return writeLossesAtEdges(ctx, w, store, reliability, c.LeapSeconds)
}

// writeList lists the disruptions, the newest of many.
func (c outagesCommand) writeList(w io.Writer, location *time.Location, disruptions []perigee.Disruption) error {
	if len(disruptions) == 0 {
		_, err := fmt.Fprintf(w, "no outages\n\n")
		return err
	}
	shown := disruptions
	if c.Limit > 0 && len(shown) > c.Limit {
		shown = shown[len(shown)-c.Limit:]
		if _, err := fmt.Fprintf(w, "the newest %d of %d (--limit=0 lists all)\n", c.Limit, len(disruptions)); err != nil {
			return err
		}
	}
	several := slices.ContainsFunc(shown, func(d perigee.Disruption) bool { return d.Site != shown[0].Site })
	t := &table{}
	t.add("begin", "class", "blame", "links", "targets", "lasted")
	for _, d := range shown {
		length := lasted(d.Duration())
		if d.Open {
			length = "open, " + length
		}
		links := joined(d.Links)
		if several {
			links = d.Site + ": " + links
		}
		t.add(d.Start.In(location).Format(time.DateTime), string(d.Class), string(d.Blame), links, joined(d.Targets), length)
	}
	if err := t.write(w, 5); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	for _, d := range shown {
		if _, err := fmt.Fprintf(w, "%s  %s\n", d.Start.In(location).Format(time.DateTime), d.Why); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// totalsTable shows one row for each link.
func totalsTable(reliability []perigee.LinkReliability) *table {
	t := &table{}
	t.add("link", "measured", "available", "failures", "by class", "down", "longest", "MTBF", "MTTR", "excused", "short losses")
	for _, l := range reliability {
		r := l.Total
		available, ok := r.Availability()
		mtbf, mtbfDefined := r.MTBF()
		between := lasted(mtbf)
		switch {
		case r.Planned == 0:
			between = undefined
		case !mtbfDefined:
			between = "> " + between
		}
		repair := undefined
		if mttr, ok := r.MTTR(); ok {
			repair = lasted(mttr)
		}
		var classes []string
		for _, class := range perigee.DisruptionClasses {
			if share, ok := r.Classes[class]; ok {
				classes = append(classes, fmt.Sprintf("%d %s", share.Count, class))
			}
		}
		excused := 0
		for _, share := range r.Excused {
			excused += share.Count
		}
		t.add(nameAmong(l, reliability), lasted(r.Planned), availablePercent(available, ok), count(int64(r.Failures)), cmp.Or(strings.Join(classes, ", "), undefined),
			lasted(r.Down), lasted(r.Longest), between, repair, count(int64(excused)), count(r.ShortLosses))
	}
	return t
}

// nameAmong names a link, with its site if links of others stand beside it.
func nameAmong(l perigee.LinkReliability, all []perigee.LinkReliability) string {
	if all[0].Link.Site.Name == all[len(all)-1].Link.Site.Name {
		return string(l.Link.Link.ID)
	}
	return l.Link.Site.Name + "/" + string(l.Link.Link.ID)
}

// calendar shows one row for each day or month, with the availability of each link and
// its failures.
func (c outagesCommand) calendar(location *time.Location, reliability []perigee.LinkReliability) *table {
	layout := time.DateOnly
	if c.By == string(perigee.ByMonth) {
		layout = "2006-01"
	}
	cells := map[string]map[int]string{}
	head := []string{c.By}
	for i, l := range reliability {
		head = append(head, nameAmong(l, reliability))
		for _, p := range l.Periods {
			name := p.From.In(location).Format(layout)
			if cells[name] == nil {
				cells[name] = map[int]string{}
			}
			available, ok := p.Availability()
			cells[name][i] = fmt.Sprintf("%s (%d)", availablePercent(available, ok), p.Failures)
		}
	}
	t := &table{}
	t.add(head...)
	var names []string
	for name := range cells {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		row := []string{name}
		for i := range reliability {
			row = append(row, cmp.Or(cells[name][i], undefined))
		}
		t.add(row...)
	}
	return t
}

// writeLossesAtEdges says of Starlink links how many short losses began where slots
// meet, by the single probes of the last day. Where there are none it says nothing.
func writeLossesAtEdges(ctx context.Context, w io.Writer, store perigee.Store, reliability []perigee.LinkReliability, leap int) error {
	for _, l := range reliability {
		if l.Link.Link.Orbit != perigee.OrbitStarlink {
			continue
		}
		from := l.Total.From
		if day := l.Total.To.Add(-24 * time.Hour); from.Before(day) {
			from = day
		}
		a, err := perigee.Slots(ctx, store, perigee.SlotQuery{Site: l.Link.Site.Name, Link: l.Link.Link.ID, From: from, To: l.Total.To, LeapSeconds: leap})
		if code := perigee.CodeOf(err); code == perigee.CodeNotEnoughData {
			continue
		} else if err != nil {
			return err
		}
		share, chance, ok := a.Statistics.AtEdge(func(p stats.SlotPhase) int64 { return p.LossPeriods })
		if !ok {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s, last day: %s of the losses of two or more in a row began within a second of where slots meet (%s by chance)\n", l.Link.Link.ID, percent(share, true), percent(chance, true)); err != nil {
			return err
		}
	}
	return nil
}

// availablePercent shows an availability with the three figures after the point that
// tell minutes of a month apart; what is not all is never shown as all.
func availablePercent(ratio float64, ok bool) string {
	if !ok {
		return undefined
	}
	text := fmt.Sprintf("%.3f %%", ratio*100)
	if ratio < 1 && text == "100.000 %" {
		return "> 99.999 %"
	}
	return text
}

// lasted shows how long something took in the two units that matter.
func lasted(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	}
}

func joined[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	return strings.Join(words, ",")
}
