// Command generate writes the files that Grafana is provisioned with. It is run in
// dashboards/grafana, by go generate.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"perigee/dashboards/grafana"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write() error {
	files, err := grafana.Files()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
