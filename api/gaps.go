package api

import (
	"context"
	"time"

	"perigee"
)

// Gap is a time in which the monitor itself was not measuring. It says nothing of the
// link.
type Gap struct {
	Site            string    `json:"site"`
	Link            *string   `json:"link" doc:"Null: all links."`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	Reason          string    `json:"reason" enum:"stopped,crashed,suspended,stalled,clock_step,store_damaged"`
	Detail          string    `json:"detail"`
	Maker
}

// NewGaps returns the wire form of gaps, with what told of them: whoever measured when they
// ended.
func NewGaps(gaps []perigee.Gap, made []perigee.Provenance) []Gap {
	list := make([]Gap, 0, len(gaps))
	for _, g := range gaps {
		one := NewGap(g)
		one.Maker = makerOf(made, g.Site, g.Link, g.End)
		list = append(list, one)
	}
	return list
}

// NewGap returns the wire form of a gap.
func NewGap(g perigee.Gap) Gap {
	return Gap{
		Site: g.Site, Link: defined(string(g.Link), g.Link != ""), Start: g.Start.UTC(), End: g.End.UTC(),
		DurationSeconds: seconds(g.End.Sub(g.Start).Seconds()), Reason: string(g.Reason), Detail: g.Detail,
	}
}

type gapsInput struct {
	Site string `query:"site" doc:"Name of the site; all if absent."`
	Link string `query:"link" doc:"Name of the link; all if absent. Gaps of all links always show."`
	RangeParams
}

type gapsOutput struct {
	Body []Gap `nullable:"false"`
}

func (s *server) gaps(ctx context.Context, in *gapsInput) (*gapsOutput, error) {
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	links := linkList(in.Link)
	if err := s.checkLinks(ctx, in.Site, "link", links); err != nil {
		return nil, err
	}
	gaps, err := s.store.Gaps(ctx, perigee.Query{Site: in.Site, Links: links, From: from, To: to})
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, in.Site, from, time.Time{}, links...) // one may end after
	if err != nil {
		return nil, err
	}
	return &gapsOutput{Body: NewGaps(gaps, made)}, nil
}
