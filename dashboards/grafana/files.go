package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// boards are the dashboards by the name of their file.
func boards() map[string]*board {
	return map[string]*board{"link-comparison": comparison(), "one-link": oneLink(), "fleet": fleetBoard()}
}

// wants returns what is expected of the answer to each query, by dashboard, title of the
// panel and name of the query: its columns and the range of their values. Columns between
// slashes are regular expressions.
func wants() map[string]map[string]span {
	all := map[string]map[string]span{}
	for _, b := range boards() {
		maps.Copy(all, b.wants)
	}
	return all
}

// alertWants returns what is expected of the answer to each query of a rule.
func alertWants() map[string]map[string]span {
	all := map[string]map[string]span{}
	for _, g := range alertGroups() {
		for _, a := range g.alerts {
			for i, q := range a.queries {
				all[a.uid+"/"+string(rune('A'+i))] = q.want
			}
		}
	}
	return all
}

// Files returns every file that Grafana is provisioned with, by its path under this
// directory.
func Files() (map[string][]byte, error) {
	register()
	files := map[string][]byte{
		"provisioning/dashboards/perigee.yaml": []byte(provider),
		"datasources/influxdb-2.x.yaml":        []byte(source2),
		"datasources/influxdb-1.8.yaml":        []byte(source1),
	}
	rules, err := alertFile()
	if err != nil {
		return nil, err
	}
	files["provisioning/alerting/perigee.yaml"] = rules
	for name, b := range boards() {
		built, err := b.builder.Build()
		if err == nil {
			err = b.err
		}
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", name, err)
		}
		for i := range built.Links {
			built.Links[i].Placement = nil // the SDK would hide them in a menu
		}
		if files["provisioning/dashboards/perigee/"+name+".json"], err = encode(built); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// readable undoes the escapes that encoding/json makes for HTML, as the SDK asks it to.
var readable = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

// encode returns a dashboard as a file: indented, so that changes can be read.
func encode(d dashboard.Dashboard) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return []byte(readable.Replace(b.String())), err
}
