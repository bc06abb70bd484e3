package client

import (
	"context"
	"strconv"
	"strings"
	"time"

	"perigee"
	"perigee/api"
)

// CompareFilter says what is compared, and by what; what is zero is left to the monitor,
// which then compares every link with every other by their round trips, as one group. The
// Link of the Filter is not used.
type CompareFilter struct {
	Filter
	Metric   perigee.MetricName
	Links    []string
	Quantile float64 // that verdicts are about: 0.5, 0.95 or 0.99

	By          perigee.Grouping
	Timezone    string // of hours, weekdays and days, by its name in the IANA database
	LeapSeconds int

	Baseline                 string    // the link that all others are compared with
	BaselineFrom, BaselineTo time.Time // the period that each link is compared with
}

// Compare compares links with each other, or with a baseline.
func (c *Client) Compare(ctx context.Context, f CompareFilter) (api.CompareResponse, error) {
	v := f.values()
	v.Del("link")
	set(v, "metric", string(f.Metric))
	set(v, "links", strings.Join(f.Links, ","))
	if f.Quantile != 0 {
		v.Set("quantile", strconv.FormatFloat(f.Quantile, 'f', -1, 64))
	}
	set(v, "by", string(f.By))
	set(v, "timezone", f.Timezone)
	if f.LeapSeconds != 0 {
		v.Set("leap_seconds", strconv.Itoa(f.LeapSeconds))
	}
	set(v, "baseline", f.Baseline)
	setTime(v, "baseline_from", f.BaselineFrom)
	setTime(v, "baseline_to", f.BaselineTo)
	var comparison api.CompareResponse
	return comparison, c.get(ctx, "compare", v, &comparison)
}
