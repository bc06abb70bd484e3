package influx

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"perigee"
)

// SetupOptions say what Setup makes beside the bucket.
type SetupOptions struct {
	// Retention is how long results are kept; zero is for ever.
	Retention time.Duration

	// Writer and Reader name the one that may only write to the bucket and the
	// one that may only read it: users of 1.8, descriptions of tokens of 2.x.
	// Empty: "perigee-write" and "perigee-read", with the bucket's name.
	Writer, Reader string
}

// SetupResult is what Setup did.
type SetupResult struct {
	Dialect Dialect
	Version string   // of the server, as it says
	Done    []string // what was made, one sentence each
	Found   []string // what was there already, one sentence each

	// WriteToken and ReadToken are those that were made, shown this once; empty
	// if they were there already.
	WriteToken, ReadToken string
}

func (r *SetupResult) done(format string, args ...any) {
	r.Done = append(r.Done, fmt.Sprintf(format, args...))
}
func (r *SetupResult) found(format string, args ...any) {
	r.Found = append(r.Found, fmt.Sprintf(format, args...))
}

// Setup makes the bucket and a token for writing and one for reading, as far as they
// are not there. c's token must be an administrator's. It may be repeated, also after
// it failed half-way. The retention of a bucket that is there stays as it is.
func (c *Client) Setup(ctx context.Context, o SetupOptions) (SetupResult, error) {
	dialect, err := c.Detect(ctx)
	if err != nil {
		return SetupResult{}, err
	}
	if o.Retention != 0 && o.Retention < time.Hour {
		return SetupResult{}, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf("retention %s is less than an hour, the least InfluxDB keeps", o.Retention)}
	}
	label := strings.NewReplacer("/", "-").Replace(c.options.Bucket)
	if o.Writer == "" {
		o.Writer = "perigee-write-" + label
	}
	if o.Reader == "" {
		o.Reader = "perigee-read-" + label
	}
	result := SetupResult{Dialect: dialect, Version: c.version}
	if dialect == V1 {
		err = c.setupV1(ctx, o, &result)
	} else {
		err = c.setupV2(ctx, o, &result)
	}
	return result, err
}

// secret returns a new password.
func secret() string { return rand.Text() }

// series is an answer of InfluxQL, as far as it is needed.
type series struct {
	Results []struct {
		Error  string
		Series []struct{ Values [][]any }
	}
}

// statement runs InfluxQL and returns the rows of its one result.
func (c *Client) statement(ctx context.Context, statement string) ([][]any, error) {
	body := strings.NewReader(url.Values{"q": {statement}}.Encode())
	response, err := c.call(ctx, http.MethodPost, "/query", nil, body, "Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return nil, c.unanswered(err).failure()
	}
	a := readAnswer(response)
	var answered series
	if err := json.Unmarshal(a.body, &answered); a.status != http.StatusOK || err != nil {
		return nil, c.understand(a).failure()
	}
	var rows [][]any
	for _, r := range answered.Results {
		if r.Error != "" {
			return nil, c.understand(answer{status: http.StatusBadRequest, words: r.Error, database: true}).failure()
		}
		for _, s := range r.Series {
			rows = append(rows, s.Values...)
		}
	}
	return rows, nil
}

// identifier and literal quote names and texts of InfluxQL.
func identifier(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(text) + "'"
}

// has reports whether the first column of a row is name.
func has(rows [][]any, name string) bool {
	for _, row := range rows {
		if len(row) > 0 && row[0] == any(name) {
			return true
		}
	}
	return false
}

func (c *Client) setupV1(ctx context.Context, o SetupOptions, result *SetupResult) error {
	database, policy, _ := strings.Cut(c.options.Bucket, "/")
	databases, err := c.statement(ctx, "SHOW DATABASES")
	if err != nil {
		return err
	}
	if has(databases, database) {
		result.found("the database %q is there", database)
		err = c.setupPolicy(ctx, database, policy, o.Retention, result)
	} else {
		if policy == "" {
			policy = "autogen" // as the server would name it
		}
		_, err = c.statement(ctx, fmt.Sprintf("CREATE DATABASE %s WITH DURATION %s REPLICATION 1 NAME %s", identifier(database), duration(o.Retention), identifier(policy)))
		if err == nil {
			result.done("made the database %q with the retention policy %q, which keeps %s", database, policy, kept(o.Retention))
		}
	}
	if err != nil {
		return err
	}
	for _, user := range []struct {
		name, right string
		token       *string
	}{{o.Writer, "WRITE", &result.WriteToken}, {o.Reader, "READ", &result.ReadToken}} {
		if *user.token, err = c.setupUser(ctx, database, user.name, user.right, result); err != nil {
			return err
		}
	}
	return nil
}

