package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"perigee"
)

// exportTypes are the media types of the export formats.
var exportTypes = map[string]string{
	"csv":   "text/csv; charset=utf-8",
	"jsonl": "application/jsonl",
	"lp":    "text/plain; charset=utf-8",
}

type exportInput struct {
	Format string `query:"format" enum:"csv,jsonl,lp" default:"csv" doc:"CSV, JSON lines or InfluxDB line protocol."`
	Link   string `query:"link" doc:"Name of the link; all if absent."`
	StreamParams
	RangeParams
	Resolution string `query:"resolution" enum:"window,hour,day" default:"window" doc:"Samples as measured, or merged by UTC hour or day."`
}

func (s *server) exportSamples(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	if s.export == nil {
		return nil, newProblem(perigee.CodeUnavailable, "this process cannot export", "Run perigee export on the monitor.")
	}
	format := in.Format
	if format == "" {
		format = "csv"
	}
	if err := oneOf("format", format, "csv", "jsonl", "lp"); err != nil {
		return nil, err
	}
	if err := oneOf("resolution", in.Resolution, "window", "hour", "day"); err != nil {
		return nil, err
	}
	from, to, err := in.RangeParams.parse(s.now())
	if err != nil {
		return nil, err
	}
	q, err := in.StreamParams.query(from, to, linkList(in.Link)...)
	if err != nil {
		return nil, err
	}
	q.Resolution = perigee.Resolution(in.Resolution)
	if err := s.checkLinks(ctx, in.Site, "link", q.Links); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humachi.Unwrap(hc)
		w.Header().Set("Content-Type", exportTypes[format])
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="perigee-%s-%s.%s"`,
			from.Format("20060102T150405Z"), to.Format("20060102T150405Z"), format))
		if r.Method == http.MethodHead {
			return
		}
		out := &exportWriter{w: w, deadlines: http.NewResponseController(w)}
		buffer := bufio.NewWriterSize(out, 32<<10)
		err := s.export(r.Context(), buffer, format, q)
		if err == nil {
			err = buffer.Flush()
		}
		if err == nil {
			return
		}
		s.report(r, err)
		if !out.begun {
			problemOf(err).write(w)
			return
		}
		// Half an export must not look like a whole one: break the connection.
		panic(http.ErrAbortHandler)
	}}, nil
}

// exportWriter gives a client time for each write instead of for the whole export.
type exportWriter struct {
	w         http.ResponseWriter
	deadlines *http.ResponseController
	begun     bool
}

func (e *exportWriter) Write(b []byte) (int, error) {
	e.begun = true
	_ = e.deadlines.SetWriteDeadline(time.Now().Add(writeTimeout)) // unsupported by some writers
	return e.w.Write(b)
}

// linkList returns the one link named, or nil, which is all.
func linkList(name string) []perigee.LinkID {
	if name == "" {
		return nil
	}
	return []perigee.LinkID{perigee.LinkID(name)}
}
