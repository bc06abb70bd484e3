package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"perigee"
)

// Outbox is what forwards results to InfluxDB, as far as it is asked from here. Its
// methods may be called at any time, and together.
type Outbox interface {
	// OutboxStatus tells how forwarding does now.
	OutboxStatus(ctx context.Context) (OutboxState, error)

	// DeadLetters lists results that were set aside, newest first, at most limit.
	DeadLetters(ctx context.Context, limit int) ([]perigee.DeadLetter, error)

	// Resend makes dead letters pending again, all if ids is empty, and returns
	// how many.
	Resend(ctx context.Context, ids []int64) (int, error)

	// Retry tries at once what waits for its time. It does not wait for the
	// outcome.
	Retry()
}

// OutboxState is how forwarding does.
type OutboxState struct {
	State    string // idle, sending, waiting, blocked or held
	URL      string // of the database, without secrets
	Bucket   string
	Instance string // tag that this monitor's results carry

	Pending     int64      // results that wait to be forwarded
	Oldest      *time.Time // when the oldest of them was measured; nil if none
	DeadLetters int64      // results that were set aside

	// Since the process started: results that were acknowledged, requests, and
	// requests that failed.
	Sent, Writes, Failures int64

	LastSuccess *time.Time     // when results were acknowledged last; nil: not since the start
	NextTry     *time.Time     // nil if nothing waits for its time
	Problem     *OutboxProblem // nil if the last request was acknowledged

	// BytesSent is what forwarding has moved since the process started, by link;
	// of the empty name where the system chose the way.
	BytesSent map[perigee.LinkID]int64
}

// OutboxProblem is why results were not taken.
type OutboxProblem struct {
	Reason  perigee.RefusalReason
	Message string
	Remedy  string // empty if waiting is all
	Since   time.Time
}

// reasonStore is the reason of a problem that is not the database's: what waits cannot
// be read.
const reasonStore perigee.RefusalReason = "store"

// The states of forwarding.
const (
	OutboxIdle    = "idle"    // nothing waits
	OutboxSending = "sending" // results are on their way
	OutboxWaiting = "waiting" // the database does not take results now; it is asked again
	OutboxBlocked = "blocked" // a person must act
	OutboxHeld    = "held"    // this monitor holds results back for now
)

// OutboxResponse answers /outbox.
type OutboxResponse struct {
	State            string          `json:"state" enum:"idle,sending,waiting,blocked,held"`
	StateText        string          `json:"state_text" doc:"The state in a few words, e.g. \"1,204 results wait for InfluxDB (oldest 12 min)\"."`
	URL              string          `json:"url" doc:"The database, without secrets."`
	Bucket           string          `json:"bucket"`
	Instance         string          `json:"instance" doc:"Tag that this monitor's results carry."`
	Pending          int64           `json:"pending" doc:"Results that wait to be forwarded."`
	Oldest           *time.Time      `json:"oldest" doc:"When the oldest of them began to be measured; null if none waits."`
	OldestAgeSeconds *float64        `json:"oldest_age_seconds" doc:"Time since oldest; null if none waits."`
	DeadLetters      int64           `json:"dead_letters" doc:"Results that the database will never take as they are, set aside."`
	SentTotal        int64           `json:"sent_total" doc:"Results acknowledged since the process started."`
	WritesTotal      int64           `json:"writes_total" doc:"Requests to the database since the process started."`
	FailuresTotal    int64           `json:"failures_total" doc:"Those of them that failed."`
	LastSuccess      *time.Time      `json:"last_success" doc:"When results were acknowledged last; null if not since the process started."`
	NextTry          *time.Time      `json:"next_try" doc:"When the database is asked again; null unless that is being waited for."`
	Problem          *OutboxTrouble  `json:"problem" doc:"Why results are not taken; null if they are."`
	BytesSent        []OutboxTraffic `json:"bytes_sent" nullable:"false" doc:"What forwarding has moved since the process started, by link."`
}

