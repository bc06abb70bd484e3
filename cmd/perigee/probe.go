package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"perigee"
	"perigee/api"
	"perigee/internal/clock"
	"perigee/internal/config"
)

// probeCommand measures now and stores nothing.
type probeCommand struct {
	configFlag `embed:""`
	Targets    []string      `arg:"" optional:"" name:"target" help:"Names from the configuration, IP addresses or host names. Default: all that are configured."`
	Links      []string      `placeholder:"NAME" help:"Only these configured links."`
	Interface  string        `short:"i" placeholder:"DEV" help:"Probe over this device instead of the configured links."`
	Source     string        `placeholder:"ADDR" help:"Probe from this local address instead."`
	Mark       uint32        `placeholder:"N" help:"Probe with this firewall mark instead."`
	Netns      string        `placeholder:"NAME" help:"Probe in this network namespace instead."`
	Count      int           `short:"n" default:"20" help:"Probes to send to each target over each link."`
	Interval   time.Duration `default:"200ms" help:"Time between probes."`
	Timeout    time.Duration `placeholder:"DURATION" help:"Loss timeout. Default: 5 s on GEO, 3 s elsewhere."`
	Verbose    bool          `short:"v" help:"Print one line for each probe."`

	transferFlags `embed:""`
	JSON          bool `name:"json" help:"Print JSON, as the REST API's summary."`
}

// Run implements the command.
func (c probeCommand) Run(ctx context.Context, s streams) error {
	p, err := c.narrowed()
	if err != nil {
		return err
	}
	if err := permitted(p); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx, s)
	defer stop()
	if c.Transfer {
		return c.transfer(ctx, s, p)
	}
	board := newScoreboard(s, c.Verbose && !c.JSON, c.Count)
	measurement, err := newMeasurement(p, measurementOptions{
		clock:     clock.System(),
		limit:     c.Count,
		record:    board.record,
		singleton: board.singleton,
	})
	if err != nil {
		return err
	}
	drawing, stopDrawing := context.WithCancel(ctx)
	var drawn sync.WaitGroup
	drawn.Go(func() { board.draw(drawing) })
	err = measurement.Run(ctx)
	stopDrawing()
	drawn.Wait()
	if err != nil {
		return err
	}
	return c.print(s, p, board.summaries())
}

// byLink puts summaries into the API's shape, one for each link.
func byLink(p plan, summaries []perigee.Summary) []api.SummaryResponse {
	all := []api.SummaryResponse{}
	for _, l := range p.probed() {
		var of []perigee.Summary
		var from, to time.Time
		for _, one := range summaries {
			if one.Sample.Stream.Link != l.ID {
				continue
			}
			of = append(of, one)
			if from.IsZero() || one.Sample.Start.Before(from) {
				from = one.Sample.Start
			}
			if end := one.Sample.End(); end.After(to) {
				to = end
			}
		}
		all = append(all, api.NewSummaryResponse(perigee.LinkRecord{Site: p.site, Link: l}, from, to, of, p.madeNow(l.ID, from, to)))
	}
	return all
}

// print shows the final result.
func (c probeCommand) print(s streams, p plan, summaries []perigee.Summary) error {
	if c.JSON {
		if err := writeJSON(s.out, byLink(p, summaries)); err != nil {
			return err
		}
	} else if err := summaryTable(summaries).write(s.out, 2); err != nil {
		return err
	}
	for _, one := range summaries {
		if one.Sample.Counts.Received > 0 {
			return nil
		}
	}
	message := "no probe was answered"
	for _, one := range summaries {
		if one.Sample.Cause != "" {
			message += fmt.Sprintf("; %s: %s", one.Sample.Stream.Link, one.Sample.Cause)
		}
	}
	return &perigee.Error{Code: perigee.CodeUnavailable, Message: message}
}

