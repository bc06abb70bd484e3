package influx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"perigee"
)

// trouble is what keeps a call from being done, and what follows: the sink's Refusal
// and the store's Error are both made of it.
type trouble struct {
	reason  perigee.RefusalReason
	code    perigee.Code
	message string
	remedy  string
	err     error
	answer  answer
}

func (t trouble) refusal() *perigee.Refusal {
	return &perigee.Refusal{Reason: t.reason, RetryAfter: t.answer.after, Message: t.message, Remedy: t.remedy, Err: t.err}
}

func (t trouble) failure() *perigee.Error {
	e := &perigee.Error{Code: t.code, Message: t.message, Err: t.err}
	if t.remedy != "" {
		e.Message += "; " + t.remedy
	}
	return e
}

// unanswered returns the trouble of a call to which no answer came.
func (c *Client) unanswered(err error) trouble {
	t := trouble{reason: perigee.RefusedUnreachable, code: perigee.CodeUnavailable, err: err,
		message: c.place() + " cannot be reached", remedy: "check that it runs, and the way to it"}
	switch {
	case errors.Is(err, errSilent):
		t.message, t.err = fmt.Sprintf("%s does not answer within %s", c.place(), c.options.Timeout), nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		t.message, t.remedy = c.place()+" was not waited for", ""
	case certificate(err):
		t.reason, t.message, t.remedy = perigee.RefusedSetup, c.place()+" shows a certificate that is not trusted", "correct the server's certificate, the URL, or this machine's clock"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		t.reason, t.message, t.remedy, t.err = perigee.RefusedSetup, c.place()+" does not speak https", "write http:// in the URL, or turn on https there", nil
	}
	return t
}

// A remedy of each kind of wrong setup.
const (
	remedyToken  = "put a valid one where the configuration's token_file points, of 1.8 user:password"
	remedyBucket = "make it with perigee influx setup, or correct storage.influxdb.bucket"
	remedyURL    = "correct storage.influxdb.url; a path may belong to it"
)

// understand returns the trouble that an answer tells of. Its cases are in order:
// what the database says in words counts for more than the status that it chose.
func (c *Client) understand(a answer) trouble {
	t := trouble{answer: a, reason: perigee.RefusedSetup, code: perigee.CodeInternal}
	is := func(reason perigee.RefusalReason, code perigee.Code, message, remedy string) trouble {
		t.reason, t.code, t.message, t.remedy = reason, code, message, remedy
		return t
	}
	const (
		setup       = perigee.RefusedSetup
		unreachable = perigee.RefusedUnreachable
	)
	said := ": " + a.quote()
	switch {
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		return is(perigee.RefusedBusy, perigee.CodeUnavailable, c.place()+" asks to wait"+said, "")
	case !a.database:
		return c.understandStranger(a, is)

	case a.says("max-series-per-database", "max-values-per-tag", "database is full"):
		return is(setup, perigee.CodeInternal, "the database is full"+said, "raise max-series-per-database (max-values-per-tag) in InfluxDB's configuration, or drop series that nobody needs; points of new series are refused until then")
	case a.says("database not found", "retention policy not found"),
		a.says("bucket") && a.says("not found", "could not find"),
		a.says("failed to find bucket", "failed to initialize execute state: could not find bucket"):
		return is(setup, perigee.CodeNotFound, fmt.Sprintf("bucket %q is missing%s", c.options.Bucket, said), remedyBucket)
	case a.says("organization") && a.says("not found"), a.says("please provide either orgid or org"):
		return is(setup, perigee.CodeNotFound, fmt.Sprintf("organization %q is missing%s", c.options.Org, said), "correct storage.influxdb.org")
	case a.says("flux query service disabled"):
		return is(setup, perigee.CodePermission, c.place()+" has Flux turned off", "set flux-enabled = true in the section [http] of InfluxDB's configuration")

	case a.status == http.StatusUnauthorized && c.options.Token == "":
		return is(setup, perigee.CodePermission, c.place()+" asks for a token and none is configured", "name a file that holds it as storage.influxdb.token_file, of 1.8 user:password")
	case a.status == http.StatusUnauthorized && a.says("unable to parse authentication credentials"):
		return is(setup, perigee.CodePermission, c.place()+" cannot read the token, which is not of the form user:password", remedyToken)
	case a.status == http.StatusUnauthorized && a.says("create admin user first"):
		return is(setup, perigee.CodePermission, c.place()+" has authentication on and no user yet", "make an administrator there first, see docs/influx.md")
	case a.status == http.StatusUnauthorized && !a.says("unauthorized access"):
		return is(setup, perigee.CodePermission, c.place()+" does not know the token (user or password)"+said, remedyToken)
	case a.status == http.StatusUnauthorized:
		return is(setup, perigee.CodePermission, c.place()+" does not accept the token, or it has no right to this"+said, "give one that has the right to write to, or to read, bucket "+strings.TrimSpace(c.options.Bucket))
	case a.status == http.StatusForbidden, a.says("not authorized", "insufficient permissions", "requires read", "requires write", "requires admin"):
		return is(setup, perigee.CodePermission, fmt.Sprintf("the token has no right to this in bucket %q%s", c.options.Bucket, said), c.grant(a))

	case a.status == http.StatusRequestEntityTooLarge:
		return is(perigee.RefusedTooLarge, perigee.CodeInvalid, c.place()+" finds it too large"+said, "")
	case a.status == http.StatusNotFound:
		return is(setup, perigee.CodeNotFound, c.place()+" does not know this way of asking"+said, "update it to 1.8 or 2.x")
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		return is(unreachable, perigee.CodeUnavailable, c.place()+" fails"+said, "")
	case a.status == http.StatusBadRequest && a.says("unexpected eof", "gzip:", "timeout"):
		return is(unreachable, perigee.CodeUnavailable, c.place()+" did not get all of it"+said, "")
	case a.status == http.StatusBadRequest || a.status == http.StatusUnprocessableEntity:
		return is(perigee.RefusedContent, perigee.CodeInternal, c.content(a), "")
	}
	return c.understandStranger(a, is)
}

