package main

import (
	"context"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/probes"
)

// newBudgets returns the budgets of a configuration as they are planned with.
func newBudgets(configured map[perigee.LinkID]config.Budget) map[perigee.LinkID]probes.Budget {
	budgets := map[perigee.LinkID]probes.Budget{}
	for id, b := range configured {
		budgets[id] = probes.Budget{
			Bytes: b.Bytes, Month: probes.BillingMonth{ResetsOn: b.ResetsOn, Location: b.Location}, Reserve: b.Reserve, Used: b.Used, UsedOn: b.UsedOn,
		}
	}
	return budgets
}

// Budgets implements api.Budget: what every link moved, and may still move.
func (t *transferring) Budgets(ctx context.Context) ([]api.BudgetState, error) {
	now := t.clock().Wall
	next := map[perigee.LinkID]probes.TransferStatus{}
	for _, s := range t.Status() {
		next[s.Link] = s
	}
	var all []api.BudgetState
	for _, l := range t.plan.probed() {
		b, limited := t.plan.budgets[l.ID]
		state := api.BudgetState{Site: t.plan.site.Name, Link: l.ID, Stretch: 1, NextTest: next[l.ID].Next}
		state.Start, state.End = b.Month.Period(now)
		spent := t.account.spent(l.ID, b, now)
		if limited {
			a, _ := t.allot(l.ID, now)
			state.Allowance, state.Left, state.Steady, state.Reserved = b.Bytes, a.Left, a.Steady, a.Reserved
			state.Round, state.Manual, state.Stretch, state.Skip = a.Round, a.Manual, a.Stretch, a.Skip
		} else {
			spent.Earlier = 0 // it is assumed for budgets alone
		}
		state.Used = map[perigee.Purpose]int64{
			perigee.PurposeProbing: spent.Probing, perigee.PurposeOutbox: spent.Forwarding,
			perigee.PurposeTransfer: spent.Scheduled, perigee.PurposeManual: spent.Manual, api.PurposeEarlier: spent.Earlier,
		}
		var err error
		if state.Device, err = t.account.deviceSince(ctx, l.ID, state.Start); err != nil {
			return nil, err
		}
		all = append(all, state)
	}
	return all, nil
}
