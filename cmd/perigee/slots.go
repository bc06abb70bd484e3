package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"perigee"
	"perigee/api"
	"perigee/stats"
)

// slotsCommand says whether a link has Starlink's slots.
type slotsCommand struct {
	storeFlags  `embed:""`
	Link        string `required:"" placeholder:"NAME" help:"The link."`
	From        string `placeholder:"TIME" help:"Begin of the range: RFC 3339, Unix seconds, or a duration such as 24h or 7d before now. Default: a day before --to. A week at most."`
	To          string `placeholder:"TIME" help:"End of the range, likewise. Default: the last result."`
	Target      string `placeholder:"NAME" help:"Probes to this target. Default: the one with the most."`
	Family      string `placeholder:"ipv4|ipv6" help:"Probes by this IP version. Default: IPv4 if measured."`
	LeapSeconds int    `default:"18" help:"Seconds by which GPS time is ahead of UTC; 18 since 2017."`
	Series      bool   `help:"With --json: each slot, too."`
	JSON        bool   `name:"json" help:"Print JSON, as the REST API's /slots."`
}

// Run implements the command.
func (c slotsCommand) Run(ctx context.Context, s streams) error {
	from, to, err := rangeFlags{From: c.From, To: c.To}.resolve(time.Now())
	if err != nil {
		return err
	}
	if err := checkLeapSeconds(c.LeapSeconds); err != nil {
		return err
	}
	if c.Series && !c.JSON {
		return &perigee.Error{Code: perigee.CodeInvalid, Message: "--series is for --json: add it"}
	}
	store, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	a, err := perigee.Slots(ctx, store, perigee.SlotQuery{
		Link: perigee.LinkID(c.Link), Target: perigee.TargetID(c.Target), Family: perigee.Family(c.Family),
		From: from, To: to, LeapSeconds: c.LeapSeconds, Clock: clockQuality(),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		made, err := perigee.ProvenanceOf(ctx, store, perigee.Query{Site: a.Stream.Site, Links: []perigee.LinkID{a.Stream.Link}, From: a.From, To: a.To})
		if err != nil {
			return err
		}
		return writeJSON(s.out, api.NewSlotsResponse(a, c.Series, made))
	}
	return writeSlots(s.out, a)
}

// writeSlots prints the analysis for a person.
func writeSlots(w io.Writer, a perigee.SlotAnalysis) error {
	if _, err := fmt.Fprintf(w, "%s at %s (%s), %s to %s, a probe every %s\n\n", a.Stream.Link, a.Stream.Target, a.Stream.Family,
		a.From.UTC().Format(time.RFC3339), a.To.UTC().Format(time.RFC3339), a.Interval); err != nil {
		return err
	}
	if err := phaseTable(a.Statistics).write(w, 1); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", a.Verdict); err != nil {
		return err
	}
	for _, line := range slotLines(a.Statistics) {
		if _, err := fmt.Fprintf(w, "    %s\n", line); err != nil {
			return err
		}
	}
	for _, warning := range a.Warnings {
		if _, err := fmt.Fprintf(w, "    warning: %s\n", warning); err != nil {
			return err
		}
	}
	return nil
}

// phaseTable shows one row for each second of the slots.
func phaseTable(s stats.SlotStatistics) *table {
	t := &table{}
	t.add("second", "sent", "lost", "loss", "min", "p50", "p95", "mean step", "prominence")
	for i, p := range s.Phases {
		name := count(int64(i))
		if s.BestDefined && i == s.Best {
			name += " best"
		}
		prominence := undefined
		if p.Compared > 0 {
			prominence = fmt.Sprintf("%.2f", p.Prominence)
		}
		loss := 0.0
		if p.Sent > 0 {
			loss = float64(p.Lost) / float64(p.Sent)
		}
		t.add(name, count(p.Sent), count(p.Lost), percent(loss, p.Sent > 0), milliseconds(p.RTT.Min, p.RTT.Count > 0),
			milliseconds(p.RTT.Quantile(0.5)), milliseconds(p.RTT.Quantile(0.95)), milliseconds(p.Steps.Mean, p.Steps.Count > 0), prominence)
	}
	return t
}

// slotLines say in numbers what the verdict says in words.
func slotLines(s stats.SlotStatistics) []string {
	var lines []string
	if ratio, ok := s.StepRatio(); ok {
		lines = append(lines, fmt.Sprintf("steps where slots meet are %.2f times those elsewhere; %d slots compared, probability by chance %.2g",
			ratio, s.Phases[0].Compared, s.Chance))
	}
	for _, e := range []struct {
		of    string
		count func(stats.SlotPhase) int64
	}{
		{"losses", func(p stats.SlotPhase) int64 { return p.Lost }},
		{"losses of two or more in a row", func(p stats.SlotPhase) int64 { return p.LossPeriods }},
	} {
		if share, chance, ok := s.AtEdge(e.count); ok {
			lines = append(lines, fmt.Sprintf("%s within a second of where slots meet: %s of all (%s by chance)", e.of, percent(share, true), percent(chance, true)))
		}
	}
	return lines
}