// OutboxTrouble is why results are not taken.
type OutboxTrouble struct {
	Reason  string    `json:"reason" doc:"unreachable, busy, setup, too_large, content, or store if it is the monitor's own store that cannot be read; others may follow."`
	Message string    `json:"message" doc:"What is wrong, in the database's words where it has any."`
	Remedy  string    `json:"remedy" doc:"What a person can do; empty if waiting is all."`
	Since   time.Time `json:"since"`
}

// OutboxTraffic is what forwarding has moved over one link.
type OutboxTraffic struct {
	Link  *string `json:"link" doc:"Null: the way that the system chose."`
	Bytes int64   `json:"bytes"`
}

// NewOutboxResponse returns the wire form of the state of forwarding.
func NewOutboxResponse(o OutboxState, now time.Time) OutboxResponse {
	utc := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		return maybeTime(*t)
	}
	r := OutboxResponse{
		State: o.State, StateText: outboxText(o, now), URL: o.URL, Bucket: o.Bucket, Instance: o.Instance,
		Pending: o.Pending, Oldest: utc(o.Oldest), DeadLetters: o.DeadLetters,
		SentTotal: o.Sent, WritesTotal: o.Writes, FailuresTotal: o.Failures,
		LastSuccess: utc(o.LastSuccess), NextTry: utc(o.NextTry),
		BytesSent: make([]OutboxTraffic, 0, len(o.BytesSent)),
	}
	if r.Oldest != nil {
		r.OldestAgeSeconds = defined(outboxAge(o, now).Seconds(), true)
	}
	if p := o.Problem; p != nil {
		r.Problem = &OutboxTrouble{Reason: string(p.Reason), Message: p.Message, Remedy: p.Remedy, Since: p.Since.UTC()}
	}
	for _, link := range slices.Sorted(maps.Keys(o.BytesSent)) {
		r.BytesSent = append(r.BytesSent, OutboxTraffic{Link: defined(string(link), link != ""), Bytes: o.BytesSent[link]})
	}
	return r
}

// outboxAge is how long the oldest result waits; 0 if none does, or if the clock was
// set back since.
func outboxAge(o OutboxState, now time.Time) time.Duration {
	if o.Oldest == nil {
		return 0
	}
	return max(now.Sub(*o.Oldest), 0)
}

// aFew is how many results wait at most while they are forwarded as they come: some
// windows of a monitor with a dozen streams.
const aFew = 100

// outboxText says the state of forwarding.
func outboxText(o OutboxState, now time.Time) string {
	waiting := thousands(o.Pending) + " results"
	verb := " wait"
	if o.Pending == 1 {
		waiting, verb = "1 result", " waits"
	}
	oldest := ""
	if o.Oldest != nil {
		oldest = " (oldest " + inWords(outboxAge(o, now)) + ")"
	}
	switch {
	case o.State == OutboxBlocked && o.Pending == 0:
		return "InfluxDB does not take results"
	case o.State == OutboxBlocked:
		return "InfluxDB does not take results; " + waiting + verb + oldest
	case o.Pending == 0:
		return "all results are forwarded"
	case o.State == OutboxHeld:
		return waiting + verb + oldest + ", held back by this monitor"
	case o.Problem != nil && o.Problem.Reason == reasonStore:
		return waiting + verb + oldest
	case o.Problem == nil && o.State != OutboxWaiting && o.Pending <= aFew:
		return "results are forwarded as they come"
	case o.State == OutboxSending && o.Problem == nil:
		return waiting + verb + " to be forwarded" + oldest
	}
	return waiting + verb + " for InfluxDB" + oldest
}

// thousands writes n with its thousands apart.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// DeadLetter is a result that was set aside. What a kind does not have is null: gaps,
// events and links have no stream.
type DeadLetter struct {
	ID     int64     `json:"id" doc:"For POST /outbox/resend."`
	Kind   string    `json:"kind" enum:"window,hour,throughput,outage,gap,event,link"`
	Site   string    `json:"site"`
	Link   *string   `json:"link" doc:"Null: all links."`
	Target *string   `json:"target"`
	Method *string   `json:"method"`
	Family *string   `json:"family"`
	Load   *string   `json:"load"`
	Time   time.Time `json:"time" doc:"When what it tells of began."`
	Reason string    `json:"reason" doc:"Why it was refused, in the database's words."`
	Since  time.Time `json:"since" doc:"When it was set aside."`
}

