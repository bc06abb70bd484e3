package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"perigee"
	"perigee/api/access"
	"perigee/dashboards"
)

// Options say what New answers from. Store is needed; the rest has defaults.
type Options struct {
	Store   perigee.Store
	Version string           // as perigee version prints it
	Now     func() time.Time // time.Now if nil

	// Maker is what this process measures by, its version the above; zero if it does
	// not measure.
	Maker perigee.Maker

	// Ready returns the checks behind /readyz; nil: always ready.
	Ready func(context.Context) []Check

	// Export writes the samples that q selects to w in format csv, jsonl or lp.
	// If nil, /export answers that it is unavailable.
	Export func(ctx context.Context, w io.Writer, format string, q perigee.Query) error

	// Feed is what this process stores as it measures. If nil, /live answers
	// that it is unavailable, and /metrics has no streams.
	Feed *Feed

	// Outbox is what forwards results to InfluxDB. If nil, /outbox answers that
	// none is configured, and /metrics says nothing of it.
	Outbox Outbox

	// Budget tells what was moved over each link and what may still be. If nil,
	// /budget answers that no account is kept, and /metrics says nothing of it.
	Budget Budget

	// Measure makes measurements that somebody asks for. If nil, /probes answers
	// that this process makes none.
	Measure Measure

	// Clock says how good the clock is that stamps probes, for /slots. If nil, that
	// is not known.
	Clock func() perigee.ClockQuality

	// Keys are the tokens that may ask; nil: anybody may.
	Keys *access.Keyring

	// Callers is what is known of those who ask; nil: nobody has asked yet. Whoever
	// answers from other Options from now on, in the same process, hands it over.
	Callers *Callers

	// Certificates are what TLS is spoken with, for /metrics; nil: it is not.
	Certificates *access.Certificates

	// Collectors add to /metrics, e.g. the state of the store.
	Collectors []prometheus.Collector

	// Origins are the origins, such as https://wall.example.net, whose pages may ask
	// with a token and read the answer. New panics for one that is none.
	Origins []string

	// Hosts are further names, without port, under which the loopback interface
	// may be asked; localhost and loopback addresses always are.
	Hosts []string

	// Log is told of failures that clients see as internal or unavailable; nil:
	// nobody is.
	Log *slog.Logger
}

// server is what the handlers share.
type server struct {
	store     perigee.Store
	version   string
	maker     perigee.Maker
	now       func() time.Time
	ready     func(context.Context) []Check
	export    func(ctx context.Context, w io.Writer, format string, q perigee.Query) error
	feed      *Feed
	outbox    Outbox
	budget    Budget
	measure   Measure
	clock     func() perigee.ClockQuality
	log       *slog.Logger
	heartbeat time.Duration

	keys    *access.Keyring
	pair    *access.Certificates
	foreign *http.CrossOriginProtection
	*Callers
}

// New returns the handler of the whole interface and the page. It panics if
// o.Collectors clash with each other or with its own.
func New(o Options) http.Handler { return newServer(o).handler(o) }

func newServer(o Options) *server {
	s := &server{store: meteredStore{o.Store}, version: o.Version, maker: o.Maker, now: o.Now, ready: o.Ready, export: o.Export, feed: o.Feed, outbox: o.Outbox, budget: o.Budget, measure: o.Measure, clock: o.Clock, log: o.Log, heartbeat: heartbeat}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.keys, s.pair, s.Callers = o.Keys, o.Certificates, o.Callers
	s.foreign = protection(o.Origins)
	if s.Callers == nil {
		s.Callers = NewCallers(s.now)
	}
	return s
}

func (s *server) handler(o Options) http.Handler {
	router := chi.NewRouter()
	router.Use(withSecurityHeaders, s.withRecovery, withHostCheck(o.Hosts), withWriteDeadline, withOrigins(o.Origins), withEncryption,
		s.withAuthentication, s.withRate, s.withTurn, middleware.GetHead)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		newProblem(perigee.CodeNotFound, fmt.Sprintf("nothing is at %s", r.URL.Path), "The interface is described by /api/v1/openapi.json; the page is at /.").write(w)
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		remedy := "Use GET: this can only be read."
		var allow []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			asked := method
			if method == http.MethodHead {
				asked = http.MethodGet
			}
			if router.Match(chi.NewRouteContext(), asked, r.URL.EscapedPath()) {
				allow = append(allow, method)
			}
		}
		if slices.Contains(allow, http.MethodPost) {
			remedy = "Use POST, with Content-Type: application/json: this changes something."
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		newProblem(perigee.CodeInvalid, fmt.Sprintf("%s is not possible at %s", r.Method, r.URL.Path), remedy).with(http.StatusMethodNotAllowed).write(w)
	})
	s.register(router.With(withCompression), o.Version)
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // the client has gone
	})
	router.Get("/readyz", s.readyz)
	router.Method(http.MethodGet, "/metrics", s.newMetrics(o))
	for path, file := range dashboards.Pages {
		router.Get(path, servePage(file))
	}
	return router
}

