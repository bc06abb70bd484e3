package client

import (
	"context"
	"strconv"

	"perigee/api"
)

// SlotsFilter narrows a question for slots further; what is zero is left to the monitor.
// A Filter's Load is not used: slots are looked for in idle probes.
type SlotsFilter struct {
	Filter
	LeapSeconds int  // by which GPS time is ahead of UTC
	WithSeries  bool // each slot too; of a day at most
}

// Slots returns whether the round trips of f.Link step in Starlink's slots. It fails with
// CodeNotEnoughData if that cannot be told, e.g. because a monitor that reads InfluxDB has
// no single probes.
func (c *Client) Slots(ctx context.Context, f SlotsFilter) (api.SlotsResponse, error) {
	v := f.values()
	v.Del("load")
	if f.LeapSeconds != 0 {
		v.Set("leap_seconds", strconv.Itoa(f.LeapSeconds))
	}
	if f.WithSeries {
		v.Set("series", "true")
	}
	var slots api.SlotsResponse
	return slots, c.get(ctx, "slots", v, &slots)
}
