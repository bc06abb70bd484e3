package traces

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"perigee"
)

// madeBy is what a row of our own export tells of what made it.
type madeBy struct{ version, configuration, source string }

// linkName names a link of a site.
type linkName struct {
	site string
	link perigee.LinkID
}

func (n linkName) compare(o linkName) int {
	return cmp.Or(strings.Compare(n.site, o.site), cmp.Compare(n.link, o.link))
}

// makerSpan is the time of results of one link, one after the other, of one maker.
type makerSpan struct {
	by       madeBy
	from, to time.Time // of the first's start, and after the last's
}

// made takes what made a result, which lasted from from to to. Exports from before they
// told, and results of which it was not known, say nothing.
func (c *collector) made(s perigee.Stream, by madeBy, from, to time.Time) {
	if by == (madeBy{}) {
		return
	}
	if !from.Before(to) {
		to = from.Add(1) // a span holds what begins before its end
	}
	name := linkName{s.Site, s.Link}
	span := c.makers[name]
	if span != nil && span.by == by {
		if from.Before(span.from) {
			span.from = from
		}
		if to.After(span.to) {
			span.to = to
		}
		return
	}
	if span != nil {
		c.toldMaker(name, span)
	}
	if c.makers == nil {
		c.makers = map[linkName]*makerSpan{}
	}
	c.makers[name] = &makerSpan{by, from, to}
}

// toldMaker hands over what tells of a span.
func (c *collector) toldMaker(name linkName, span *makerSpan) {
	p := perigee.Provenance{Site: name.site, Link: name.link, From: span.from, To: span.to,
		Maker: perigee.Maker{Version: span.by.version, Configuration: span.by.configuration}, Source: span.by.source}
	c.batch.Events = append(c.batch.Events, p.Event(name.link, span.to))
}

// ownEvent takes an event that says what made results of a link. Others are of the store
// that was exported.
func (c *collector) ownEvent(p point) error {
	kind := perigee.EventKind(held(p.tags["kind"]))
	site, link, detail := held(p.tags["site"]), perigee.LinkID(held(p.tags["link"])), held(p.fields["detail"])
	if kind != perigee.EventMeasured && kind != perigee.EventImported || link == "" {
		return errNothing
	}
	if kind == perigee.EventMeasured {
		if _, _, ok := perigee.ParseMeasuredDetail(detail); !ok {
			return errors.New("its detail does not say what measured")
		}
	} else if _, _, _, ok := perigee.ParseImportedDetail(detail); !ok {
		return errors.New("its detail does not say what was imported")
	}
	start, ok := parseDecimal([]byte(strings.TrimSuffix(p.fields["start_ns"], "i")), 1)
	if !ok {
		return errors.New("it has no start_ns")
	}
	if err := c.plausible(start); err != nil {
		return err
	}
	c.batch.Events = append(c.batch.Events, perigee.Event{
		Site: cmp.Or(c.options.Site, site), Link: cmp.Or(c.options.Link, link), Time: time.Unix(0, start).UTC(), Kind: kind, Detail: detail,
	})
	if len(c.batch.Events) >= batchSamples {
		c.flush()
	}
	return errNothing
}