// narrowed returns the plan of the configuration, cut down to what the flags ask for.
func (c probeCommand) narrowed() (plan, error) {
	invalid := func(format string, args ...any) (plan, error) {
		return plan{}, &perigee.Error{Code: perigee.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if c.Count < 1 || c.Count > 1_000_000 {
		return invalid("--count %d is not between 1 and 1000000", c.Count)
	}
	if c.Interval < 10*time.Millisecond {
		return invalid("--interval %s is below 10ms", c.Interval)
	}
	if c.Timeout != 0 && (c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute) {
		return invalid("--timeout %s is not between 100ms and 1m", c.Timeout)
	}
	adHoc := perigee.Link{Orbit: perigee.OrbitTerrestrial, Interface: c.Interface, Mark: c.Mark, Namespace: c.Netns}
	if c.Source != "" {
		addr, err := netip.ParseAddr(c.Source)
		if err != nil {
			return invalid("--source %q is not an IP address", c.Source)
		}
		adHoc.Source = addr
	}
	file, err := c.find()
	if err != nil {
		return plan{}, err
	}
	var p plan
	if adHoc.Bound() && file == "" {
		p = plan{site: perigee.Site{Name: "here"}, window: config.DefaultWindow, outageAfter: config.DefaultOutageAfter, size: config.DefaultSize}
	} else if p, err = c.plan(); err != nil {
		return plan{}, err
	}
	if adHoc.Bound() {
		adHoc.ID = perigee.LinkID(strings.Trim(strings.Join([]string{c.Interface, c.Source, c.Netns}, " "), " "))
		if adHoc.ID == "" {
			adHoc.ID = perigee.LinkID(fmt.Sprintf("mark %d", c.Mark))
		}
		p.links = []perigee.Link{adHoc}
	}
	if len(c.Links) > 0 {
		known := p.probed()
		p.links = nil
		for _, name := range c.Links {
			i := slices.IndexFunc(known, func(l perigee.Link) bool { return string(l.ID) == name })
			if i < 0 {
				return invalid("--links %s: no such link; there are %s", name, linkNames(known))
			}
			p.links = append(p.links, known[i])
		}
	}
	p.firstHops = nil // what is asked for are targets
	if len(c.Targets) > 0 {
		known := p.targets
		p.targets = nil
		for _, name := range c.Targets {
			t := perigee.Target{ID: perigee.TargetID(name), Address: name}
			if i := slices.IndexFunc(known, func(t perigee.Target) bool { return string(t.ID) == name }); i >= 0 {
				t = known[i]
			}
			p.targets = append(p.targets, t)
		}
	}
	if err := c.complete(&p); err != nil {
		return plan{}, err
	}
	if len(p.targets) == 0 && !c.Transfer {
		return invalid("no target; name one: perigee probe ADDRESS")
	}
	p.interval = c.Interval
	if c.Timeout != 0 {
		p.lossTimeout = c.Timeout
	}
	return p, nil
}

func linkNames(links []perigee.Link) string {
	var names []string
	for _, l := range links {
		names = append(names, string(l.ID))
	}
	return strings.Join(names, ", ")
}

// A scoreboard shows a measurement as it goes: a table redrawn in place on a terminal,
// one line per probe when verbose, else a line of progress now and then.
type scoreboard struct {
	s        streams
	verbose  bool
	terminal bool
	width    int // of the terminal in characters
	total    int

	mu    sync.Mutex
	order []perigee.Stream
	live  map[perigee.Stream]*perigee.Sample // counts and RTT as they come, for the display
	final map[perigee.Stream]*perigee.Sample // merged windows
	lines int                                // of the last drawn table
}

func newScoreboard(s streams, verbose bool, total int) *scoreboard {
	b := &scoreboard{s: s, verbose: verbose, total: total,
		live: map[perigee.Stream]*perigee.Sample{}, final: map[perigee.Stream]*perigee.Sample{}}
	if f, ok := s.err.(*os.File); ok {
		width, _, err := term.GetSize(int(f.Fd()))
		b.terminal, b.width = err == nil && width > 0, width
	}
	return b
}

// singleton takes a probe's outcome.
func (b *scoreboard) singleton(st perigee.Stream, one perigee.Singleton) {
	b.mu.Lock()
	defer b.mu.Unlock()
	live := b.live[st]
	if live == nil {
		live = &perigee.Sample{Stream: st}
		b.live[st] = live
		b.order = append(b.order, st)
		slices.SortFunc(b.order, perigee.Stream.Compare)
	}
	live.Counts.Add(one)
	if one.Outcome.Arrived() {
		live.RTT.Add(one.RTT.Seconds())
	}
	if b.verbose {
		line := fmt.Sprintf("%s %s seq=%d %s", st.Link, st.Target, one.Seq, one.Outcome)
		if one.Outcome == perigee.Received || one.Outcome == perigee.Late {
			line += fmt.Sprintf(" rtt=%.3f ms", one.RTT.Seconds()*1000)
		}
		if one.Cause != "" {
			line += " (" + one.Cause + ")"
		}
		fmt.Fprintln(b.s.out, line)
	}
}

// record takes closed windows.
func (b *scoreboard) record(_ context.Context, batch perigee.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sample := range batch.Samples {
		merged := b.final[sample.Stream]
		if merged == nil {
			merged = &perigee.Sample{}
			b.final[sample.Stream] = merged
		}
		merged.Merge(sample)
	}
	return nil
}

// draw shows progress until ctx ends.
func (b *scoreboard) draw(ctx context.Context) {
	if b.verbose {
		return
	}
	every := 5 * time.Second
	if b.terminal {
		every = 250 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.erase()
			return
		case <-tick.C:
			b.redraw()
		}
	}
}

// redraw shows the table, in place on a terminal.
func (b *scoreboard) redraw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.terminal {
		var planned int64
		for _, live := range b.live {
			planned += live.Counts.Planned
		}
		if n := int64(len(b.order)); n > 0 {
			b.s.notef("%d of %d probes decided", planned, n*int64(b.total))
		}
		return
	}
	t := &table{}
	t.add("link", "target", "decided", "received", "lost", "p50", "p95")
	for _, st := range b.order {
		c, rtt := b.live[st].Counts, b.live[st].RTT
		t.add(string(st.Link), string(st.Target), fmt.Sprintf("%d of %d", c.Planned, b.total), count(c.Received), count(c.Lost+c.Late),
			milliseconds(rtt.Quantile(0.5)), milliseconds(rtt.Quantile(0.95)))
	}
	var text strings.Builder
	if err := t.write(&text, 2); err != nil {
		return
	}
	b.eraseLocked()
	for line := range strings.Lines(text.String()) {
		// A line that wraps would spoil the place of the next drawing.
		line = strings.TrimSuffix(line, "\n")
		if r := []rune(line); len(r) > b.width {
			line = string(r[:b.width])
		}
		fmt.Fprintln(b.s.err, line)
		b.lines++
	}
}

// erase removes the drawn table.
func (b *scoreboard) erase() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eraseLocked()
}

func (b *scoreboard) eraseLocked() {
	if b.lines > 0 {
		fmt.Fprintf(b.s.err, "\x1b[%dA\x1b[J", b.lines)
		b.lines = 0
	}
}

// summaries returns the final result of each stream.
func (b *scoreboard) summaries() []perigee.Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []perigee.Summary
	for st, merged := range b.final {
		s := perigee.Summary{Sample: *merged}
		s.Sample.Stream = st
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y perigee.Summary) int { return x.Sample.Stream.Compare(y.Sample.Stream) })
	return all
}
