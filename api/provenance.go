package api

import (
	"context"
	"strings"
	"time"

	"perigee"
)

// maxSpans is how many spans of provenance one answer holds at most.
const maxSpans = 50

// Provenance says what made the results of an answer.
type Provenance struct {
	Spans   []ProvenanceSpan `json:"spans" nullable:"false" doc:"In the order they begin, the newest 50. Empty if the store does not tell."`
	LeftOut int              `json:"left_out" doc:"How many earlier spans there are."`
}

// Maker is which program measured, and how it was told to; null is not known.
type Maker struct {
	Version           *string `json:"version" doc:"Of perigee; null if another program measured."`
	ConfigurationHash *string `json:"configuration_hash" doc:"As perigee config check prints it; null also if there was no configuration."`
}

// ProvenanceSpan is a time in which results were made in one way.
type ProvenanceSpan struct {
	Site string     `json:"site"`
	Link *string    `json:"link" doc:"Null: all links that were measured then. A span of one link tells more of that link."`
	From time.Time  `json:"from"`
	To   *time.Time `json:"to" doc:"Results that begin before it; null while it lasts."`
	Maker
	Instance *string  `json:"instance" doc:"Of the store that results were first written to; null if not known."`
	Methods  []string `json:"methods" nullable:"false" doc:"By which that maker measures; those of each result stand with it. Empty if not known."`
	Probing  *string  `json:"probing" doc:"What of the configuration makes numbers differ, in words; null if not known."`
	Source   *string  `json:"source" doc:"Of imports: format, file and SHA-256; null: measured here, or imported with its provenance."`
}

// NewProvenance returns the wire form of spans.
func NewProvenance(spans []perigee.Provenance) Provenance {
	left := max(0, len(spans)-maxSpans)
	p := Provenance{Spans: make([]ProvenanceSpan, 0, len(spans)-left), LeftOut: left}
	for _, s := range spans[left:] {
		p.Spans = append(p.Spans, ProvenanceSpan{
			Site: s.Site, Link: defined(string(s.Link), s.Link != ""), From: s.From.UTC(), To: maybeTime(s.To), Maker: NewMaker(s.Maker),
			Instance: maybeText(s.Maker.Instance), Methods: append([]string{}, strings.Fields(s.Maker.Methods)...), Probing: maybeText(s.Maker.Probing), Source: maybeText(s.Source),
		})
	}
	return p
}

// NewMaker returns the wire form of m.
func NewMaker(m perigee.Maker) Maker {
	return Maker{Version: maybeText(m.Version), ConfigurationHash: maybeText(m.Configuration)}
}

// maybeText is a text, or null if it is empty.
func maybeText(s string) *string { return defined(s, s != "") }

// makerOf returns what made the result of a link that began at t.
func makerOf(spans []perigee.Provenance, site string, link perigee.LinkID, t time.Time) Maker {
	p, _ := perigee.MadeBy(spans, site, link, t)
	return NewMaker(p.Maker)
}

// made returns what made the results of a range, of a site's links.
func (s *server) made(ctx context.Context, site string, from, to time.Time, links ...perigee.LinkID) ([]perigee.Provenance, error) {
	return perigee.ProvenanceOf(ctx, s.store, perigee.Query{Site: site, Links: links, From: from, To: to})
}