// setupPolicy makes the retention policy of a database that is there. The default one
// always is.
func (c *Client) setupPolicy(ctx context.Context, database, policy string, retention time.Duration, result *SetupResult) error {
	policies, err := c.statement(ctx, "SHOW RETENTION POLICIES ON "+identifier(database))
	if err != nil {
		return err
	}
	if policy == "" {
		result.found("its default retention policy is there")
		return nil
	}
	if has(policies, policy) {
		result.found("the retention policy %q is there", policy)
		return nil
	}
	_, err = c.statement(ctx, fmt.Sprintf("CREATE RETENTION POLICY %s ON %s DURATION %s REPLICATION 1", identifier(policy), identifier(database), duration(retention)))
	if err == nil {
		result.done("made the retention policy %q, which keeps %s", policy, kept(retention))
	}
	return err
}

// duration returns a retention in InfluxQL's words.
func duration(retention time.Duration) string {
	if retention == 0 {
		return "INF"
	}
	return fmt.Sprintf("%ds", int64(retention/time.Second))
}

func kept(retention time.Duration) string {
	if retention == 0 {
		return "results for ever"
	}
	return "results for " + retention.String()
}

// setupUser makes a user with one right and returns its token, unless it is there.
func (c *Client) setupUser(ctx context.Context, database, name, right string, result *SetupResult) (string, error) {
	users, err := c.statement(ctx, "SHOW USERS")
	if err != nil {
		return "", err
	}
	token := ""
	if has(users, name) {
		result.found("the user %q is there and keeps its password", name)
	} else {
		password := secret()
		if _, err := c.statement(ctx, "CREATE USER "+identifier(name)+" WITH PASSWORD "+literal(password)); err != nil {
			return "", err
		}
		token = name + ":" + password
		result.done("made the user %q, who may only %s", name, strings.ToLower(right))
	}
	_, err = c.statement(ctx, fmt.Sprintf("GRANT %s ON %s TO %s", right, identifier(database), identifier(name)))
	return token, err
}

func (c *Client) setupV2(ctx context.Context, o SetupOptions, result *SetupResult) error {
	subject := func(err error) error { return c.refused(err) }
	org, err := c.library.OrganizationsAPI().FindOrganizationByName(ctx, c.options.Org)
	if err != nil {
		return subject(err)
	}
	bucket, err := c.library.BucketsAPI().FindBucketByName(ctx, c.options.Bucket)
	switch {
	case err == nil:
		result.found("the bucket %q is there", c.options.Bucket)
	case strings.Contains(err.Error(), "not found"):
		var rules []domain.RetentionRule
		if o.Retention > 0 {
			rules = append(rules, domain.RetentionRule{EverySeconds: int64(o.Retention / time.Second)})
		}
		if bucket, err = c.library.BucketsAPI().CreateBucketWithName(ctx, org, c.options.Bucket, rules...); err != nil {
			return subject(err)
		}
		result.done("made the bucket %q, which keeps %s", c.options.Bucket, kept(o.Retention))
	default:
		return subject(err)
	}
	if org.Id == nil || bucket.Id == nil {
		return &perigee.Error{Code: perigee.CodeInternal, Message: c.place() + " tells no identity of organization or bucket"}
	}
	there, err := c.library.AuthorizationsAPI().FindAuthorizationsByOrgID(ctx, *org.Id)
	if err != nil {
		return subject(err)
	}
	for _, t := range []struct {
		description string
		action      domain.PermissionAction
		token       *string
	}{{o.Writer, domain.PermissionActionWrite, &result.WriteToken}, {o.Reader, domain.PermissionActionRead, &result.ReadToken}} {
		if described(there, t.description) {
			result.found("the token described as %q is there; InfluxDB does not show it again", t.description)
			continue
		}
		made, err := c.library.AuthorizationsAPI().CreateAuthorization(ctx, &domain.Authorization{
			OrgID:                      org.Id,
			AuthorizationUpdateRequest: domain.AuthorizationUpdateRequest{Description: &t.description},
			Permissions: &[]domain.Permission{{Action: t.action, Resource: domain.Resource{
				Type: domain.ResourceTypeBuckets, Id: bucket.Id, OrgID: org.Id}}},
		})
		if err != nil {
			return subject(err)
		}
		if made.Token != nil {
			*t.token = *made.Token
		}
		result.done("made the token described as %q, which may only %s", t.description, t.action)
	}
	return nil
}

func described(there *[]domain.Authorization, description string) bool {
	if there == nil {
		return false
	}
	for _, a := range *there {
		if a.Description != nil && *a.Description == description {
			return true
		}
	}
	return false
}

// refused returns the error of a call that the library made.
func (c *Client) refused(err error) error {
	for status, words := range map[int]string{http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden", http.StatusNotFound: "not found"} {
		if strings.Contains(strings.ToLower(err.Error()), words) {
			return c.understand(answer{status: status, words: shorten(err.Error()), database: true}).failure()
		}
	}
	return c.unanswered(err).failure()
}
