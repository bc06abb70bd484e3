package main

import (
	"context"
	"slices"

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

// monitorState tells what the database is to know of this monitor.
func (t *transferring) monitorState(ctx context.Context) (perigee.MonitorState, error) {
	budgets, err := t.Budgets(ctx)
	return monitorState(t.plan.site, t.plan.links, budgets), err
}

// monitorState returns what every link has used of its budget.
func monitorState(site perigee.Site, links []perigee.Link, budgets []api.BudgetState) perigee.MonitorState {
	state := perigee.MonitorState{Site: site.Name}
	for _, b := range budgets {
		use := perigee.BudgetUse{Link: b.Link, Start: b.Start, End: b.End, Allowance: b.Allowance, Device: b.Device}
		for _, bytes := range b.Used {
			use.Used += bytes
		}
		if i := slices.IndexFunc(links, func(l perigee.Link) bool { return l.ID == b.Link }); i >= 0 {
			use.Orbit = links[i].Orbit
		}
		state.Budgets = append(state.Budgets, use)
	}
	return state
}
