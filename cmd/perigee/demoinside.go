package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"perigee"
	"perigee/api"
	"perigee/internal/config"
	"perigee/internal/lab"
	"perigee/storage/sqlite"
)

// demoEnv tells the inner process that it is one, has been given the page's listener,
// and what is to become of the results if the outer process dies.
const (
	demoEnv      = "PERIGEE_DEMO"
	keepStore    = "keep"
	discardStore = "discard"
)

// inheritedListener returns the page's listener that the parent opened outside the
// lab, where a browser can reach it.
func inheritedListener() (net.Listener, error) {
	file := lab.InheritedFile(0)
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the listener: %w", err)
	}
	return listener, nil
}

// openTruth creates the file of the truth log, if one is wanted.
func (c demoCommand) openTruth() (*os.File, error) {
	if c.Truth == "" {
		return nil, nil
	}
	f, err := os.Create(c.Truth)
	if err != nil {
		return nil, &perigee.Error{Code: perigee.CodeInvalid, Message: "--truth", Err: err}
	}
	return f, nil
}

// newDemoLab starts the emulated links.
func newDemoLab(seed uint64, truth *os.File) (*lab.Lab, error) {
	options := lab.Options{Seed: seed}
	if truth != nil {
		options.Truth = truth
	}
	for _, l := range demoLinks {
		profile, ok := lab.ProfileNamed(string(l.ID))
		if !ok {
			panic("no lab profile " + l.ID)
		}
		options.Links = append(options.Links, lab.Link{Name: string(l.ID), Profile: profile})
	}
	l, err := lab.New(options)
	if errors.Is(err, lab.ErrForbidden) {
		return nil, &perigee.Error{Code: perigee.CodePermission, Message: "the demo needs emulated links", Err: err}
	}
	return l, err
}

// closeDemoLab ends the lab and completes its truth log.
func closeDemoLab(l *lab.Lab, truth *os.File) error {
	err := l.Close()
	if n := l.Dropped(); n > 0 {
		err = errors.Join(err, fmt.Errorf("the truth log lacks %d packets: the disk did not follow", n))
	}
	if truth != nil {
		err = errors.Join(err, truth.Close())
	}
	return err
}

// demoPlan measures every link of l against its far end.
func demoPlan(l *lab.Lab) plan {
	p := plan{
		site:        perigee.Site{Name: "demo"},
		targets:     []perigee.Target{{ID: "far-end", Address: lab.Target().String()}},
		window:      config.DefaultWindow,
		outageAfter: config.DefaultOutageAfter,
		size:        config.DefaultSize,
		origin:      "demo over emulated links",
	}
	for _, link := range demoLinks {
		end, ok := l.Link(string(link.ID))
		if !ok {
			panic("no lab link " + link.ID)
		}
		link.Interface = end.Device
		p.links = append(p.links, link)
	}
	return p
}

// greet says what runs and where to look.
func (c demoCommand) greet(s streams, p plan, listener net.Listener) {
	s.notef("perigee demo: %d emulated links, real packets, nothing leaves this machine", len(p.links))
	s.notef("%s  page and API at http://%s/", p.describe(), listener.Addr())
	if c.Truth != "" {
		s.notef("  truth log in %s", c.Truth)
	}
	if c.For > 0 {
		s.notef("measuring for %s, then waiting up to %s for late replies", c.For, perigee.LateHorizon(perigee.LossTimeoutFor(perigee.OrbitGEO)))
	} else {
		s.notef("measuring until interrupted (Ctrl-C), then the comparison")
	}
}

// conclude prints how the links compared.
func (c demoCommand) conclude(ctx context.Context, s streams, begin time.Time) error {
	store, err := sqlite.OpenReader(ctx, storeFile(c.Store))
	if err != nil {
		return err
	}
	defer store.Close()
	q := perigee.CompareQuery{Site: "demo", Metric: perigee.MetricRTT, From: begin.Add(-time.Second)}
	for _, l := range demoLinks {
		q.Links = append(q.Links, l.ID)
	}
	comparison, err := perigee.Compare(ctx, store, q)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, api.NewCompareResponse(comparison))
	}
	return writeComparison(s.out, comparison)
}
