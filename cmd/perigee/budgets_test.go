package main

import (
	"reflect"
	"testing"
	"time"

	"perigee"
	"perigee/api"
)

// What is told of budgets is the sum of all purposes, the device's bytes not among them.
func TestMonitorStateSumsPurposes(t *testing.T) {
	start := time.Date(2026, 3, 12, 0, 0, 0, 0, time.UTC)
	end := start.AddDate(0, 1, 0)
	links := []perigee.Link{{ID: "fibre", Orbit: perigee.OrbitTerrestrial}, {ID: "geo", Orbit: perigee.OrbitGEO}}
	got := monitorState(perigee.Site{Name: "home"}, links, []api.BudgetState{
		{Link: "geo", Start: start, End: end, Allowance: 1000, Left: 400, Device: 5000, Used: map[perigee.Purpose]int64{
			perigee.PurposeProbing: 100, perigee.PurposeOutbox: 50, perigee.PurposeTransfer: 200, perigee.PurposeManual: 50, api.PurposeEarlier: 200}},
		{Link: "fibre", Start: start, End: end, Device: -1, Used: map[perigee.Purpose]int64{perigee.PurposeProbing: 7}},
	})
	want := perigee.MonitorState{Site: "home", Budgets: []perigee.BudgetUse{
		{Link: "geo", Orbit: perigee.OrbitGEO, Start: start, End: end, Used: 600, Allowance: 1000, Device: 5000},
		{Link: "fibre", Orbit: perigee.OrbitTerrestrial, Start: start, End: end, Used: 7, Device: -1},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