// understandStranger is understand for what cannot be InfluxDB: a proxy, a captive
// portal, another server.
func (c *Client) understandStranger(a answer, is func(perigee.RefusalReason, perigee.Code, string, string) trouble) trouble {
	nobody := "no InfluxDB answers at " + c.options.URL + ", something else says " + a.quote()
	switch {
	case a.status == http.StatusRequestEntityTooLarge:
		return is(perigee.RefusedTooLarge, perigee.CodeInvalid, nobody, "")
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		return is(perigee.RefusedUnreachable, perigee.CodeUnavailable, nobody, "check what stands between, and the database behind it")
	case a.status == http.StatusMovedPermanently || a.status == http.StatusPermanentRedirect:
		return is(perigee.RefusedSetup, perigee.CodeUnavailable, nobody+" and points to "+redactURL(a.location), "if that is right, make it storage.influxdb.url: a token is not carried there unasked")
	case a.status < 400: // a login page, most likely
		return is(perigee.RefusedUnreachable, perigee.CodeUnavailable, nobody, "a login page may stand between; else "+remedyURL)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusProxyAuthRequired:
		return is(perigee.RefusedSetup, perigee.CodePermission, nobody, "let it pass at the proxy, or "+remedyURL)
	}
	return is(perigee.RefusedSetup, perigee.CodeUnavailable, nobody, remedyURL)
}

// content says what is wrong with points.
func (c *Client) content(a answer) string {
	switch {
	case a.says("field type conflict"):
		return "a field has another type there than perigee writes: " + a.quote()
	case a.says("beyond retention", "outside retention", "retention policy"):
		return "it is older than the bucket keeps: " + a.quote()
	}
	return c.place() + " cannot take it: " + a.quote()
}

// grant says how a token gets its right.
func (c *Client) grant(a answer) string {
	database, _, _ := strings.Cut(c.options.Bucket, "/")
	right := "READ"
	if a.says("to write", "requires write") { // not a user's name
		right = "WRITE"
	}
	if user, _, ok := strings.Cut(c.options.Token, ":"); ok {
		return fmt.Sprintf("GRANT %s ON %q TO %q", right, database, user)
	}
	return fmt.Sprintf("give one that has the right to %s bucket %q", strings.ToLower(right), c.options.Bucket)
}

// certificate reports whether err is that of a certificate which is not trusted.
func certificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
