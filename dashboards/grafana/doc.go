// Package grafana makes the dashboards and alert rules that Grafana is provisioned with.
// It is a generator: its output is checked in under provisioning and datasources, is what
// users copy, and is what the tests read; go generate writes it anew. Nothing of it is in
// the perigee command.
//
// Every query is Flux that InfluxDB 1.8 (Flux 0.65) and 2.x both understand, so that there
// is one text of each; docs/grafana.md names what that rules out. What a panel shows is a
// metric of perigee.Metrics, whose definition is its description.
package grafana

//go:generate go run ./generate
