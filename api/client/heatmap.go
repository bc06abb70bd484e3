package client

import (
	"context"

	"perigee"
	"perigee/api"
)

// Heatmap returns a metric of f.Link by weekday and hour of a time zone, by its name in the
// IANA database; UTC if it is empty.
func (c *Client) Heatmap(ctx context.Context, metric perigee.MetricName, timezone string, f Filter) (api.HeatmapResponse, error) {
	v := f.values()
	set(v, "metric", string(metric))
	set(v, "timezone", timezone)
	var heatmap api.HeatmapResponse
	return heatmap, c.get(ctx, "heatmap", v, &heatmap)
}
