package influx

import (
	"context"
	"errors"
	"iter"
	"time"

	"perigee"
)

// A chunk is a stretch of time that is read at once. Its length follows the density of
// what is found, so that memory is bounded and answers stay short.
const (
	chunkAim   = 8_000                   // samples
	chunkMost  = 40_000                  // more are not taken: the chunk is divided
	chunkLeast = int64(time.Millisecond) // is not divided any more
)

// reading is one pass over a measurement.
type reading struct {
	client      *Client
	measurement string
	condition   string // on tags
	from, to    int64
	length      int64   // of the first chunk
	cuts        []int64 // where one chunk ends and another begins, in any case
}

// chunks yields the points by chunk, in order of time and, within a chunk, of start and
// stream. While one is used the next is read already. Nothing of it is left when it ends.
func (r reading) chunks(ctx context.Context) iter.Seq2[[]point, error] {
	return func(yield func([]point, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		type result struct {
			points []point
			err    error
		}
		results := make(chan result)
		go func() {
			defer close(results)
			send := func(points []point, err error) bool {
				select {
				case results <- result{points, err}:
					return true
				case <-ctx.Done():
					return false
				}
			}
			if err := r.read(ctx, func(points []point) bool { return send(points, nil) }); err != nil {
				send(nil, err)
			}
		}()
		defer func() {
			cancel()
			for range results { // until the reader has ended
			}
		}()
		for found := range results {
			if !yield(found.points, found.err) || found.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// read sends chunk after chunk until send returns false.
func (r reading) read(ctx context.Context, send func([]point) bool) error {
	length := r.length
	for at := r.from; at < r.to; {
		end := r.end(at, length)
		if at < epoch { // one chunk, see epoch
			end = min(r.to, epoch)
		}
		points, err := r.chunk(ctx, at, end)
		if errors.Is(err, errTooMany) {
			length = max((end-at)/8, 1)
			continue
		}
		if err != nil {
			return err
		}
		if len(points) > 0 {
			if !send(points) {
				return nil
			}
			length = adapted(end-at, len(points))
		}
		if at = end; len(points) == 0 && at < r.to {
			next, ok, err := r.next(ctx, at)
			if err != nil || !ok {
				return err
			}
			at = next
		}
	}
	return nil
}

// end returns where the chunk ends that begins at at.
func (r reading) end(at, length int64) int64 {
	end := r.to
	if r.to-at > length || r.to-at < 0 { // the whole range is longer than 64 bits hold
		end = at + length
	}
	for _, cut := range r.cuts {
		if at < cut && cut < end {
			end = cut
		}
	}
	return end
}

// adapted returns the length of the next chunk, given how many points the last held.
func adapted(length int64, points int) int64 {
	const most = int64(400 * 24 * time.Hour)
	wanted := float64(length) * chunkAim / float64(points)
	return max(min(int64(min(wanted, float64(most))), length*4, most), length/8, 1)
}

// errTooMany says that a chunk holds more than is taken at once.
var errTooMany = errors.New("too many samples at once")

// chunk reads the points of [from, to). What was seen while it was being written is
// read again.
func (r reading) chunk(ctx context.Context, from, to int64) ([]point, error) {
	const attempts = 4
	flux := r.client.question(r.measurement, from, to, `(r._field == "state" or r._field == "sketch")`, r.condition)
	for attempt := 1; ; attempt++ {
		s := newStitch()
		err := r.client.rows(ctx, flux, func(row row) error {
			if at := row.nanoseconds(); at < from || at >= to {
				return nil // see epoch
			}
			if s.add(row); len(s.parts) > chunkMost && to-from > chunkLeast && from >= epoch {
				return errTooMany
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		points, err := s.points()
		if errors.Is(err, errTorn) && attempt < attempts {
			continue
		}
		if err != nil {
			return nil, &perigee.Error{Code: perigee.CodeInternal, Message: r.client.place() + " holds a sample that cannot be read", Err: err}
		}
		return unique(points), nil
	}
}

// next returns the timestamp of the first point from from on. It reports false if there
// is none. What a server answers that was not asked about is none, or reading would not
// get on.
func (r reading) next(ctx context.Context, from int64) (at int64, found bool, err error) {
	// first() takes the first of each series; the first of a group would be that
	// of any series.
	flux := r.client.question(r.measurement, from, r.to, `r._field == "state"`, r.condition) +
		"\n  |> first()\n  |> keep(columns: [\"_time\"])\n  |> group()\n  |> min(column: \"_time\")"
	err = r.client.rows(ctx, flux, func(row row) error {
		if t := row.nanoseconds(); t >= from && t < r.to && (!found || t < at) {
			at, found = t, true
		}
		return nil
	})
	return at, found, err
}
