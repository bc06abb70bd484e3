package transfer

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"perigee"
	"perigee/probes/transfer/wire"
)

func TestCountsAreOfTheStepInWhichBytesCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounts(time.Second)
		c.start = time.Now()
		c.add(1)
		time.Sleep(99 * time.Millisecond)
		c.add(2)
		time.Sleep(time.Millisecond)
		c.add(4)
		time.Sleep(150 * time.Millisecond)
		c.add(8)
		steps, last := c.until(250 * time.Millisecond)
		if want := []int64{3, 4, 8}; !slices.Equal(steps, want) || last != 250*time.Millisecond {
			t.Errorf("until = %v, %v, want %v", steps, last, want)
		}
		if whole(250*time.Millisecond) != 2 {
			t.Errorf("%d steps of 100 ms are over after 250 ms, want 2", whole(250*time.Millisecond))
		}
		time.Sleep(time.Minute)
		c.add(16)
		if c.sum() != 15 {
			t.Errorf("%d bytes, want 15: what comes after the end does not count", c.sum())
		}
	})
}

func TestStatesOfTheFarEndLeaveNoHoles(t *testing.T) {
	var f farSide
	f.take(wire.State{From: 0, Bytes: []int64{1, 2}})
	f.take(wire.State{From: 3, Bytes: []int64{8}}) // the one before was lost
	f.take(wire.State{From: 2, Bytes: []int64{4}})
	if got, want := f.counted(time.Second), []int64{1, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if got, want := f.counted(250*time.Millisecond), []int64{1, 2}; !slices.Equal(got, want) {
		t.Errorf("counted %v until 250 ms, want %v: the third step is not over", got, want)
	}
}

// What is told later of a step replaces what was told before.
func TestArrivalsAreTold(t *testing.T) {
	var f farSide
	f.take(wire.State{From: 0, Bytes: []int64{5, 0}, Arrived: []int64{5, 0}, Waiting: []int64{0, 7}})
	f.take(wire.State{From: 2, Bytes: []int64{0}, ArrivedFrom: 2, Arrived: []int64{0}, Waiting: []int64{8}})
	if !slices.Equal(f.arrived, []int64{5, 0, 0}) || !slices.Equal(f.waiting, []int64{0, 7, 8}) {
		t.Errorf("arrived %v, waiting %v while a segment is missing", f.arrived, f.waiting)
	}
	f.take(wire.State{From: 3, Bytes: []int64{16}, ArrivedFrom: 1, Arrived: []int64{7, 8, 1}})
	if !slices.Equal(f.arrived, []int64{5, 7, 8, 1}) || !slices.Equal(f.waiting, []int64{0, 0, 0, 0}) {
		t.Errorf("arrived %v, waiting %v after it came", f.arrived, f.waiting)
	}
	f.take(wire.State{From: 4, Bytes: []int64{2}, ArrivedFrom: 5, Arrived: []int64{2}}) // one is missing
	f.take(wire.State{From: 5, Bytes: []int64{2}})                                      // of an older far end
	if len(f.arrived) != 4 || len(f.waiting) != 4 || len(f.steps) != 6 {
		t.Errorf("arrived %v, waiting %v after a hole", f.arrived, f.waiting)
	}
}

func TestPayloadIsPlacedWhereItArrived(t *testing.T) {
	for name, c := range map[string]struct {
		counted, arrived, waiting []int64
		secured                   bool
		steps, wait               []int64
		known                     bool
	}{
		"nobody_knows":        {[]int64{1, 2}, nil, nil, false, []int64{1, 2}, []int64{0, 0}, false},
		"nothing_came":        {[]int64{0, 0}, []int64{0, 0}, []int64{0, 0}, false, []int64{0, 0}, []int64{0, 0}, false},
		"a_burst":             {[]int64{10, 0, 0, 30}, []int64{10, 10, 10, 10}, []int64{0, 0, 0, 0}, false, []int64{10, 10, 10, 10}, []int64{0, 0, 0, 0}, true},
		"held_back_still":     {[]int64{10, 0, 0}, []int64{10, 0, 0}, []int64{0, 10, 10}, false, []int64{10, 0, 0}, []int64{0, 10, 10}, true},
		"not_read_yet":        {[]int64{10, 5}, []int64{10, 10}, []int64{0, 0}, false, []int64{10, 5}, []int64{0, 5}, true},
		"much_not_read_yet":   {[]int64{5, 0}, []int64{10, 10}, []int64{0, 0}, false, []int64{5, 0}, []int64{5, 10}, true},
		"the_step_under_way":  {[]int64{10, 10, 4}, []int64{10, 10}, []int64{0, 0}, false, []int64{10, 10, 4}, []int64{0, 0, 0}, true},
		"all_after_the_look":  {[]int64{10, 12}, []int64{8, 8}, []int64{0, 0}, false, []int64{8, 14}, []int64{0, 0}, true},
		"more_than_last_step": {[]int64{30, 1}, []int64{8, 8}, []int64{0, 0}, false, []int64{22, 9}, []int64{0, 0}, true},
		"with_tls":            {[]int64{100, 0, 200}, []int64{110, 110, 110}, []int64{0, 0, 11}, true, []int64{100, 100, 100}, []int64{0, 0, 10}, true},
	} {
		p := place(c.counted, c.arrived, c.waiting, c.secured)
		if !slices.Equal(p.steps, c.steps) || !slices.Equal(p.waiting, c.wait) || p.known != c.known {
			t.Errorf("%s: %+v, want %v, %v, %v", name, p, c.steps, c.wait, c.known)
		}
		if sum(p.steps) != sum(c.counted) {
			t.Errorf("%s: %d bytes placed, %d counted", name, sum(p.steps), sum(c.counted))
		}
	}
}

// A queue stands where round trips are longer than the least by more than jitter makes them.
func TestRoundTripsTellWhenTheLinkIsFull(t *testing.T) {
	var r trips
	if r.full(3) != nil {
		t.Error("full without any round trip")
	}
	for step, rtt := range []int{640, 690, 720, 0, 700} { // milliseconds; 0: nobody looked
		if rtt > 0 {
			r.add(time.Duration(step)*wire.Step, time.Duration(rtt)*time.Millisecond, 620*time.Millisecond)
		}
	}
	if got, want := r.full(6), []bool{false, false, true, true, false, false}; !slices.Equal(got, want) { // 713 ms and more
		t.Errorf("full in %v, want %v", got, want)
	}
	r.add(time.Hour, time.Second, time.Second) // longer than any transfer
	if len(r.smoothed) != 5 {
		t.Errorf("%d steps are kept", len(r.smoothed))
	}
}

func TestStatesOfTCPAreKeptOnceASecond(t *testing.T) {
	var f farSide
	for at := time.Duration(0); at < 3*time.Second; at += wire.Step {
		f.take(wire.State{At: wire.Seconds(at), From: int(at / wire.Step), Bytes: []int64{1}, TCP: &wire.TCP{Window: int64(at), Received: 7, Receiver: &wire.TCPReceiver{Segments: int64(at)}}})
	}
	if len(f.tcpReceiver) != 3 || f.tcpReceiver[1] != (perigee.TCPReceiverState{At: time.Second, Received: 7, Segments: int64(time.Second)}) {
		t.Errorf("kept %+v of the receiver", f.tcpReceiver)
	}
	if len(f.tcp) != 3 || f.tcp[1].At != time.Second || f.latest.Window != int64(2900*time.Millisecond) {
		t.Errorf("kept %+v", f.tcp)
	}
}

func TestSlotsLieOnTheirOwnGrid(t *testing.T) {
	const slot, leap = 15 * time.Second, 18 * time.Second
	for _, c := range []struct {
		unix float64
		want time.Duration
	}{
		{12, 0}, // GPS time is 18 s ahead, so slots begin at seconds 12, 27, 42 and 57
		{12.25, 14750 * time.Millisecond},
		{26, time.Second},
		{1800000000, 12 * time.Second}, // 1800000000 is 0 mod 60
	} {
		if got := untilSlot(time.Unix(0, int64(c.unix*1e9)), slot, leap); got != c.want {
			t.Errorf("at %v the next slot begins in %v, want %v", c.unix, got, c.want)
		}
	}
}

func TestPriceOfPayload(t *testing.T) {
	p := price{mss: 1448, header: 52}
	// Full segments of 1500 bytes and an acknowledgement of 52 for each.
	if got := p.segments(1448 * 1000); got != 1552*1000 {
		t.Errorf("a thousand segments cost %d, want 1552000", got)
	}
	if got := p.payload(1552 * 1000); got != 1448*1000 {
		t.Errorf("1552000 bytes suffice for %d, want 1448000", got)
	}
	secured := p
	secured.secured = true
	// Each record of 16384 bytes has 22 more.
	if got := secured.stream(163840); got != 163840+11*22 {
		t.Errorf("ten records are %d bytes, want 164082 with one for the rest", got)
	}
	for _, price := range []price{p, secured} {
		for _, most := range []int64{1e5, 5e6, 1e9} {
			if paid := price.segments(price.stream(price.payload(most))); paid > most+2000 || float64(paid) < 0.99*float64(most)-2000 {
				t.Errorf("payload for %d costs %d", most, paid)
			}
		}
	}
	if p.payload(-1) != 0 {
		t.Error("a cap that is used up leaves payload")
	}
}

func TestBudgetLeavesRoomForWhatIsUnderWay(t *testing.T) {
	p := price{mss: 1000, header: 50}
	sender := func(seen tally, taken int64) *budget {
		seen.known = true
		return &budget{cap: 1100000, price: p, seen: seen, taken: taken, base: 100}
	}
	for name, c := range map[string]struct {
		seen  tally
		taken int64
		room  int64
		final bool
	}{
		"nothing_sent":     {tally{sent: 100}, 0, 1000000, true},                                     // 1100000 / 1.1
		"all_waits":        {tally{sent: 100}, 500000, 500000, false},                                // 550000 are spoken for
		"all_arrived":      {tally{sent: 500100, wire: 550000}, 500000, 500000, true},                // and paid
		"under_way":        {tally{sent: 500100, wire: 525000, unacked: 500}, 500000, 500000, false}, // acknowledgements are due
		"much_sent_again":  {tally{sent: 600100, retransmitted: 100000, wire: 660000}, 500000, 400000, true},
		"taken_for_lost":   {tally{sent: 500100, wire: 525000, unacked: 500, lost: 100}, 500000, 409090, false}, // 100000 more are due
		"cap_is_used_up":   {tally{sent: 999100, wire: 1100000}, 999000, 0, true},
		"beyond_the_limit": {tally{sent: 999100, wire: 1200000}, 999000, 0, true},
	} {
		room, final := sender(c.seen, c.taken).room()
		if room < c.room-1 || room > c.room+1 || final != c.final {
			t.Errorf("%s: room for %d, final %v; want %d, %v", name, room, final, c.room, c.final)
		}
	}
}

func TestWatchfulLooksInTimeForTheCap(t *testing.T) {
	for _, c := range []struct {
		left, moved int64
		since, want time.Duration
	}{
		{1000, 0, 0, 10 * time.Millisecond},
		{1000, 1000, 10 * time.Millisecond, 5 * time.Millisecond}, // half the time until the cap
		{1e9, 1, time.Second, wire.Step},
		{1, 1e9, time.Second, time.Millisecond},
	} {
		if got := watchful(c.left, c.moved, c.since); got != c.want {
			t.Errorf("watchful(%d, %d, %v) = %v, want %v", c.left, c.moved, c.since, got, c.want)
		}
	}
}

func TestOneOfManyWarningsIsPassedOn(t *testing.T) {
	var said []string
	r := &run{o: Options{OnWarning: func(s string) { said = append(said, s) }}}
	r.warn(nil)
	for range 8 { // one for each stream
		r.warn(errors.New("bind: send buffer of 500 bytes where 1000 are needed"))
	}
	if len(said) != 1 || said[0] != "the rate may be held back: bind: send buffer of 500 bytes where 1000 are needed" {
		t.Errorf("warned of %q", said)
	}
}
