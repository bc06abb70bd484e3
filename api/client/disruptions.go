package client

import (
	"context"
	"strconv"

	"perigee"
	"perigee/api"
)

// Calendar narrows a question for disruptions further; what is zero is left to the
// monitor. Of a Filter, Site, Link, From and To are used.
type Calendar struct {
	Filter
	By       perigee.CalendarUnit // of Availability alone
	Timezone string               // IANA name
	Limit    int                  // of Disruptions alone: only so many, the newest
}

// Disruptions returns outages merged by cause that overlap a range.
func (c *Client) Disruptions(ctx context.Context, f Calendar) ([]api.Disruption, error) {
	v := Filter{Site: f.Site, Link: f.Link, From: f.From, To: f.To}.values()
	set(v, "timezone", f.Timezone)
	if f.Limit != 0 {
		v.Set("limit", strconv.Itoa(f.Limit))
	}
	var list []api.Disruption
	return list, c.get(ctx, "disruptions", v, &list)
}

// Availability returns how often and how long links failed in a range.
func (c *Client) Availability(ctx context.Context, f Calendar) (api.AvailabilityResponse, error) {
	v := Filter{Site: f.Site, Link: f.Link, From: f.From, To: f.To}.values()
	set(v, "timezone", f.Timezone)
	set(v, "by", string(f.By))
	var answer api.AvailabilityResponse
	return answer, c.get(ctx, "availability", v, &answer)
}
