package influx

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"perigee"
)

// Finding is the answer to one question about the way to the database.
type Finding struct {
	Check   string // "reachable", "write", "read", "clock", "fields" or "instances"
	OK      bool
	Message string // what was found
	Remedy  string // what to do if it is not OK
}

// tolerableClock is how far clocks may differ. Results carry this machine's time; what
// differs by more shows at the wrong place beside other machines'.
const tolerableClock = 30 * time.Second

// Check looks for what keeps results from reaching the database, or from being read.
// It leaves no trace there: it writes no point. Its error is ctx's alone; everything
// else is a Finding.
func (c *Client) Check(ctx context.Context) ([]Finding, error) {
	var findings []Finding
	add := func(check string, ok bool, message, remedy string) {
		findings = append(findings, Finding{check, ok, message, remedy})
	}
	dialect, err := c.Detect(ctx)
	if err != nil {
		message, remedy, _ := strings.Cut(err.Error(), "; ")
		add("reachable", false, message, remedy)
		return findings, ctx.Err()
	}
	add("reachable", true, fmt.Sprintf("%s answers, version %s, spoken to as %s", c.place(), c.version, dialect), "")
	if f, ok := c.checkClock(ctx); ok {
		findings = append(findings, f)
	}
	if t, ok := c.mayWrite(ctx); ok {
		add("write", true, fmt.Sprintf("the token may write to bucket %q", c.options.Bucket), "")
	} else {
		add("write", false, t.message+because(t.err), t.remedy)
	}
	if err := c.mayRead(ctx); err != nil {
		message, remedy, _ := strings.Cut(err.Error(), "; ")
		add("read", false, message, remedy)
		return findings, ctx.Err()
	}
	add("read", true, fmt.Sprintf("the token may read bucket %q", c.options.Bucket), "")
	findings = append(findings, c.checkFields(ctx), c.checkInstances(ctx))
	return findings, ctx.Err()
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// mayWrite sends no points. A server refuses that only after it has looked for the
// bucket and at the token's rights: 1.8 acknowledges it, 2.x says that points are
// missing.
func (c *Client) mayWrite(ctx context.Context) (trouble, bool) {
	t, ok := c.writeLines(ctx, nil)
	if !ok && t.answer.status == http.StatusBadRequest && t.reason == perigee.RefusedContent {
		return trouble{}, true
	}
	return t, ok
}

// mayRead asks for points of a moment that has none.
func (c *Client) mayRead(ctx context.Context) error {
	return c.rows(ctx, c.question(measurementWindow, epoch, epoch+int64(time.Second)), func(row) error { return nil })
}

// checkClock compares clocks by the Date of an answer, which is of whole seconds.
func (c *Client) checkClock(ctx context.Context) (Finding, bool) {
	response, err := c.call(ctx, http.MethodGet, "/ping", nil, nil)
	if err != nil {
		return Finding{}, false
	}
	now := time.Now()
	date, err := http.ParseTime(response.Header.Get("Date"))
	readAnswer(response)
	if err != nil {
		return Finding{}, false
	}
	return clockFinding(now.Sub(date)), true
}

func clockFinding(ahead time.Duration) Finding {
	if ahead = ahead.Round(time.Second); ahead.Abs() <= tolerableClock {
		return Finding{Check: "clock", OK: true, Message: "this machine's clock and the server's agree within 30 s"}
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	return Finding{Check: "clock", Message: fmt.Sprintf("this machine's clock is %s %s the server's", ahead.Abs(), direction), Remedy: "let both keep time by NTP"}
}

// recently is how far back other services are looked for.
const recently = 7 * 24 * time.Hour

// lately asks for the last value of each series of a measurement.
func (c *Client) lately(measurement, condition string) string {
	return c.question(measurement, time.Now().Add(-recently).UnixNano(), latest, condition) + "\n  |> last()"
}

// checkFields looks for fields that another program has written with another type:
// InfluxDB refuses ours where they are.
func (c *Client) checkFields(ctx context.Context) Finding {
	f := Finding{Check: "fields"}
	var wrong []string
	for measurement, kinds := range map[string]map[string]string{measurementWindow: kinds(sampleFields[:]), measurementThroughput: kinds(throughputFields)} {
		names, err := c.foreign(ctx, measurement, kinds)
		if err != nil {
			f.Message = err.Error()
			return f
		}
		if len(names) > 0 {
			wrong = append(wrong, measurement+": "+strings.Join(names, ", "))
		}
	}
	slices.Sort(wrong)
	if len(wrong) == 0 {
		f.OK, f.Message = true, "the fields of results have the types that perigee writes"
		return f
	}
	f.Message = "fields have other types there than perigee writes, of " + strings.Join(wrong, "; of ")
	f.Remedy = "write to a bucket of its own, or delete what wrote them"
	return f
}

// foreign returns the fields of a measurement that have other types than they should.
func (c *Client) foreign(ctx context.Context, measurement string, kinds map[string]string) ([]string, error) {
	var wrong []string
	err := c.rows(ctx, c.lately(measurement, `r._field != "sketch" and r._field != "state"`)+"\n  |> keep(columns: [\"_field\", \"_value\"])", func(r row) error {
		name, kind := r.text("_field"), kindOf(r["_value"])
		if want, ours := kinds[name]; ours && kind != want && !slices.Contains(wrong, name) {
			wrong = append(wrong, name)
		}
		return nil
	})
	slices.Sort(wrong)
	return wrong, err
}

// kinds returns the types of fields by their names.
func kinds[T any](fields []field[T]) map[string]string {
	all := map[string]string{}
	for i := range fields {
		all[fields[i].name] = fields[i].kind()
	}
	return all
}

// kindOf returns the type of a value in InfluxDB's words.
func kindOf(value any) string {
	switch value.(type) {
	case int64, uint64:
		return "integer"
	case float64:
		return "float"
	case bool:
		return "boolean"
	}
	return "string"
}

// checkInstances looks for services that write as the same site and link.
func (c *Client) checkInstances(ctx context.Context) Finding {
	f := Finding{Check: "instances"}
	instances := map[string][]string{}
	err := c.rows(ctx, c.lately(measurementLink, `r._field == "mark"`), func(r row) error {
		name := r.text("site") + "/" + r.text("link")
		if instance := r.text("instance"); !slices.Contains(instances[name], instance) {
			instances[name] = append(instances[name], instance)
		}
		return nil
	})
	if err != nil {
		f.Message = err.Error()
		return f
	}
	var shared []string
	for name, all := range instances {
		if len(all) > 1 {
			slices.Sort(all)
			shared = append(shared, fmt.Sprintf("%s (%s)", name, strings.Join(all, ", ")))
		}
	}
	slices.Sort(shared)
	if len(shared) == 0 {
		f.OK, f.Message = true, "each link was written by one service in the last 7 days"
		return f
	}
	f.Message = "several services wrote as the same site and link in the last 7 days: " + strings.Join(shared, "; ")
	f.Remedy = "give each service its own site name, unless one has replaced the other"
	return f
}
