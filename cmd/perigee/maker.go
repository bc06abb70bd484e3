package main

import (
	"fmt"
	"strings"
	"time"

	"perigee"
)

// maker says what measures p into the store of the given instance.
func (p plan) maker(instance string) perigee.Maker {
	m := perigee.Maker{Version: buildInfo().Version, Configuration: p.hash, Instance: instance, Methods: string(perigee.MethodICMP), Probing: p.probing()}
	if p.transfer != nil {
		m.Methods += " " + string(p.transfer.Method)
	}
	return m
}

// probing says in words what of p makes numbers differ. What it says is compared: the same
// is always said in the same words.
func (p plan) probing() string {
	late := "late by orbit"
	if p.lossTimeout > 0 {
		late = "late after " + p.lossTimeout.String()
	}
	text := fmt.Sprintf("icmp every %s with %d bytes, %s, windows of %s, outages from %s", p.interval, p.size, late, p.window, p.outageAfter)
	t := p.transfer
	if t == nil {
		return text
	}
	text += perigee.ProbingTransfers + string(t.Method)
	if t.Server != "" {
		text += " with " + t.Server
	}
	if len(t.Streams) > 0 {
		text += ", streams " + strings.Trim(fmt.Sprint(t.Streams), "[]")
	}
	if len(t.Congestion) > 0 {
		text += ", congestion " + strings.Join(t.Congestion, " ")
	}
	return text
}

// madeNow says what made the results of a measurement that is not stored.
func (p plan) madeNow(link perigee.LinkID, from, to time.Time) []perigee.Provenance {
	return []perigee.Provenance{{Site: p.site.Name, Link: link, From: from, To: to, Maker: p.maker("")}}
}
