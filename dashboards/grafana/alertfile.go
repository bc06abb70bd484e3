package grafana

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-foundation-sdk/go/alerting"
)

// folder is where rules and dashboards are in Grafana.
const folder = "perigee"

// ruleFile is a file of rules as Grafana is provisioned with, version 1. It is another form
// than that of Grafana's API, which is the SDK's; what is in it is the SDK's.
type ruleFile struct {
	APIVersion int         `yaml:"apiVersion"`
	Groups     []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	OrgID    int         `yaml:"orgId"`
	Name     string      `yaml:"name"`
	Folder   string      `yaml:"folder"`
	Interval string      `yaml:"interval"`
	Rules    []ruleEntry `yaml:"rules"`
}

type ruleEntry struct {
	UID          string        `yaml:"uid"`
	Title        string        `yaml:"title"`
	Condition    string        `yaml:"condition"`
	Data         []any         `yaml:"data"`
	NoDataState  string        `yaml:"noDataState"`
	ExecErrState string        `yaml:"execErrState"`
	For          string        `yaml:"for"`
	Annotations  yaml.MapSlice `yaml:"annotations"`
	Labels       yaml.MapSlice `yaml:"labels"`
	IsPaused     bool          `yaml:"isPaused"`
}

// alertFile returns the file of all rules.
func alertFile() ([]byte, error) {
	file := ruleFile{APIVersion: 1}
	for _, g := range alertGroups() {
		group := ruleGroup{OrgID: 1, Name: g.name, Folder: folder, Interval: g.interval}
		for _, a := range g.alerts {
			rule, err := a.build(g.name, folder)
			if err != nil {
				return nil, fmt.Errorf("alert %s: %w", a.title, err)
			}
			entry := ruleEntry{UID: *rule.Uid, Title: rule.Title, Condition: rule.Condition, NoDataState: string(rule.NoDataState),
				ExecErrState: string(rule.ExecErrState), For: rule.For, Annotations: ordered(rule.Annotations), Labels: ordered(rule.Labels)}
			for _, q := range rule.Data {
				step, err := stepOf(q)
				if err != nil {
					return nil, fmt.Errorf("alert %s: %w", a.title, err)
				}
				entry.Data = append(entry.Data, step)
			}
			group.Rules = append(group.Rules, entry)
		}
		file.Groups = append(file.Groups, group)
	}
	text, err := yaml.MarshalWithOptions(file, yaml.UseLiteralStyleIfMultiline(true), yaml.IndentSequence(true))
	return append([]byte("# Made by go generate ./dashboards/grafana. docs/grafana.md gives the reasons of the thresholds.\n"), text...), err
}

// stepOf returns a step as YAML has it, its fields in the SDK's order.
func stepOf(q alerting.Query) (any, error) {
	raw, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	var step any
	err = yaml.UnmarshalWithOptions(raw, &step, yaml.UseOrderedMap())
	return step, err
}

// ordered returns the pairs of m by their keys.
func ordered(m map[string]string) yaml.MapSlice {
	var pairs yaml.MapSlice
	for _, key := range sortedKeys(m) {
		pairs = append(pairs, yaml.MapItem{Key: key, Value: m[key]})
	}
	return pairs
}
