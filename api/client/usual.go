package client

import (
	"context"
	"net/url"

	"perigee/api"
)

// Usual returns what was usual of a link over the seven days before the last minute; site
// may be empty if only one has a link of this name.
func (c *Client) Usual(ctx context.Context, site, link string) (api.UsualResponse, error) {
	v := url.Values{}
	set(v, "site", site)
	var usual api.UsualResponse
	return usual, c.get(ctx, "links/"+url.PathEscape(link)+"/usual", v, &usual)
}
