package grafana

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"perigee/storage/influx"
	"perigee/storage/influx/influxtest"
)

// server is a real InfluxDB that holds the dataset.
type server struct {
	influxtest.Target
	now  time.Time
	data *dataset
}

var filled struct {
	sync.Mutex
	servers []server
}

// servers returns a real InfluxDB 1.8, and the one of 2.x that the environment names, if
// it does, with the dataset in them. They are filled once.
func servers(t testing.TB) []server {
	t.Helper()
	filled.Lock()
	defer filled.Unlock()
	if filled.servers == nil {
		now := time.Now().Truncate(10 * time.Second)
		for _, target := range influxtest.Targets(t) {
			client, err := influx.Open(influx.Options{URL: target.URL, Token: target.Token, Org: target.Org, Bucket: target.Bucket, Instance: "0123abcd"})
			if err != nil {
				t.Fatal(err)
			}
			data := fill(t, client, now)
			client.Close()
			filled.servers = append(filled.servers, server{target, now, data})
		}
	}
	return filled.servers
}

// answer is what a query is answered with, as Grafana reads it: with the same client.
type answer struct {
	columns []string // of all tables, in the order of the first
	texts   map[string]bool
	tables  int
	longest int // rows of a table
	rows    []map[string]any
}

func (s server) ask(t testing.TB, flux string) answer {
	t.Helper()
	client := influxdb2.NewClient(s.URL, s.Token)
	defer client.Close()
	result, err := client.QueryAPI(cmp.Or(s.Org, "perigee")).Query(context.WithoutCancel(t.Context()), flux)
	if err != nil {
		t.Fatalf("%v, of:\n%s", err, flux)
	}
	a := answer{texts: map[string]bool{}}
	length := 0
	for result.Next() {
		if result.TableChanged() {
			for _, c := range result.TableMetadata().Columns()[2:] { // beside result and table
				if !slices.Contains(a.columns, c.Name()) {
					a.columns = append(a.columns, c.Name())
				}
				a.texts[c.Name()] = c.DataType() == "string"
			}
		}
		if n := result.Record().Table(); n+1 != a.tables || length == 0 {
			a.tables, length = max(a.tables, n+1), 0
		}
		length++
		a.longest = max(a.longest, length)
		a.rows = append(a.rows, result.Record().Values())
	}
	if result.Err() != nil {
		t.Fatalf("%v, of:\n%s", result.Err(), flux)
	}
	return a
}

// column finds the columns that a name means: itself, or those that match it, if it is
// between slashes.
func (a answer) column(name string) []string {
	if pattern, ok := strings.CutPrefix(name, "/"); ok {
		re := regexp.MustCompile(strings.TrimSuffix(pattern, "/"))
		return slices.DeleteFunc(slices.Clone(a.columns), func(c string) bool { return !re.MatchString(c) })
	}
	if slices.Contains(a.columns, name) {
		return []string{name}
	}
	return nil
}

// holds reports what is wrong with the columns of an answer.
func (a answer) holds(want map[string]span) []string {
	var wrong []string
	if len(want) == 0 {
		return []string{"nothing is expected of it"}
	}
	for name, s := range want {
		columns := a.column(name)
		if len(columns) == 0 {
			wrong = append(wrong, fmt.Sprintf("no column %s among %q", name, a.columns))
		}
		for _, c := range columns {
			values := 0
			for _, r := range a.rows {
				var v float64
				switch of := r[c].(type) {
				case nil:
					continue
				case float64:
					v = of
				case int64:
					v = float64(of)
				case string, bool, time.Time:
					if s != (span{}) {
						wrong = append(wrong, fmt.Sprintf("%s is %v, no number", c, of))
					}
					values++
					continue
				default:
					wrong = append(wrong, fmt.Sprintf("%s is a %T", c, of))
					continue
				}
				values++
				if v < s.low || v > s.high {
					wrong = append(wrong, fmt.Sprintf("%s is %v, not %v to %v: %v", c, v, s.low, s.high, r))
					break
				}
			}
			if values == 0 {
				wrong = append(wrong, c+" has no value")
			}
		}
	}
	return wrong
}
