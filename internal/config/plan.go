package config

import "perigee"

// Bounds of the rates of a plan, in bit/s.
const (
	minPlanRate = 1_000
	maxPlanRate = 1_000_000_000_000
)

// plan reads what was promised of a link.
func (r *reader) plan(raw rawPlan) perigee.Plan {
	var p perigee.Plan
	if !raw.given {
		return p
	}
	if !raw.Down.given() && !raw.Up.given() && !raw.Availability.given() {
		r.problem(raw.at, raw.path, "promises nothing; write down, up or availability, such as {down: 100Mbit/s, availability: 99.5%}")
		return p
	}
	if n, ok := r.rate(raw.Down, minPlanRate, maxPlanRate, "100Mbit/s", ""); ok {
		p.Down = float64(n)
	}
	if n, ok := r.rate(raw.Up, minPlanRate, maxPlanRate, "20Mbit/s", ""); ok {
		p.Up = float64(n)
	}
	if share, ok := r.share(raw.Availability, 1); ok {
		if share == 0 {
			r.problem(raw.Availability.at, raw.Availability.path, "0% is no promise; write what was promised, such as 99.5%, or remove the key")
		}
		p.Availability = share
	}
	return p
}
