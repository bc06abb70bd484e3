package config

import (
	"testing"
	"time"
)

func TestBudgets(t *testing.T) {
	sydney, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Budget{
		"{bytes: 5GB}": {5e9, 1, time.Local, 0.1, 0, time.Time{}},
		"{bytes: 5GB, resets_on: 31, reserve: 0}":                                   {5e9, 31, time.Local, 0, 0, time.Time{}},
		"{bytes: 5GB, reserve: 0.25}":                                               {5e9, 1, time.Local, 0.25, 0, time.Time{}},
		"{bytes: 5GB, used: 0, used_on: 2026-11-20}":                                {5e9, 1, time.Local, 0.1, 0, time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local)},
		"{bytes: 5GB, used: 1.5GB, used_on: \"2026-11-20\"}":                        {5e9, 1, time.Local, 0.1, 1.5e9, time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local)},
		"{used_on: 2026-11-20, timezone: Australia/Sydney, used: 10MB, bytes: 5GB}": {5e9, 1, sydney, 0.1, 10e6, time.Date(2026, 11, 20, 0, 0, 0, 0, sydney)},
		"{bytes: 5GB, timezone: UTC}":                                               {5e9, 1, time.UTC, 0.1, 0, time.Time{}},
	} {
		c := mustParse(t, "links:\n  - {name: a, orbit: leo, interface: eth0, budget: "+text+"}\n  - {name: b, orbit: geo, interface: eth1}\ntargets:\n  - {name: t, address: 1.1.1.1}\n")
		got, ok := c.Budgets["a"]
		same := got.UsedOn.Equal(want.UsedOn) && got.Location.String() == want.Location.String()
		got.UsedOn, got.Location, want.UsedOn, want.Location = time.Time{}, nil, time.Time{}, nil
		if !ok || !same || got != want {
			t.Errorf("%s: %+v, want %+v", text, c.Budgets["a"], want)
		}
		if len(c.Budgets) != 1 || len(c.Metered) != 1 || c.Metered[0] != "a" || len(c.Warnings) > 0 {
			t.Errorf("%s: budgets %v, metered %v, warnings %q", text, c.Budgets, c.Metered, c.Warnings)
		}
	}
}
