package influx

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"perigee"
)

type linkName struct {
	site string
	link perigee.LinkID
}

type instanceName struct {
	linkName
	instance string
}

// measuredLink is what one instance knows of a link.
type measuredLink struct {
	name      instanceName
	described bool
	record    perigee.LinkRecord
	at        int64 // when it was described
	rolled    int64 // hours before it are in rtt_hour; earliest if none is
	shown     string
}

// fleet is what the database holds, by the instances that wrote it.
type fleet struct {
	links map[instanceName]*measuredLink
}

// untold separates a site's name from the instance's where two of them measured at the
// same time under the same names.
const untold = "~"

// tellApart gives every instance's link the site under which it is shown: the site's
// own, unless another instance measured a link of that name at the same time and began
// earlier. Instances that followed each other, as after a storage was replaced, are one
// link with one history.
func (f *fleet) tellApart() {
	byLink := map[linkName][]*measuredLink{}
	for _, l := range f.links {
		byLink[l.name.linkName] = append(byLink[l.name.linkName], l)
	}
	for _, list := range byLink {
		slices.SortFunc(list, func(a, b *measuredLink) int {
			return cmp.Or(a.record.First.Compare(b.record.First), cmp.Compare(a.name.instance, b.name.instance))
		})
		var kept []*measuredLink
		for _, l := range list {
			l.shown = l.name.site
			if slices.ContainsFunc(kept, l.overlaps) {
				l.shown += untold + cmp.Or(l.name.instance, "untagged")
				continue
			}
			kept = append(kept, l)
		}
	}
}

// overlaps reports whether both measured at the same time.
func (l *measuredLink) overlaps(o *measuredLink) bool {
	a, b := l.record, o.record
	return !a.First.IsZero() && !b.First.IsZero() && a.First.Before(b.Last) && b.First.Before(a.Last)
}

// shown returns the site under which results of an instance's link are shown.
func (f *fleet) shown(name instanceName) string {
	if l, ok := f.links[name]; ok {
		return l.shown
	}
	return name.site
}

// shownAll returns the sites that what concerns all links of an instance belongs to.
func (f *fleet) shownAll(site, instance string) []string {
	var sites []string
	for name, l := range f.links {
		if name.site == site && name.instance == instance {
			sites = append(sites, l.shown)
		}
	}
	if len(sites) == 0 {
		return []string{site}
	}
	slices.Sort(sites)
	return slices.Compact(sites)
}

// siteIs is the condition that results may be shown under a site; whether they are, the
// names they get must tell.
func (f *fleet) siteIs(site string) string {
	if site == "" {
		return ""
	}
	list := []string{tagIs("site", site)}
	for name, l := range f.links {
		if l.shown == site && name.site != site {
			list = append(list, "("+tagIs("site", name.site)+" and "+tagIs("instance", name.instance)+")")
		}
	}
	slices.Sort(list[1:])
	return either(slices.Compact(list))
}

// records returns the links as they are shown, ordered by site and name.
func (f *fleet) records() []perigee.LinkRecord {
	type shownLink struct {
		record perigee.LinkRecord
		at     int64
		from   string
	}
	merged := map[linkName]*shownLink{}
	for _, l := range f.links {
		key := linkName{l.shown, l.name.link}
		m := merged[key]
		if m == nil {
			m = &shownLink{record: perigee.LinkRecord{Site: perigee.Site{Name: l.shown}, Link: perigee.Link{ID: l.name.link}}, at: earliest}
			merged[key] = m
		}
		if l.described && (l.at > m.at || l.at == m.at && l.name.instance > m.from) {
			first, last := m.record.First, m.record.Last
			m.record, m.at, m.from = l.record, l.at, l.name.instance
			m.record.Site.Name = l.shown
			m.record.First, m.record.Last = first, last
		}
		m.record.First, m.record.Last = joined(m.record, l.record)
	}
	list := make([]perigee.LinkRecord, 0, len(merged))
	for _, m := range merged {
		list = append(list, m.record)
	}
	slices.SortFunc(list, func(a, b perigee.LinkRecord) int {
		return cmp.Or(strings.Compare(a.Site.Name, b.Site.Name), cmp.Compare(a.Link.ID, b.Link.ID))
	})
	return list
}

// joined returns the range of both records; one without samples has none.
func joined(a, b perigee.LinkRecord) (first, last time.Time) {
	first, last = a.First, a.Last
	if first.IsZero() || !b.First.IsZero() && b.First.Before(first) {
		first = b.First
	}
	if b.Last.After(last) {
		last = b.Last
	}
	return first, last
}
