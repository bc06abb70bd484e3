package perigee

import (
	"context"
	"time"
)

// PlanKept says how much of the time what was promised of a link was met. Each number of
// times met is meaningful if what it is of is not 0.
type PlanKept struct {
	Plan Plan

	// Transfers down and up that reached a steady rate, and how many of them met the
	// promised one. Their times are spread at random, so that the share of them is that
	// of the time.
	Down, DownMet int
	Up, UpMet     int

	// Days, of UTC, that were measured for half of their length or more, and how many of
	// them met the promised availability.
	Days, DaysMet int
}

// KeptPlans says for each of known, links of one site, in the same order, how the plan was
// met from from to to. Links of which nothing was promised cost nothing.
func KeptPlans(ctx context.Context, store Store, known []LinkRecord, from, to time.Time) ([]PlanKept, error) {
	kept := make([]PlanKept, len(known))
	for i, r := range known {
		plan := r.Link.Plan
		kept[i].Plan = plan
		if plan.Down > 0 || plan.Up > 0 {
			if err := kept[i].countTransfers(ctx, store, Query{Site: r.Site.Name, Links: []LinkID{r.Link.ID}, From: from, To: to}); err != nil {
				return nil, err
			}
		}
	}
	return kept, countDays(ctx, store, known, kept, from, to)
}

func (k *PlanKept) countTransfers(ctx context.Context, store Store, q Query) error {
	count := func(rate, promised float64, of, met *int) {
		if promised <= 0 {
			return
		}
		*of++
		if rate >= promised {
			*met++
		}
	}
	for t, err := range store.Throughputs(ctx, q) {
		switch {
		case err != nil:
			return err
		case !t.Steady:
		case t.Stream.Load == LoadDown:
			count(t.Rate, k.Plan.Down, &k.Down, &k.DownMet)
		case t.Stream.Load == LoadUp:
			count(t.Rate, k.Plan.Up, &k.Up, &k.UpMet)
		}
	}
	return nil
}

// measuredDay is how much of a day must have been measured to judge it.
const measuredDay = 12 * time.Hour

// countDays goes by what is charged to links: a target that is down is not their doing.
func countDays(ctx context.Context, store Store, known []LinkRecord, kept []PlanKept, from, to time.Time) error {
	q := ReliabilityQuery{From: from, To: to}
	at := map[LinkID]*PlanKept{}
	for i, r := range known {
		if kept[i].Plan.Availability > 0 {
			q.Site, q.Links = r.Site.Name, append(q.Links, r.Link.ID)
			at[r.Link.ID] = &kept[i]
		}
	}
	if len(at) == 0 || to.Sub(from) < measuredDay {
		return nil
	}
	links, err := ReliabilityOf(ctx, store, q)
	if err != nil {
		return err
	}
	for _, link := range links {
		k := at[link.Link.Link.ID]
		for _, day := range link.Periods {
			a, ok := day.Availability()
			if !ok || day.Planned < measuredDay {
				continue
			}
			k.Days++
			if a >= k.Plan.Availability {
				k.DaysMet++
			}
		}
	}
	return nil
}

// holdAgainstPlans completes the summaries of c; of groups it does not, because plans
// are not promised by the hour.
func (c *Comparison) holdAgainstPlans(ctx context.Context, store Store, known []LinkRecord) error {
	if c.By != "" {
		return nil
	}
	kept, err := KeptPlans(ctx, store, known, c.From, c.To)
	if err != nil {
		return err
	}
	for i := range c.Links {
		for j, r := range known {
			if !c.Links[i].Baseline && c.Links[i].Sample.Stream.Link == r.Link.ID {
				c.Links[i].Plan = kept[j]
			}
		}
	}
	return nil
}
