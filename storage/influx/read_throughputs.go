package influx

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"

	"perigee"
)

// Throughputs are few, at most some a minute and link.
const (
	throughputChunk     = 30 * 24 * hour // the first that is read at once
	throughputChunkMost = 4_000          // results; of more the chunk is divided
)

// Throughputs implements perigee.Store.
func (s *Store) Throughputs(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Throughput, error] {
	return func(yield func(perigee.Throughput, error) bool) {
		if err := s.throughputs(ctx, q, yield); err != nil {
			yield(perigee.Throughput{}, s.fail(err))
		}
	}
}

func (s *Store) throughputs(ctx context.Context, q perigee.Query, yield func(perigee.Throughput, error) bool) error {
	f, err := s.known(ctx)
	if err != nil {
		return err
	}
	from, to := span(q)
	r := reading{client: s.client, measurement: measurementThroughput, condition: streamsOf(q, f), from: from, to: to}
	length := throughputChunk
	for at := from; at < to; {
		end := r.end(at, length)
		if at < epoch { // one chunk, see epoch
			end = min(to, epoch)
		}
		list, err := s.throughputChunk(ctx, r, f, at, end)
		if errors.Is(err, errTooMany) {
			length = max((end-at)/8, 1)
			continue
		}
		if err != nil {
			return err
		}
		for _, t := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if q.Matches(t.Stream) && !yield(t, nil) {
				return nil
			}
		}
		if at = end; len(list) > 0 || at >= to {
			continue
		}
		next, ok, err := r.next(ctx, at)
		if err != nil || !ok {
			return errors.Join(err, ctx.Err())
		}
		at, length = next, max(length, hour)
	}
	return ctx.Err()
}

// throughputChunk reads the results of [from, to), in order, under the sites' names that
// they are shown with.
func (s *Store) throughputChunk(ctx context.Context, r reading, f *fleet, from, to int64) ([]perigee.Throughput, error) {
	type identity struct {
		stream   perigee.Stream
		instance string
		at       int64
	}
	// One whose link was described anew in between may stand twice; it is the same.
	found := map[identity]perigee.Throughput{}
	flux := r.client.question(r.measurement, from, to, `r._field == "state"`, r.condition)
	err := r.client.rows(ctx, flux, func(row row) error {
		at := row.nanoseconds()
		if at < from || at >= to {
			return nil // see epoch
		}
		id := identity{streamOf(row), row.text("instance"), at}
		t, err := decodeThroughput(id.stream, at, row["_value"])
		if err != nil {
			return &perigee.Error{Code: perigee.CodeInternal, Message: r.client.place() + " holds a throughput that cannot be read", Err: err}
		}
		t.Stream.Site = f.shown(nameOf(row))
		if found[id] = t; len(found) > throughputChunkMost && to-from > chunkLeast && from >= epoch {
			return errTooMany
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]perigee.Throughput, 0, len(found))
	for _, t := range found {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b perigee.Throughput) int {
		return cmp.Or(a.Start.Compare(b.Start), a.Stream.Compare(b.Stream))
	})
	return list, nil
}

func decodeThroughput(stream perigee.Stream, at int64, state any) (perigee.Throughput, error) {
	t := perigee.Throughput{Stream: stream, Start: moment(at)}
	text, _ := state.(string)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = t.Unpack(raw)
	}
	if err != nil {
		return t, fmt.Errorf("throughput of link %q at %s: %w", stream.Link, fluxTime(at), err)
	}
	return t, nil
}
