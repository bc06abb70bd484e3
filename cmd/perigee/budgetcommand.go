package main

import (
	"context"
	"fmt"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/clock"
	"perigee/storage/sqlite"
)

// budgetCommand says what each link moved, and may still move.
type budgetCommand struct {
	configFlag `embed:""`
	JSON       bool `name:"json" help:"Print JSON, as the REST API's /budget."`
}

// Run implements the command. The daemon, if one runs, is asked: it knows what comes next.
func (c budgetCommand) Run(ctx context.Context, s streams) error {
	p, err := c.plan()
	if err != nil {
		return err
	}
	var budgets []api.LinkBudget
	daemon, err := runningDaemon(ctx, p)
	if err != nil {
		return err
	}
	if daemon != nil {
		budgets, err = daemon.Budget(ctx)
	} else {
		budgets, err = storedBudgets(ctx, s, p)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, budgets)
	}
	t := &table{}
	t.add("link", "state", "used", "of", "by its device", "next test", "")
	for _, b := range budgets {
		of, device, next := undefined, undefined, undefined
		if b.Allowance != nil {
			of = byteSize(float64(*b.Allowance))
		}
		if b.Device != nil {
			device = byteSize(float64(*b.Device))
		}
		if b.NextTest != nil {
			next = b.NextTest.Local().Format("2 Jan 15:04")
		}
		t.add(b.Link, b.State, byteSize(float64(b.UsedTotal)), of, device, next, "")
	}
	if err := t.write(s.out, 2); err != nil {
		return err
	}
	for _, b := range budgets {
		if _, err := fmt.Fprintf(s.out, "%s: %s\n", b.Link, b.StateText); err != nil {
			return err
		}
	}
	return nil
}

// storedBudgets reads what the last daemon counted.
func storedBudgets(ctx context.Context, s streams, p plan) ([]api.LinkBudget, error) {
	store, err := sqlite.OpenReader(ctx, storeFile(p.storePath))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	read := clock.System()
	now := func() time.Time { return read().Wall }
	account, err := newAccount(ctx, store, p, now)
	if err != nil {
		return nil, err
	}
	defer account.Close()
	t, err := newTransferring(p, transferringOptions{
		clock: read, account: account, log: s.log(), record: func(context.Context, perigee.Batch) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	states, err := t.Budgets(ctx)
	if err != nil {
		return nil, err
	}
	budgets := []api.LinkBudget{}
	for _, b := range states {
		budgets = append(budgets, api.NewLinkBudget(b, now()))
	}
	return budgets, nil
}
