package config_test

import (
	"fmt"

	"perigee/internal/config"
)

func ExampleParse() {
	_, err := config.Parse("perigee.yaml", []byte(`
links:
  - {name: fibre, orbit: terrestrial, interface: eth0}
  - {name: skymuster, orbit: gso, source: 192.168.2.10}
targets:
  - {name: cloudflare, address: https://1.1.1.1/}
probes:
  icmp: {intervall: 200ms, window: 7s}
`))
	fmt.Println(err)
	// Output:
	// perigee.yaml:4:30: links[1].orbit: "gso" is not an orbit; use one of starlink, leo, meo, geo, cellular, terrestrial
	// perigee.yaml:6:33: targets[0].address: is a URL; write its host alone: 1.1.1.1
	// perigee.yaml:8:10: probes.icmp.intervall: unknown key; did you mean interval?
	// perigee.yaml:8:36: probes.icmp.window: "7s" does not divide an hour, which hourly figures are made of; use one that does, such as 10s, 15s, 30s or 1m
}
