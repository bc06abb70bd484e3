package influx

import (
	"context"
	"math"
	"net/netip"
	"time"

	"perigee"
)

// readFleet asks for all that is known of links and their instances.
func (c *Client) readFleet(ctx context.Context) (*fleet, error) {
	f := &fleet{links: map[instanceName]*measuredLink{}}
	if err := c.readDescriptions(ctx, f); err != nil {
		return nil, err
	}
	if err := c.readLast(ctx, f, earliest); err != nil {
		return nil, err
	}
	if err := c.readFirst(ctx, f); err != nil {
		return nil, err
	}
	f.tellApart()
	return f, nil
}

// description collects the fields of a link's state of one time.
type description struct {
	at     int64
	orbit  string
	fields row
}

// readDescriptions reads the newest state of each link.
func (c *Client) readDescriptions(ctx context.Context, f *fleet) error {
	type key struct {
		instanceName
		orbit string
	}
	newest := map[key]*description{}
	flux := c.question(measurementLink, earliest, latest) + "\n  |> last()"
	err := c.rows(ctx, flux, func(r row) error {
		k := key{nameOf(r), r.text("orbit")}
		at, d := r.nanoseconds(), newest[k]
		if d == nil || at > d.at {
			d = &description{at: at, orbit: k.orbit, fields: row{}}
			newest[k] = d
		}
		if field, _ := r["_field"].(string); at == d.at {
			d.fields[field] = r["_value"]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k, d := range newest {
		l := f.link(k.instanceName)
		if l.described && (l.at > d.at || l.at == d.at && l.record.Last.UnixNano() > d.fields.integer("last_ns")) {
			continue
		}
		l.describe(d)
	}
	return nil
}

func nameOf(r row) instanceName {
	return instanceName{linkName{r.text("site"), perigee.LinkID(r.text("link"))}, r.text("instance")}
}

// link returns what is known of an instance's link, made if it is not there.
func (f *fleet) link(name instanceName) *measuredLink {
	l := f.links[name]
	if l == nil {
		l = &measuredLink{name: name, rolled: earliest, record: perigee.LinkRecord{Site: perigee.Site{Name: name.site}, Link: perigee.Link{ID: name.link}}}
		f.links[name] = l
	}
	return l
}

func (l *measuredLink) describe(d *description) {
	r := perigee.LinkRecord{Site: perigee.Site{Name: l.name.site}, Link: perigee.Link{ID: l.name.link, Orbit: perigee.Orbit(d.orbit)}}
	if latitude, ok := d.fields["latitude"].(float64); ok {
		longitude, _ := d.fields["longitude"].(float64)
		r.Site.Latitude, r.Site.Longitude, r.Site.Located = latitude, longitude, true
	}
	r.Link.SatelliteLongitude, r.Link.SatelliteKnown = d.fields["satellite_longitude"].(float64)
	r.Link.Interface, r.Link.Namespace = d.fields.text("interface"), d.fields.text("namespace")
	r.Link.Mark = uint32(d.fields.integer("mark"))
	r.Link.Source, _ = netip.ParseAddr(d.fields.text("source")) // empty: none
	if first, ok := d.fields["first_ns"].(int64); ok {
		r.First, r.Last = moment(first), moment(d.fields.integer("last_ns"))
	}
	r.Link.Plan.Down, _ = d.fields["plan_down_bits_per_second"].(float64)
	r.Link.Plan.Up, _ = d.fields["plan_up_bits_per_second"].(float64)
	r.Link.Plan.Availability, _ = d.fields["plan_availability"].(float64)
	l.rolled = earliest
	if rolled, ok := d.fields["rolled_ns"].(int64); ok {
		l.rolled = rolled
	}
	l.described, l.at, l.record = true, d.at, r
}

// readLast extends links to the end of their newest sample from from on.
func (c *Client) readLast(ctx context.Context, f *fleet, from int64) error {
	flux := c.question(measurementWindow, from, latest, `r._field == "length_seconds"`) + "\n  |> last()"
	return c.rows(ctx, flux, func(r row) error {
		l := f.link(nameOf(r))
		seconds, _ := r["_value"].(float64)
		end := moment(r.nanoseconds() + int64(math.Round(seconds*1e9)))
		if end.After(l.record.Last) {
			l.record.Last = end
		}
		return nil
	})
}

// readFirst looks for the first sample of links whose state does not tell it.
func (c *Client) readFirst(ctx context.Context, f *fleet) error {
	var without []string
	for name, l := range f.links {
		if l.record.First.IsZero() && !l.record.Last.IsZero() {
			without = append(without, "("+tagIs("site", name.site)+" and "+tagIs("link", string(name.link))+")")
		}
	}
	if len(without) == 0 {
		return nil
	}
	if len(without) > mostNamed {
		without = nil
	}
	flux := c.question(measurementWindow, earliest, latest, `r._field == "state"`, either(without)) + "\n  |> first()"
	first := map[instanceName]time.Time{}
	err := c.rows(ctx, flux, func(r row) error {
		name, at := nameOf(r), moment(r.nanoseconds())
		if known, ok := first[name]; !ok || at.Before(known) {
			first[name] = at
		}
		return nil
	})
	for name, at := range first {
		if l := f.links[name]; l != nil && l.record.First.IsZero() {
			l.record.First = at
		}
	}
	return err
}

// mostNamed is how many links a question names; beyond it, it asks for all.
const mostNamed = 32
