package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee"
)

// Link is a link as it does now.
type Link struct {
	Link         string       `json:"link"`
	Site         string       `json:"site"`
	Orbit        *string      `json:"orbit" doc:"Kind of path; null if the link was never described."`
	Binding      Binding      `json:"binding"`
	FloorSeconds *float64     `json:"floor_seconds" doc:"Least round-trip time that physics allows; null for orbits without a stated altitude."`
	Plan         *Plan        `json:"plan" doc:"What was promised of the link; null if nothing was."`
	First        *time.Time   `json:"first" doc:"Start of the first sample; null if there is none."`
	Last         *time.Time   `json:"last" doc:"End of the last sample; null if there is none."`
	AgeSeconds   *float64     `json:"age_seconds" doc:"Time since last; null if there is no sample."`
	State        State        `json:"state" enum:"up,degraded,down,silent,unmeasured"`
	StateText    string       `json:"state_text" doc:"The state in a few words, e.g. \"no data for 32 s\"."`
	LastMinute   []LastMinute `json:"last_minute" nullable:"false" doc:"Each stream heard of in the last five minutes, over its last minute of samples."`
}

// LinkDetail is a link with its newest samples.
type LinkDetail struct {
	Link
	LastSamples []Sample `json:"last_samples" nullable:"false" doc:"The newest sample of each stream, if not older than five minutes."`
}

// Binding says how probes are kept on a link; what is null is not used.
type Binding struct {
	Interface *string `json:"interface"`
	Source    *string `json:"source"`
	Mark      *uint32 `json:"mark"`
	Namespace *string `json:"namespace"`
}

// Plan is what was promised of a link; what is null was not.
type Plan struct {
	DownBitsPerSecond *float64 `json:"down_bits_per_second" doc:"Payload that the site receives."`
	UpBitsPerSecond   *float64 `json:"up_bits_per_second" doc:"Payload that it sends."`
	Availability      *float64 `json:"availability" doc:"Share of each day, 0 to 1."`
}

func newPlan(p perigee.Plan) *Plan {
	return defined(Plan{
		DownBitsPerSecond: defined(p.Down, p.Down > 0), UpBitsPerSecond: defined(p.Up, p.Up > 0), Availability: defined(p.Availability, p.Availability > 0),
	}, p != perigee.Plan{})
}

// LastMinute is one stream's last minute.
type LastMinute struct {
	StreamName
	State     State  `json:"state" enum:"up,degraded,down,silent"`
	StateText string `json:"state_text"`
	Statistics
}

func newLink(r perigee.LinkRecord, streams []streamState, now time.Time) Link {
	l := r.Link
	state, text := linkState(streams, r.Last, now)
	link := Link{
		Link: string(l.ID), Site: r.Site.Name, Orbit: maybeOrbit(l.Orbit),
		Binding: Binding{
			Interface: defined(l.Interface, l.Interface != ""), Source: defined(l.Source.String(), l.Source.IsValid()),
			Mark: defined(l.Mark, l.Mark != 0), Namespace: defined(l.Namespace, l.Namespace != ""),
		},
		FloorSeconds: maybeSeconds(perigee.Floor(l, r.Site)), Plan: newPlan(l.Plan),
		First: maybeTime(r.First), Last: maybeTime(r.Last),
		AgeSeconds: defined(max(now.Sub(r.Last).Seconds(), 0), !r.Last.IsZero()),
		State:      state, StateText: text, LastMinute: make([]LastMinute, 0, len(streams)),
	}
	for _, s := range atRest(streams, now) {
		state, text := s.state(now)
		link.LastMinute = append(link.LastMinute, LastMinute{
			StreamName: newStreamName(s.last.Stream), State: state, StateText: text, Statistics: newStatistics(s.minute),
		})
	}
	return link
}

// recordKey names a link of a site.
type recordKey struct {
	site string
	link perigee.LinkID
}

// recentStreams returns the state of every stream of the given links (all if none is
// given) that was heard of recently.
func (s *server) recentStreams(ctx context.Context, now time.Time, q perigee.Query) (map[recordKey][]streamState, error) {
	q.From = now.Add(-recently)
	recent := lastMinutes{}
	for sample, err := range s.store.Samples(ctx, q) {
		if err != nil {
			return nil, err
		}
		recent.add(sample)
	}
	outages, err := s.store.Outages(ctx, q)
	if err != nil {
		return nil, err
	}
	byLink := map[recordKey][]streamState{}
	for _, state := range recent.states(outages) {
		key := recordKey{state.last.Stream.Site, state.last.Stream.Link}
		byLink[key] = append(byLink[key], state)
	}
	return byLink, nil
}

