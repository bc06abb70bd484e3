package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"perigee"
)

// located is an answer that tells where its subject, of which the outcome is still to
// come, is found from now on.
type located interface{ location() string }

// post registers one operation that changes something. It takes and answers a JSON
// object, with status 202 if that is located. Bodies are read here and not by the
// library, whose errors are not ours.
func post[I, O any](s *server, router chi.Router, api huma.API, id, path, summary string, handle func(context.Context, I) (O, error)) {
	registry := api.OpenAPI().Components.Schemas
	content := func(mediaType string, t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{mediaType: {Schema: registry.Schema(t, true, t.Name())}}
	}
	done, described := "200", "OK"
	if reflect.TypeFor[O]().Implements(reflect.TypeFor[located]()) {
		done, described = "202", "Accepted: Location says where the outcome is found"
	}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: prefix + path, Summary: summary,
		RequestBody: &huma.RequestBody{Required: true, Content: content("application/json", reflect.TypeFor[I]())},
		Responses: map[string]*huma.Response{
			done:      {Description: described, Content: content("application/json", reflect.TypeFor[O]())},
			"default": problemResponse(api),
		},
	})
	router.Post(prefix+path, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(queryTimeout + writeTimeout)) // unsupported by some writers
		out, err := changed(ctx, s, r, handle)
		if err == nil {
			err = answer(w, out)
		}
		if err != nil {
			p := problemOf(err)
			s.reportProblem(r.Context(), id, p)
			p.write(w)
		}
	})
}

// answer writes the answer to a change.
func answer(w http.ResponseWriter, out any) error {
	var b bytes.Buffer
	if err := Encode(&b, out); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if c, ok := out.(interface{ cookie() *http.Cookie }); ok {
		http.SetCookie(w, c.cookie())
	}
	if l, ok := out.(located); ok {
		w.Header().Set("Location", l.location())
		w.WriteHeader(http.StatusAccepted)
	}
	_, _ = w.Write(b.Bytes()) // the client has gone
	return nil
}

// changed handles a request for a change, if it may ask for one.
func changed[I, O any](ctx context.Context, s *server, r *http.Request, handle func(context.Context, I) (O, error)) (out O, err error) {
	if p := checkQuery(r.URL.RawQuery, nil); p != nil {
		return out, p
	}
	var in I
	if p := s.mayChange(r); p != nil {
		return out, p
	}
	if p := readBody(r, &in); p != nil {
		return out, p
	}
	return handle(ctx, in)
}

// mayChange refuses changes that a page of another site asks for: a browser lets any
// page send a form to any address and only keeps the answer from it. Browsers say where
// a request comes from (Sec-Fetch-Site, or Origin); and before they send JSON to another
// site they ask whether they may, to which we say yes only to origins that are allowed by name.
func (s *server) mayChange(r *http.Request) *Problem {
	if p := s.notForeign(r); p != nil {
		return p
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return newProblem(perigee.CodeInvalid, fmt.Sprintf("the body's Content-Type is %q", r.Header.Get("Content-Type")),
			"Send JSON, with Content-Type: application/json.").with(http.StatusUnsupportedMediaType)
	}
	return nil
}

// notForeign refuses what a page of another site asks for, but for those that may.
func (s *server) notForeign(r *http.Request) *Problem {
	if s.foreign.Check(r) != nil {
		return newProblem(perigee.CodePermission, "a page of another site asked for this change",
			"Ask from the monitor's own page, or from a program that is no browser.")
	}
	return nil
}

// readBody reads the one JSON object of a request. Members that are not known are
// refused, as parameters are: a misspelt one would otherwise change more than was
// asked.
func readBody(r *http.Request, into any) *Problem {
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(perigee.CodeInvalid, fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit), "Ask for less at once.").
			with(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return newProblem(perigee.CodeInvalid, "the body was cut off", "Send it again.")
	}
	const remedy = `Send one object such as {}; /api/v1/openapi.json describes its members.`
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 {
		return newProblem(perigee.CodeInvalid, "the body is empty", remedy)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	if err == nil && body[0] == '{' && decoder.InputOffset() == int64(len(body)) {
		return nil
	}
	detail := "the body is not one JSON object"
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		detail = fmt.Sprintf("%s: a %s is not possible here", wrong.Field, wrong.Value)
	} else if err != nil && strings.HasPrefix(err.Error(), "json: unknown field ") {
		detail = "the member " + strings.TrimPrefix(err.Error(), "json: unknown field ") + " is not known"
	}
	return newProblem(perigee.CodeInvalid, detail, remedy)
}

// with returns p with another status than that of its code.
func (p *Problem) with(status int) *Problem {
	p.Status, p.Title = status, http.StatusText(status)
	return p
}
