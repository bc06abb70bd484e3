package client

import (
	"context"
	"strings"

	"perigee"
	"perigee/api"
)

// Distribution returns how metric, rtt or pdv, is distributed on links, all of one site if
// none is named; the Link of the Filter is not used.
func (c *Client) Distribution(ctx context.Context, metric perigee.MetricName, links []string, f Filter) (api.DistributionResponse, error) {
	v := f.values()
	v.Del("link")
	set(v, "metric", string(metric))
	set(v, "links", strings.Join(links, ","))
	var distribution api.DistributionResponse
	return distribution, c.get(ctx, "distribution", v, &distribution)
}