type linksInput struct {
	Site string `query:"site" doc:"Name of the site; all if absent."`
}

type linksOutput struct {
	Body []Link `nullable:"false"`
}

func (s *server) links(ctx context.Context, in *linksInput) (*linksOutput, error) {
	records, err := s.store.Links(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	streams, err := s.recentStreams(ctx, now, perigee.Query{Site: in.Site})
	if err != nil {
		return nil, err
	}
	out := &linksOutput{Body: []Link{}}
	for _, r := range records {
		if in.Site == "" || r.Site.Name == in.Site {
			out.Body = append(out.Body, newLink(r, streams[recordKey{r.Site.Name, r.Link.ID}], now))
		}
	}
	return out, nil
}

type linkInput struct {
	Link string `path:"link" doc:"Name of the link, percent-encoded."`
	Site string `query:"site" doc:"Name of the site; needed only if several have a link of this name."`
}

type linkOutput struct {
	Body LinkDetail
}

func (s *server) link(ctx context.Context, in *linkInput) (*linkOutput, error) {
	record, err := s.findLink(ctx, in.Site, in.Link)
	if err != nil {
		return nil, err
	}
	now := s.now()
	byLink, err := s.recentStreams(ctx, now, perigee.Query{Site: record.Site.Name, Links: []perigee.LinkID{record.Link.ID}})
	if err != nil {
		return nil, err
	}
	streams := byLink[recordKey{record.Site.Name, record.Link.ID}]
	out := &linkOutput{Body: LinkDetail{Link: newLink(record, streams, now), LastSamples: []Sample{}}}
	made, err := s.made(ctx, record.Site.Name, now.Add(-recently), time.Time{}, record.Link.ID)
	if err != nil {
		return nil, err
	}
	for _, state := range streams {
		sample := NewSample(state.last)
		sample.Maker = makerOf(made, record.Site.Name, record.Link.ID, state.last.Start)
		out.Body.LastSamples = append(out.Body.LastSamples, sample)
	}
	return out, nil
}

// findLink returns the record of the link with the given name.
func (s *server) findLink(ctx context.Context, site, name string) (perigee.LinkRecord, error) {
	records, err := s.store.Links(ctx)
	if err != nil {
		return perigee.LinkRecord{}, err
	}
	var found []perigee.LinkRecord
	var names, sites []string
	for _, r := range records {
		if site != "" && r.Site.Name != site {
			continue
		}
		names = append(names, string(r.Link.ID))
		if string(r.Link.ID) == name {
			found = append(found, r)
			sites = append(sites, r.Site.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		p := newProblem(perigee.CodeNotFound, fmt.Sprintf("link %q is not known", name), knownLinks(name, names))
		p.Parameter = "link"
		return perigee.LinkRecord{}, p
	}
	return perigee.LinkRecord{}, badParameter("site", fmt.Sprintf("link %q exists at %d sites", name, len(found)),
		"Say which with site=, one of "+listed(sites)+".")
}

func knownLinks(name string, names []string) string {
	if len(names) == 0 {
		return "Nothing has been measured yet; start perigee run."
	}
	known := "Known links: " + listed(names) + "."
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("Did you mean %q? %s", near, known)
	}
	return known
}

// maxListed is how many names a message lists.
const maxListed = 20

// listed writes names, each once, as many as a person reads.
func listed(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if more := len(names) - maxListed; more > 0 {
		return strings.Join(names[:maxListed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// checkLinks refuses names of links that the store does not know.
func (s *server) checkLinks(ctx context.Context, site, parameter string, names []perigee.LinkID) error {
	if len(names) == 0 {
		return nil
	}
	records, err := s.store.Links(ctx)
	if err != nil {
		return err
	}
	return checkKnown(records, site, parameter, names)
}

// checkKnown refuses names of links that are not among records.
func checkKnown(records []perigee.LinkRecord, site, parameter string, names []perigee.LinkID) error {
	known := map[perigee.LinkID]bool{}
	var all []string
	for _, r := range records {
		if site == "" || r.Site.Name == site {
			known[r.Link.ID] = true
			all = append(all, string(r.Link.ID))
		}
	}
	for _, name := range names {
		if !known[name] {
			p := newProblem(perigee.CodeNotFound, fmt.Sprintf("link %q is not known", name), knownLinks(string(name), all))
			p.Parameter = parameter
			return p
		}
	}
	return nil
}
