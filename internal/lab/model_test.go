package lab

import (
	"math"
	"slices"
	"testing"
	"time"
)

// start is an arbitrary moment that no slot begins at.
var start = instant{mono: 5_000_000_000, wall: 1_700_000_000_123_456_789}

func at(d time.Duration) instant { return start.add(int64(d)) }

func TestModelWithoutImpairmentDeliversAtOnce(t *testing.T) {
	m := newModel(Profile{}, Up, 1, start)
	want := decision{fate: Delivered, copies: 1}
	if got := m.plan(start, 100); got != want {
		t.Errorf("plan = %+v, want %+v", got, want)
	}
}

func TestRateAndQueue(t *testing.T) {
	// 12 Mbit/s sends a packet of 1500 bytes in 1 ms; the queue holds three.
	p := Profile{Up: Direction{Delay: 10 * time.Millisecond, Rate: 12e6, Queue: 4500}}
	for _, c := range []struct {
		name  string
		enter []time.Duration // of packets of 1500 bytes
		delay []time.Duration // 0 is a queue drop
	}{
		{"alone_takes_its_own_sending_time", ms(0), ms(11)},
		{"each_waits_for_those_before", ms(0, 0, 0), ms(11, 12, 13)},
		{"the_fourth_finds_no_room", ms(0, 0, 0, 0), ms(11, 12, 13, 0)},
		{"room_again_after_one_is_sent", ms(0, 0, 0, 0, 1), ms(11, 12, 13, 0, 13)},
		{"half_sent_is_half_in_the_queue", []time.Duration{0, 0, 0, 500 * time.Microsecond}, ms(11, 12, 13, 0)},
		{"idle_time_is_not_saved_up", ms(0, 50, 50), ms(11, 11, 12)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(p, Up, 1, start)
			for i, enter := range c.enter {
				want := decision{fate: Delivered, copies: 1, delay: c.delay[i]}
				if want.delay == 0 {
					want = decision{fate: QueueDrop}
				}
				if got := m.plan(at(enter), 1500); got != want {
					t.Errorf("packet %d: plan = %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

func ms(v ...float64) []time.Duration {
	d := make([]time.Duration, len(v))
	for i := range v {
		d[i] = time.Duration(v[i] * float64(time.Millisecond))
	}
	return d
}

func TestLongRunRateIsTheConfiguredRate(t *testing.T) {
	m := newModel(Profile{Up: Direction{Rate: 8e6, Queue: 30_000}}, Up, 1, start)
	var sent int64
	// 16 Mbit/s are offered for 10 s: 1000 bytes each 0.5 ms.
	for i := range 20_000 {
		if m.plan(at(time.Duration(i)*500*time.Microsecond), 1000).fate == Delivered {
			sent += 1000
		}
	}
	// 10 s at 1 MB/s, and what is in the queue at the end.
	if want := int64(10_030_000); sent < want-2000 || sent > want {
		t.Errorf("%d bytes accepted, want %d within 2000", sent, want)
	}
}

func TestSameSeedSamePacketsSameDecisions(t *testing.T) {
	for _, p := range Profiles() {
		p.Up.Duplicate, p.Up.Reorder, p.Up.ReorderDelay = 0.01, 0.01, time.Millisecond
		run := func(seed uint64) (all []decision) {
			m := newModel(p, Up, seed, start)
			for i := range 20_000 {
				all = append(all, m.plan(at(time.Duration(i)*7*time.Millisecond), 84))
			}
			return all
		}
		if !slices.Equal(run(3), run(3)) {
			t.Errorf("%s: two runs of one seed differ", p.Name)
		}
		if slices.Equal(run(3), run(4)) {
			t.Errorf("%s: two seeds give the same run", p.Name)
		}
	}
}

func TestIndependentLoss(t *testing.T) {
	const n, p = 200_000, 0.02
	m := newModel(Profile{Up: Direction{Loss: p}}, Up, 1, start)
	var lost, pairs int
	previous := false
	for i := range n {
		d := m.plan(at(time.Duration(i)*time.Millisecond), 84)
		if d.fate != Delivered && d.fate != LostRandom {
			t.Fatalf("fate %v, want delivered or lost_random", d.fate)
		}
		now := d.fate == LostRandom
		if now {
			lost++
		}
		if now && previous {
			pairs++
		}
		previous = now
	}
	// Standard deviation of the count: sqrt(n p (1-p)) = 63; of pairs, whose
	// mean is n p^2 = 80, about 9.
	if math.Abs(float64(lost)-n*p) > 5*63 {
		t.Errorf("%d of %d lost, want %v", lost, n, n*p)
	}
	if pairs < 80-45 || pairs > 80+45 {
		t.Errorf("%d losses follow a loss, want about 80: they are not independent", pairs)
	}
}

func TestBurstsFollowTheTwoStateModel(t *testing.T) {
	burst := Burst{Good: 900 * time.Millisecond, Bad: 100 * time.Millisecond, Loss: 1}
	m := newModel(Profile{Up: Direction{Burst: burst}}, Up, 1, start)
	const n, step = 250_000, 4 * time.Millisecond
	var lost, runs int
	previous := false
	for i := range n {
		now := m.plan(at(time.Duration(i)*step), 84).fate == LostBurst
		if now {
			lost++
		}
		if now && !previous {
			runs++
		}
		previous = now
	}
	// The share of bad time is 100/(900+100); 1000 bursts in 1000 s, their mean
	// length 25 packets; both have a relative standard error of about 4 %.
	if share := float64(lost) / n; math.Abs(share-0.1) > 0.016 {
		t.Errorf("%.4f of packets lost, want 0.1", share)
	}
	if mean := float64(lost) / float64(runs); math.Abs(mean-25) > 4 {
		t.Errorf("bursts lose %.1f packets on average, want 25", mean)
	}
	if runs < 850 || runs > 1150 {
		t.Errorf("%d bursts in 1000 s, want 1000", runs)
	}
}

func TestBurstsDoNotDependOnTraffic(t *testing.T) {
	p := Starlink()
	dense, sparse := newModel(p, Down, 9, start), newModel(p, Down, 9, start)
	lost := make(map[int]bool)
	for i := 0; i < 600_000; i += 5 {
		if f := dense.plan(at(time.Duration(i)*time.Millisecond), 84).fate; f == LostBurst || f == LostEdge {
			lost[i] = true
		}
	}
	if len(lost) == 0 {
		t.Fatal("nothing lost in 10 minutes")
	}
	for i := 0; i < 600_000; i += 100 {
		f := sparse.plan(at(time.Duration(i)*time.Millisecond), 84).fate
		if bad := f == LostBurst || f == LostEdge; bad != lost[i] {
			t.Fatalf("at %d ms: lost %v with a packet each 100 ms, %v with one each 5 ms", i, bad, lost[i])
		}
	}
}

func TestBurstsClusterAtSlotEdges(t *testing.T) {
	p := Profile{Slots: Slots{Period: 15 * time.Second, Leap: 18 * time.Second}}
	p.Up.Burst = Burst{
		Good: 14 * time.Second, Bad: 20 * time.Millisecond, Loss: 1,
		EdgeGood: 500 * time.Millisecond, EdgeSpan: time.Second,
	}
	m := newModel(p, Up, 1, start)
	var edge, elsewhere int
	previous := false
	for i := range 750_000 {
		now := at(time.Duration(i) * 10 * time.Millisecond)
		lost := m.plan(now, 84).fate == LostBurst
		if lost && !previous {
			if _, into := p.Slots.locate(now.wall); into < int64(time.Second) {
				edge++
			} else {
				elsewhere++
			}
		}
		previous = lost
	}
	// 7500 s are 500 slots: 1 s / 0.5 s = 2 bursts each at the edge and
	// 14 s / 14 s = 1 elsewhere. A burst of 20 ms mean meets one of
	// the packets each 10 ms with probability (1-e^-0.5)/0.5 = 0.79.
	if seen := 0.79 * 1000; math.Abs(float64(edge)-seen) > 150 {
		t.Errorf("%d bursts at edges, want about %.0f", edge, seen)
	}
	if seen := 0.79 * 500; math.Abs(float64(elsewhere)-seen) > 100 {
		t.Errorf("%d bursts elsewhere, want about %.0f", elsewhere, seen)
	}
}

func TestSlotGridIsGPSTime(t *testing.T) {
	s := Starlink().Slots
	for _, c := range []struct {
		utc  string
		slot int64
		into time.Duration
	}{
		// GPS time = UTC + 18 s, slots at its multiples of 15 s: seconds 12,
		// 27, 42 and 57 of each UTC minute. The first is Unix time 1694477127,
		// and 1694477127 + 18 = 15 * 112965143.
		{"2023-09-12T00:05:27Z", 112965143, 0},
		{"2023-09-12T00:05:41.999Z", 112965143, 14999 * time.Millisecond},
		{"2023-09-12T00:05:42Z", 112965144, 0},
		{"2023-09-12T00:05:57Z", 112965145, 0},
		{"2023-09-12T00:06:12Z", 112965146, 0},
		{"1969-12-31T23:59:41Z", -1, 14 * time.Second},
	} {
		when, err := time.Parse(time.RFC3339Nano, c.utc)
		if err != nil {
			t.Fatal(err)
		}
		slot, into := s.locate(when.UnixNano())
		if slot != c.slot || time.Duration(into) != c.into {
			t.Errorf("locate(%s) = %d, %v, want %d, %v", c.utc, slot, time.Duration(into), c.slot, c.into)
		}
	}
}

func TestLevelsChangeAtSlotEdgesOnly(t *testing.T) {
	p := Profile{Slots: Slots{Period: 15 * time.Second, Leap: 18 * time.Second}}
	p.Up.Level = Level{Spread: 40 * time.Millisecond}
	m := newModel(p, Up, 1, start)
	levels := make(map[int64]time.Duration)
	var sum time.Duration
	for i := range 150_000 {
		now := at(time.Duration(i) * 100 * time.Millisecond)
		d := m.plan(now, 84)
		slot, _ := p.Slots.locate(now.wall)
		if was, ok := levels[slot]; ok && was != d.delay {
			t.Fatalf("two delays within slot %d: %v and %v", slot, was, d.delay)
		} else if !ok {
			sum += d.delay
		}
		levels[slot] = d.delay
	}
	// 1001 slots, uniform in 0..40 ms: mean 20 ms, standard error 0.4 ms.
	if mean := sum / time.Duration(len(levels)); mean < 18*time.Millisecond || mean > 22*time.Millisecond {
		t.Errorf("mean level %v over %d slots, want 20 ms", mean, len(levels))
	}
}

func TestSlotOutagesLoseBothDirections(t *testing.T) {
	p := Profile{Slots: Slots{Period: 15 * time.Second, Leap: 18 * time.Second, Outage: 0.25, OutageMin: 300 * time.Millisecond, OutageMax: 1100 * time.Millisecond}}
	up, down := newModel(p, Up, 5, start), newModel(p, Down, 5, start)
	lost := make(map[int64]int)
	const step = 50 * time.Millisecond
	slots := make(map[int64]bool)
	for i := range 300_000 {
		now := at(time.Duration(i) * step)
		u, d := up.plan(now, 84).fate, down.plan(now, 84).fate
		if u != d {
			t.Fatalf("at %d: %v up and %v down, want the same", i, u, d)
		}
		slot, _ := p.Slots.locate(now.wall)
		slots[slot] = true
		if u == LostEdge {
			lost[slot]++
		}
	}
	// 1001 slots, a quarter of them: standard deviation 14.
	if got := len(lost); got < 180 || got > 320 {
		t.Errorf("%d of %d slots begin with an outage, want a quarter", got, len(slots))
	}
	for slot, n := range lost {
		if n < 6 || n > 22 {
			t.Errorf("slot %d: out for %v, want 0.3 to 1.1 s", slot, time.Duration(n)*step)
		}
	}
}

func TestHandoversAreIrregularAndShared(t *testing.T) {
	p := Profile{Handovers: Handovers{Every: 20 * time.Second, Outage: 100 * time.Millisecond}}
	p.Up.Level, p.Down.Level = Level{Spread: 20 * time.Millisecond}, Level{Spread: 20 * time.Millisecond}
	up, down := newModel(p, Up, 5, start), newModel(p, Down, 5, start)
	var outages int
	var phases [15]int
	was := false
	for i := range 400_000 {
		now := at(time.Duration(i) * 50 * time.Millisecond)
		u, d := up.plan(now, 84), down.plan(now, 84)
		out := u.fate == LostEdge
		if out != (d.fate == LostEdge) {
			t.Fatalf("at %d: %v up and %v down, want both or none out", i, u.fate, d.fate)
		}
		if out && !was {
			outages++
			phases[now.wall/1e9%15]++
		}
		was = out
	}
	// 20,000 s: 1000 handovers, standard deviation 32, few so close that they
	// look like one.
	if outages < 850 || outages > 1150 {
		t.Errorf("%d handovers in 20,000 s, want 1000", outages)
	}
	for phase, n := range phases {
		// 67 each, standard deviation 8.
		if n < 67-45 || n > 67+45 {
			t.Errorf("%d handovers in second %d of 15, want 67: they follow a grid", n, phase)
		}
	}
}

func TestJitterIsLogNormalAndKeepsItsCorrelation(t *testing.T) {
	const median, sigma, correlation = 10 * time.Millisecond, 0.5, 50 * time.Millisecond
	p := Profile{Up: Direction{Jitter: Jitter{Median: median, Sigma: sigma, Correlation: correlation}}}
	logs := func(step time.Duration) []float64 {
		m := newModel(p, Up, 1, start)
		z := make([]float64, 100_000)
		for i := range z {
			// The bare process: plan also keeps packets in order.
			z[i] = math.Log(float64(m.jitterFor(at(time.Duration(i)*step).mono))/float64(median)) / sigma
		}
		return z
	}
	for _, c := range []struct {
		step time.Duration
		want float64 // exp(-step/correlation)
	}{{5 * time.Millisecond, 0.905}, {50 * time.Millisecond, 0.368}, {time.Second, 0}} {
		z := logs(c.step)
		var sum, squares, products float64
		for i := range z {
			sum += z[i]
			squares += z[i] * z[i]
			if i > 0 {
				products += z[i] * z[i-1]
			}
		}
		n := float64(len(z))
		// At 5 ms, 100,000 values are worth about 5000 independent ones.
		if mean, variance := sum/n, squares/n; math.Abs(mean) > 0.07 || math.Abs(variance-1) > 0.1 {
			t.Errorf("every %v: mean %.3f variance %.3f, want 0 and 1", c.step, mean, variance)
		}
		if got := products / squares; math.Abs(got-c.want) > 0.03 {
			t.Errorf("every %v: autocorrelation %.3f, want %.3f", c.step, got, c.want)
		}
	}
}

func TestJitterNeverReorders(t *testing.T) {
	p := Profile{Up: Direction{Jitter: Jitter{Median: 20 * time.Millisecond, Sigma: 1}}}
	m := newModel(p, Up, 1, start)
	var last int64
	for i := range 100_000 {
		now := at(time.Duration(i) * 100 * time.Microsecond)
		arrival := now.mono + int64(m.plan(now, 84).delay)
		if arrival < last {
			t.Fatalf("packet %d arrives %v before the one sent before it", i, time.Duration(last-arrival))
		}
		last = arrival
	}
}

func TestReorderHoldsPacketsBack(t *testing.T) {
	p := Profile{Up: Direction{Delay: 10 * time.Millisecond, Reorder: 0.1, ReorderDelay: 5 * time.Millisecond}}
	m := newModel(p, Up, 1, start)
	var held int
	for i := range 10_000 {
		d := m.plan(at(time.Duration(i)*time.Millisecond), 84)
		want := 10 * time.Millisecond
		if d.reordered {
			held++
			want = 15 * time.Millisecond
		}
		if d.delay != want {
			t.Fatalf("packet %d: reordered %v, delay %v, want %v", i, d.reordered, d.delay, want)
		}
	}
	if held < 850 || held > 1150 { // standard deviation 30
		t.Errorf("%d of 10,000 held back, want 1000", held)
	}
}

func TestDuplicates(t *testing.T) {
	m := newModel(Profile{Up: Direction{Duplicate: 0.05}}, Up, 1, start)
	var twice int
	for i := range 10_000 {
		if m.plan(at(time.Duration(i)*time.Millisecond), 84).copies == 2 {
			twice++
		}
	}
	if twice < 400 || twice > 600 { // standard deviation 22
		t.Errorf("%d of 10,000 twice, want 500", twice)
	}
}

func TestProfileChangeKeepsTheQueueAndTheOrder(t *testing.T) {
	slow := Profile{Up: Direction{Delay: 500 * time.Millisecond}}
	m := newModel(slow, Up, 1, start)
	m.plan(start, 84)
	m.set(Profile{Up: Direction{Delay: 10 * time.Millisecond}}, at(time.Millisecond))
	if got, want := m.plan(at(time.Millisecond), 84).delay, 499*time.Millisecond; got != want {
		t.Errorf("delay = %v, want %v: behind the packet before it", got, want)
	}
}

func TestBuiltInProfilesAreValid(t *testing.T) {
	for _, p := range Profiles() {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		if got, ok := ProfileNamed(p.Name); !ok || got != p {
			t.Errorf("ProfileNamed(%q) does not find it", p.Name)
		}
	}
	if _, ok := ProfileNamed("carrier-pigeon"); ok {
		t.Error("ProfileNamed found what there is not")
	}
}

func TestProfileValidation(t *testing.T) {
	for _, c := range []struct {
		name    string
		profile Profile
		want    string
	}{
		{"loss_above_one", Profile{Up: Direction{Loss: 1.5}}, `lab: profile "": up: loss is 1.5, must be within 0..1`},
		{"loss_not_a_number", Profile{Up: Direction{Loss: math.NaN()}}, `lab: profile "": up: loss is NaN, must be within 0..1`},
		{"negative_delay", Profile{Down: Direction{Delay: -1}}, `lab: profile "": down: delay is -1ns, must not be negative`},
		{"rate_without_queue", Profile{Up: Direction{Rate: 1e6}}, `lab: profile "": up: a queue of 0 bytes holds no packet of 1500`},
		{"edge_without_slots", Profile{Up: Direction{Burst: Burst{Good: 1, Bad: 1, EdgeGood: 1, EdgeSpan: 1}}}, `lab: profile "": up: bursts at slot edges need bursts elsewhere and a span within a slot`},
		{"bursts_of_no_length", Profile{Up: Direction{Burst: Burst{Good: 1}}}, `lab: profile "": up: bursts last 0 s on average`},
		{"slots_and_handovers", Profile{Slots: Slots{Period: time.Second}, Handovers: Handovers{Every: time.Second}}, `lab: profile "": slots and handovers exclude each other`},
		{"reordering_without_delay", Profile{Up: Direction{Reorder: 0.1}}, `lab: profile "": up: reordering needs a reorder delay`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.profile.Validate(); err == nil || err.Error() != c.want {
				t.Errorf("Validate() = %v, want %s", err, c.want)
			}
		})
	}
}
