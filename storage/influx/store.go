package influx

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"

	"perigee"
)

// Store reads results from the database, and writes them as the outbox does. It is a
// perigee.Store but for two things: singletons are not kept there, and a sample that
// is stored again with other values replaces the earlier one.
//
// Two instances that measured links of the same names at the same time are told apart:
// the one that began later is shown as another site, NAME~INSTANCE.
//
// What is known of links and instances is asked for anew after a few seconds, of
// thousands of links after a minute or so; what this Store itself wrote is known at once.
type Store struct {
	client *Client
	now    func() time.Time

	mu      sync.Mutex // guards all below, never held while the server is asked
	fleet   *fleet     // nil: to be asked for
	asked   time.Time
	lasts   time.Duration // from asked on
	writes  int           // so that what was asked for before a write is not kept
	orbits  map[linkName]perigee.Orbit
	stamped int64 // of the last description

	asking chan struct{} // holds a token while somebody asks for the fleet
}

var _ perigee.Store = (*Store)(nil)

// Store returns the store that c speaks with.
func (c *Client) Store() *Store {
	return &Store{client: c, now: time.Now, orbits: map[linkName]perigee.Orbit{}, asking: make(chan struct{}, 1)}
}

// What is known of links and instances is used for fleetAge, and longer where asking
// takes long, so that asking takes a twentieth of the time at most.
const (
	fleetAge   = 5 * time.Second
	fleetShare = 20
)

// known returns what is known of links and their instances. One call asks at a time;
// meanwhile others use what was known before, or wait if nothing was.
func (s *Store) known(ctx context.Context) (*fleet, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f, fresh := s.remembered(); fresh {
		return f, nil
	}
	select {
	case s.asking <- struct{}{}:
	default:
		if f, _ := s.remembered(); f != nil {
			return f, nil
		}
		select {
		case s.asking <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-s.asking }()
	if f, fresh := s.remembered(); fresh { // somebody else has just asked
		return f, nil
	}
	s.mu.Lock()
	writes := s.writes
	s.mu.Unlock()
	began := s.now()
	found, err := s.client.readFleet(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes == writes {
		s.fleet, s.asked = found, s.now()
		s.lasts = max(fleetAge, fleetShare*s.asked.Sub(began))
	}
	return found, nil
}

// remembered returns what is known, nil if nothing is, and whether it is new enough.
func (s *Store) remembered() (f *fleet, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.now().Sub(s.asked)
	return s.fleet, s.fleet != nil && age >= 0 && age < s.lasts
}

// wrote tells that what was known may be out of date.
func (s *Store) wrote() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = nil
	s.writes++
}

// Links implements perigee.Store.
func (s *Store) Links(ctx context.Context) ([]perigee.LinkRecord, error) {
	f, err := s.known(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	return f.records(), nil
}

// Samples implements perigee.Store.
func (s *Store) Samples(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		if err := s.samples(ctx, q, yield); err != nil {
			yield(perigee.Sample{}, s.fail(err))
		}
	}
}

func (s *Store) samples(ctx context.Context, q perigee.Query, yield func(perigee.Sample, error) bool) error {
	length := int64(0)
	switch q.Resolution {
	case perigee.Windows, "":
	case perigee.Hours:
		length = hour
	case perigee.Days:
		length = 24 * hour
	default:
		return invalid("unknown resolution %q: use window, hour or day", q.Resolution)
	}
	f, err := s.known(ctx)
	if err != nil {
		return err
	}
	from, to := span(q)
	if from >= to {
		return nil
	}
	var found iter.Seq2[perigee.Sample, error]
	switch length {
	case 0:
		found = s.windows(ctx, q, f, from, to)
	default: // whole hours or days; the bounds hold for what they are merged to
		whole := widened(floor(to-1, length), length)
		found = s.hours(ctx, q, f, max(floor(from, length), earliest), whole)
		if length > hour {
			found = merged(found, time.Duration(length))
		}
	}
	for sample, err := range found {
		if err != nil {
			return err
		}
		if start := sample.Start.UnixNano(); start < from || start >= to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !yield(sample, nil) {
			return nil
		}
	}
	return ctx.Err()
}

// Singletons implements perigee.Store. There are none: they are not kept in InfluxDB.
func (s *Store) Singletons(ctx context.Context, q perigee.Query) iter.Seq2[perigee.Sample, error] {
	return func(yield func(perigee.Sample, error) bool) {
		var err error
		if q.Resolution != "" && q.Resolution != perigee.Windows {
			err = invalid("singletons are kept with windows, not with resolution %q", q.Resolution)
		} else {
			err = ctx.Err()
		}
		if err != nil {
			yield(perigee.Sample{}, s.fail(err))
		}
	}
}

// Append implements perigee.Store. All of b goes in one request.
func (s *Store) Append(ctx context.Context, b perigee.Batch) error {
	if err := check(b); err != nil {
		return err
	}
	entries := make([]perigee.Entry, 0, len(b.Samples)+len(b.Throughputs)+len(b.Outages)+len(b.Gaps)+len(b.Events))
	for i := range b.Samples {
		sample := &b.Samples[i]
		entries = append(entries, perigee.Entry{Kind: perigee.EntryWindow, Orbit: s.orbit(sample.Stream), Sample: sample})
	}
	for i := range b.Throughputs {
		t := &b.Throughputs[i]
		entries = append(entries, perigee.Entry{Kind: perigee.EntryThroughput, Orbit: s.orbit(t.Stream), Throughput: t})
	}
	for i := range b.Outages {
		outage := &b.Outages[i]
		entries = append(entries, perigee.Entry{Kind: perigee.EntryOutage, Orbit: s.orbit(outage.Stream), Outage: outage})
	}
	for i := range b.Gaps {
		entries = append(entries, perigee.Entry{Kind: perigee.EntryGap, Gap: &b.Gaps[i]})
	}
	for i := range b.Events {
		entries = append(entries, perigee.Entry{Kind: perigee.EntryEvent, Event: &b.Events[i]})
	}
	return s.write(ctx, entries)
}

// orbit returns that of a stream's link as it was described here, empty if it was not.
func (s *Store) orbit(stream perigee.Stream) perigee.Orbit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orbits[linkName{stream.Site, stream.Link}]
}