// NewDeadLetter returns the wire form of a dead letter.
func NewDeadLetter(d perigee.DeadLetter) DeadLetter {
	s := d.Stream
	return DeadLetter{
		ID: d.ID, Kind: string(d.Kind), Site: s.Site, Link: defined(string(s.Link), s.Link != ""),
		Target: defined(string(s.Target), s.Target != ""), Method: defined(string(s.Method), s.Method != ""),
		Family: defined(string(s.Family), s.Family != ""), Load: defined(string(s.Load), s.Load != ""),
		Time: d.Time.UTC(), Reason: d.Reason, Since: d.Since.UTC(),
	}
}

// noOutbox is the problem of asking how forwarding does where nothing is forwarded.
func (s *server) noOutbox() error {
	if s.outbox != nil {
		return nil
	}
	return newProblem(perigee.CodeNotFound, "no InfluxDB is configured, so nothing is forwarded",
		"Name one as storage.influxdb in the monitor's configuration.")
}

type outboxOutput struct {
	Body OutboxResponse
}

func (s *server) outboxStatus(ctx context.Context, _ *struct{}) (*outboxOutput, error) {
	if err := s.noOutbox(); err != nil {
		return nil, err
	}
	state, err := s.outbox.OutboxStatus(ctx)
	if err != nil {
		return nil, err
	}
	return &outboxOutput{NewOutboxResponse(state, s.now())}, nil
}

// Bounds of one list of dead letters.
const (
	defaultDeadLetters = 100
	maxDeadLetters     = 1000
)

type deadLettersInput struct {
	Limit string `query:"limit" example:"20" doc:"How many at most, from 1 to 1000; 100 if absent."`
}

type deadLettersOutput struct {
	Body []DeadLetter `nullable:"false"`
}

func (s *server) deadLetters(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
	limit := defaultDeadLetters
	if in.Limit != "" {
		n, err := strconv.Atoi(in.Limit)
		if err != nil || !digits(in.Limit) || n < 1 || n > maxDeadLetters {
			return nil, badParameter("limit", fmt.Sprintf("limit: %q is not a number from 1 to %d", in.Limit, maxDeadLetters), "Write it like 20; the newest come first.")
		}
		limit = n
	}
	if err := s.noOutbox(); err != nil {
		return nil, err
	}
	letters, err := s.outbox.DeadLetters(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := &deadLettersOutput{Body: make([]DeadLetter, 0, len(letters))}
	for _, d := range letters {
		out.Body = append(out.Body, NewDeadLetter(d))
	}
	return out, nil
}

// ResendRequest asks for dead letters to be sent again.
type ResendRequest struct {
	IDs *[]int64 `json:"ids,omitempty" doc:"Which; all if absent."`
}

// ResendResponse tells what came of it.
type ResendResponse struct {
	Resent int `json:"resent" doc:"How many dead letters are pending again."`
}

func (s *server) resend(ctx context.Context, in ResendRequest) (ResendResponse, error) {
	if err := s.noOutbox(); err != nil {
		return ResendResponse{}, err
	}
	var ids []int64
	if in.IDs != nil {
		// A program whose list came out empty did not mean all.
		if ids = *in.IDs; len(ids) == 0 {
			return ResendResponse{}, newProblem(perigee.CodeInvalid, "ids is empty", "Name some, or leave ids out to resend all.")
		}
	}
	n, err := s.outbox.Resend(ctx, ids)
	return ResendResponse{Resent: n}, err
}

// RetryRequest asks for what waits to be tried at once. It has no members yet.
type RetryRequest struct{}

func (s *server) retry(ctx context.Context, _ RetryRequest) (OutboxResponse, error) {
	if err := s.noOutbox(); err != nil {
		return OutboxResponse{}, err
	}
	s.outbox.Retry()
	state, err := s.outbox.OutboxStatus(ctx)
	if err != nil {
		return OutboxResponse{}, err
	}
	return NewOutboxResponse(state, s.now()), nil
}