// register adds the operations of /api/v1 and their description, which it returns.
func (s *server) register(router chi.Router, version string) huma.API {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "perigee", Version: version,
				Description: "Measurements of satellite links and how they compare. Undefined values are null. Times are RFC 3339 in UTC, durations seconds, ratios 0 to 1. Errors are problem documents (RFC 9457)."},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		Formats: map[string]huma.Format{
			"application/json": {Marshal: encodeWhole, Unmarshal: json.Unmarshal},
			"json":             {Marshal: encodeWhole, Unmarshal: json.Unmarshal}, // what ends in +json
		},
		DefaultFormat: "application/json",
	}
	if s.keys != nil {
		config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
			"token":   {Type: "http", Scheme: "bearer", Description: "As perigee token add makes it; POST needs the scope probe."},
			"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "Of a session that a token began."},
		}
		config.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	api := humachi.New(router, config)
	api.UseMiddleware(strictly, withDeadlines)

	get(s, api, "monitor", "/monitor", "What the process is that answers", nil, s.monitor)
	get(s, api, "links", "/links", "Every link as it does now", nil, s.links)
	get(s, api, "link", "/links/{link}", "One link with its newest samples", nil, s.link)
	get(s, api, "summary", "/links/{link}/summary", "What a link did over a range", nil, s.summary)
	get(s, api, "usual", "/links/{link}/usual", "What was usual of a link in the last seven days", nil, s.usual)
	get(s, api, "series", "/series", "A metric over time", nil, s.series)
	get(s, api, "heatmap", "/heatmap", "A metric by weekday and hour", nil, s.heatmap)
	get(s, api, "compare", "/compare", "How links compare, and how sure that is", nil, s.compare)
	get(s, api, "distribution", "/distribution", "How the values of a metric are distributed on links", nil, s.distribution)
	get(s, api, "slots", "/slots", "Whether round trips step in Starlink's slots of 15 s", nil, s.slots)
	get(s, api, "outages", "/outages", "Times without an answered probe", nil, s.outages)
	get(s, api, "disruptions", "/disruptions", "Outages merged by cause: what they looked like, and what is to blame", nil, s.disruptions)
	get(s, api, "availability", "/availability", "How often and how long links failed, by day or month", nil, s.availability)
	get(s, api, "gaps", "/gaps", "Times in which the monitor was not measuring", nil, s.gaps)
	get(s, api, "throughput", "/throughput", "Transfers, and latency while they ran", nil, s.throughputs)
	get(s, api, "export", "/export", "Samples as a file, streamed", []string{"text/csv", "application/jsonl", "text/plain"}, s.exportSamples)
	get(s, api, "live", "/live", "Server-sent events: sample, throughput, outage and gap as they are stored, with the shapes of the schemas Sample, Throughput, Outage and Gap", []string{"text/event-stream"}, s.live)

	get(s, api, "budget", "/budget", "What was moved over each link, and what may still be", nil, s.budgets)
	post(s, router, api, "start-probe", "/probes", "Measure now", s.startProbe)
	get(s, api, "probe", "/probes/{id}", "How a measurement does that was asked for", nil, s.probe)

	get(s, api, "outbox", "/outbox", "How forwarding to InfluxDB does", nil, s.outboxStatus)
	get(s, api, "dead-letters", "/outbox/dead-letters", "Results that InfluxDB will never take as they are, newest first", nil, s.deadLetters)
	post(s, router, api, "resend", "/outbox/resend", "Send dead letters again", s.resend)
	post(s, router, api, "retry", "/outbox/retry", "Try at once what waits to be sent", s.retry)

	s.registerSession(router, api)

	// The library describes errors of its own, which no operation answers, forbids
	// members that later versions may add, and cannot say of an object that null
	// may stand for it.
	schemas := api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for _, schema := range schemas {
		schema.AdditionalProperties = nil
	}
	schemas["OutboxTrouble"].Nullable = true
	schemas["ProbeTrouble"].Nullable = true
	schemas["ProbeProgress"].Nullable = true
	schemas["Plan"].Nullable = true
	schemas["Provenance"].Nullable = true // that of /monitor alone
	document, err := json.Marshal(api.OpenAPI())
	if err != nil {
		panic(err) // only for a description that JSON cannot hold
	}
	router.Get(prefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", openAPIType)
		_, _ = w.Write(document) // the client has gone
	})
	return api
}

const openAPIType = "application/openapi+json"

// prefix is where version 1 of the interface lies.
const prefix = "/api/v1"

// get registers one operation. If streamed names media types, it writes its own
// answer.
func get[I, O any](s *server, api huma.API, id, path, summary string, streamed []string, handle func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: prefix + path, Summary: summary,
		SkipValidateParams: true, // parameters are read, and refused, in query.go
		Responses:          map[string]*huma.Response{"default": problemResponse(api)},
	}
	if streamed != nil {
		op.Metadata = map[string]any{"streamed": true}
		content := map[string]*huma.MediaType{}
		for _, t := range streamed {
			content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		op.Responses["200"] = &huma.Response{Description: "OK", Content: content}
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(s.withMeter(ctx), in)
		if err != nil {
			p := problemOf(err)
			s.reportProblem(ctx, id, p)
			return nil, p
		}
		return out, nil
	})
}

// problemResponse describes what is answered if something went wrong.
func problemResponse(api huma.API) *huma.Response {
	problem := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "What went wrong", Content: map[string]*huma.MediaType{problemType: {Schema: problem}}}
}

// report logs the failure of a request.
func (s *server) report(r *http.Request, err error) {
	s.reportProblem(r.Context(), r.URL.Path, problemOf(err))
}

// reportProblem logs what the monitor's operator should know. Clients that went away
// are not news.
func (s *server) reportProblem(ctx context.Context, operation string, p *Problem) {
	if p.Status >= http.StatusInternalServerError && p.cause != nil && ctx.Err() != context.Canceled {
		s.log.Error("request failed", "operation", operation, "code", p.Code, "error", p.Error())
	}
}