// Describe implements perigee.Store.
func (s *Store) Describe(ctx context.Context, site perigee.Site, links []perigee.Link) error {
	if err := ctx.Err(); err != nil {
		return s.fail(err)
	}
	f, err := s.known(ctx)
	if err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	// Not by the hour, as the outbox does: what is described anew must not keep
	// fields of what it replaces.
	s.stamped = max(s.stamped+1, s.now().UnixNano())
	at := moment(s.stamped)
	s.mu.Unlock()
	var entries []perigee.Entry
	described := map[perigee.LinkID]bool{}
	add := func(l perigee.Link) {
		state := perigee.LinkState{LinkRecord: perigee.LinkRecord{Site: site, Link: l}, At: at}
		if rolled, ok := f.rolled(instanceName{linkName{site.Name, l.ID}, s.client.options.Instance}); ok {
			state.Rolled = rolled
		}
		entries = append(entries, perigee.Entry{Kind: perigee.EntryLink, Orbit: l.Orbit, Link: &state})
		described[l.ID] = true
	}
	for _, l := range links {
		add(l)
	}
	for name, l := range f.links { // the site may stand elsewhere now
		if name.site == site.Name && name.instance == s.client.options.Instance && l.described && !described[name.link] {
			add(l.record.Link)
		}
	}
	if err := s.write(ctx, entries); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range links {
		s.orbits[linkName{site.Name, l.ID}] = l.Orbit
	}
	return nil
}

// rolled returns before when the hours of an instance's link are rolled up.
func (f *fleet) rolled(name instanceName) (time.Time, bool) {
	l := f.links[name]
	if l == nil || l.rolled == earliest {
		return time.Time{}, false
	}
	return moment(l.rolled), true
}

func (s *Store) write(ctx context.Context, entries []perigee.Entry) error {
	if err := ctx.Err(); err != nil {
		return s.fail(err)
	}
	err := s.client.Write(ctx, entries)
	s.wrote()
	return s.fail(err)
}

// check refuses what cannot be stored as it is, before anything is sent.
func check(b perigee.Batch) error {
	for i := range b.Samples {
		s := &b.Samples[i]
		if err := holdable(perigee.Entry{Kind: perigee.EntryWindow, Sample: s}); err != nil {
			return err
		}
		if err := s.Counts.Check(); err != nil {
			return &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("sample of link %q at %s refused", s.Stream.Link, s.Start.UTC().Format(time.RFC3339Nano)), Err: err}
		}
	}
	for i := range b.Throughputs {
		if err := holdable(perigee.Entry{Kind: perigee.EntryThroughput, Throughput: &b.Throughputs[i]}); err != nil {
			return err
		}
	}
	for i := range b.Outages {
		if err := holdable(perigee.Entry{Kind: perigee.EntryOutage, Outage: &b.Outages[i]}); err != nil {
			return err
		}
	}
	for i := range b.Gaps {
		if err := holdable(perigee.Entry{Kind: perigee.EntryGap, Gap: &b.Gaps[i]}); err != nil {
			return err
		}
	}
	for i := range b.Events {
		if err := holdable(perigee.Entry{Kind: perigee.EntryEvent, Event: &b.Events[i]}); err != nil {
			return err
		}
	}
	return nil
}

// fail returns err as a *perigee.Error; nil is nil.
func (s *Store) fail(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*perigee.Error](err); ok {
		return e
	}
	if r, ok := errors.AsType[*perigee.Refusal](err); ok {
		return refused(r)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &perigee.Error{Code: perigee.CodeUnavailable, Message: s.client.place() + " was not waited for", Err: err}
	}
	return &perigee.Error{Code: perigee.CodeInternal, Message: s.client.place() + " was not understood", Err: err}
}

// refused returns a sink's refusal as a store's error.
func refused(r *perigee.Refusal) *perigee.Error {
	code := perigee.CodeUnavailable
	switch r.Reason {
	case perigee.RefusedSetup:
		code = perigee.CodePermission
	case perigee.RefusedTooLarge, perigee.RefusedContent:
		code = perigee.CodeInvalid
	}
	message := r.Message
	if r.Remedy != "" {
		message += "; " + r.Remedy
	}
	return &perigee.Error{Code: code, Message: message, Err: r.Err}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
