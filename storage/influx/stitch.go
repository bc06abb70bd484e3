package influx

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"perigee"
	"perigee/stats"
)

// A point is a sample as it is in the database: its stream has the site's name there.
type point struct {
	at       int64 // the timestamp
	instance string
	orbit    string
	sample   perigee.Sample
}

func (p *point) name() instanceName {
	return instanceName{linkName{p.sample.Stream.Site, p.sample.Stream.Link}, p.instance}
}

// pointKey names a point. Streams whose orbit was described anew are other series.
type pointKey struct {
	stream   perigee.Stream
	instance string
	orbit    string
	at       int64
}

// torn says that a point lacks a field that it must have. One that is being written
// right now may be seen like that.
var errTorn = errors.New("a sample lacks its state or its sketch")

// stitch joins fields that come as rows of their own to samples again.
type stitch struct {
	parts map[pointKey]*[2]string // state and sketch
}

func newStitch() *stitch { return &stitch{map[pointKey]*[2]string{}} }

func streamOf(r row) perigee.Stream {
	return perigee.Stream{Site: r.text("site"), Link: perigee.LinkID(r.text("link")), Target: perigee.TargetID(r.text("target")),
		Method: perigee.Method(r.text("method")), Family: perigee.Family(r.text("family")), Load: perigee.Load(r.text("load"))}
}

func (s *stitch) add(r row) {
	key := pointKey{streamOf(r), r.text("instance"), r.text("orbit"), r.nanoseconds()}
	part := s.parts[key]
	if part == nil {
		part = &[2]string{}
		s.parts[key] = part
	}
	value, _ := r["_value"].(string)
	if r["_field"] == "state" {
		part[0] = value
	} else {
		part[1] = value
	}
}

// points returns what was joined, in no order. It fails with errTorn if something is
// missing.
func (s *stitch) points() ([]point, error) {
	list := make([]point, 0, len(s.parts))
	for key, part := range s.parts {
		p := point{at: key.at, instance: key.instance, orbit: key.orbit}
		p.sample.Stream = key.stream
		if err := decodeSample(&p.sample, part[0], part[1]); err != nil {
			return nil, fmt.Errorf("sample of link %q at %s: %w", key.stream.Link, fluxTime(key.at), err)
		}
		list = append(list, p)
	}
	return list, nil
}

func decodeSample(s *perigee.Sample, state, sketch string) error {
	if state == "" {
		return errTorn
	}
	raw, err := base64.StdEncoding.DecodeString(sketch)
	if err != nil {
		return err
	}
	if s.RTT.Sketch, err = stats.DecodeSketch(raw); err != nil {
		return err
	}
	if raw, err = base64.StdEncoding.DecodeString(state); err != nil {
		return err
	}
	if err := decodeState(raw, s); err != nil {
		return err
	}
	if s.RTT.Count > 0 && sketch == "" {
		return errTorn
	}
	return nil
}

func inOrder(a, b perigee.Sample) int {
	return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
}

// unique sorts points and drops those of the same stream and timestamp that were
// written under an earlier description of their link: the one that counted more is the
// later form.
func unique(points []point) []point {
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(inOrder(a.sample, b.sample), cmp.Compare(a.instance, b.instance), cmp.Compare(a.at, b.at),
			cmp.Compare(b.sample.Counts.Planned, a.sample.Counts.Planned), cmp.Compare(a.orbit, b.orbit))
	})
	type identity struct {
		stream   perigee.Stream
		instance string
		at       int64
	}
	best := make(map[identity]int64, len(points))
	for i := range points {
		id := identity{points[i].sample.Stream, points[i].instance, points[i].at}
		if planned, ok := best[id]; !ok || points[i].sample.Counts.Planned > planned {
			best[id] = points[i].sample.Counts.Planned
		}
	}
	if len(best) == len(points) {
		return points
	}
	return slices.DeleteFunc(points, func(p point) bool {
		id := identity{p.sample.Stream, p.instance, p.at}
		if planned, ok := best[id]; !ok || p.sample.Counts.Planned < planned {
			return true
		}
		delete(best, id)
		return false
	})
}
