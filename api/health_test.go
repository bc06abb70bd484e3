package api

import (
	"testing"
	"time"

	"perigee"
)

// window returns a sample of ten probes that ends age before now, with the first lost
// of them lost.
func window(target perigee.TargetID, age time.Duration, lost int) perigee.Sample {
	s := stream("l")
	s.Target = target
	n := 0
	return newSample(s, now.Add(-age-10*time.Second), func() float64 {
		n++
		if n <= lost {
			return -1
		}
		return 0.05
	})
}

func failed(target perigee.TargetID, age time.Duration) perigee.Sample {
	s := window(target, age, 10)
	s.Counts = perigee.Counts{Planned: 10, SendFailed: 10}
	s.Cause = "interface down"
	return s
}

// under returns s as it is measured beside a transfer.
func under(load perigee.Load, s perigee.Sample) perigee.Sample {
	s.Stream.Load = load
	return s
}

func TestStateOfALink(t *testing.T) {
	open := func(target perigee.TargetID, start, end time.Duration) perigee.Outage {
		s := stream("l")
		s.Target = target
		return perigee.Outage{Stream: s, Start: now.Add(-start), End: now.Add(-end), Open: true, Reason: "interface down"}
	}
	for name, c := range map[string]struct {
		samples []perigee.Sample
		outages []perigee.Outage
		last    time.Duration // age of the newest sample; negative: none
		state   State
		text    string
	}{
		"never":  {last: -1, state: StateUnmeasured, text: "never measured"},
		"up":     {samples: []perigee.Sample{window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"silent": {samples: []perigee.Sample{window("a", 32*time.Second, 0)}, last: 32 * time.Second, state: StateSilent, text: "no data for 32 s"},
		// 10 s window + 6 s late horizon + 5 s grace: at 21 s the next sample is not overdue yet.
		"at_the_end_of_patience":      {samples: []perigee.Sample{window("a", 21*time.Second, 0)}, last: 21 * time.Second, state: StateUp, text: "answers"},
		"nothing_recent":              {last: 3 * time.Hour, state: StateSilent, text: "no data for 3 h"},
		"silence_outranks_an_outage":  {samples: []perigee.Sample{window("a", time.Minute, 10)}, outages: []perigee.Outage{open("a", 2*time.Minute, time.Minute)}, last: time.Minute, state: StateSilent, text: "no data for 60 s"},
		"down_without_a_record":       {samples: []perigee.Sample{window("a", 12*time.Second, 10)}, last: 12 * time.Second, state: StateDown, text: "no reply in the last 10 s"},
		"down_with_a_cause":           {samples: []perigee.Sample{failed("a", 12*time.Second)}, last: 12 * time.Second, state: StateDown, text: "no reply in the last 10 s (interface down)"},
		"outage":                      {samples: []perigee.Sample{window("a", 12*time.Second, 8)}, outages: []perigee.Outage{open("a", 18*time.Second, 2*time.Second)}, last: 12 * time.Second, state: StateDown, text: "no reply for 18 s (interface down)"},
		"outage_left_open_by_a_crash": {samples: []perigee.Sample{window("a", 12*time.Second, 0)}, outages: []perigee.Outage{open("a", 4*time.Minute, 3*time.Minute)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		// 1 lost of 20 is 5 %, the limit.
		"lossy":                            {samples: []perigee.Sample{window("a", 22*time.Second, 1), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateDegraded, text: "loses 5 % of probes"},
		"lost_before_a_minute":             {samples: []perigee.Sample{window("a", 72*time.Second, 10), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"sends_failed_lately":              {samples: []perigee.Sample{failed("a", 22*time.Second), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateDegraded, text: "10 of 20 probes could not be sent"},
		"one_target_down":                  {samples: []perigee.Sample{window("a", 12*time.Second, 0), window("b", 12*time.Second, 10)}, last: 12 * time.Second, state: StateDegraded, text: "no reply from b"},
		"one_target_silent":                {samples: []perigee.Sample{window("b", 90*time.Second, 0), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateDegraded, text: "no data from b"},
		"all_targets_down":                 {samples: []perigee.Sample{window("a", 12*time.Second, 10), window("b", 12*time.Second, 10)}, last: 12 * time.Second, state: StateDown, text: "no reply in the last 10 s"},
		"lossy_under_load":                 {samples: []perigee.Sample{window("a", 12*time.Second, 0), under(perigee.LoadDown, window("a", 12*time.Second, 4))}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"after_a_load":                     {samples: []perigee.Sample{under(perigee.LoadUp, window("a", 40*time.Second, 4)), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"in_a_long_load":                   {samples: []perigee.Sample{window("a", 50*time.Second, 0), under(perigee.LoadUp, window("a", 12*time.Second, 4))}, last: 12 * time.Second, state: StateUp, text: "answers while a transfer runs"},
		"silent_after_a_load":              {samples: []perigee.Sample{window("a", 70*time.Second, 0), under(perigee.LoadUp, window("a", 32*time.Second, 4))}, last: 32 * time.Second, state: StateSilent, text: "no data for 32 s"},
		"beyond_the_first_hop":             {samples: []perigee.Sample{window(perigee.FirstHop, 12*time.Second, 0), window("a", 12*time.Second, 10)}, last: 12 * time.Second, state: StateDown, text: "no reply in the last 10 s, beyond its first hop"},
		"with_the_first_hop":               {samples: []perigee.Sample{window(perigee.FirstHop, 12*time.Second, 10), window("a", 12*time.Second, 10)}, last: 12 * time.Second, state: StateDown, text: "no reply in the last 10 s, nor from its first hop"},
		"a_first_hop_that_does_not_answer": {samples: []perigee.Sample{window(perigee.FirstHop, 12*time.Second, 10), window("a", 12*time.Second, 0)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"nothing_but_a_first_hop":          {samples: []perigee.Sample{window(perigee.FirstHop, 12*time.Second, 0)}, last: 12 * time.Second, state: StateUp, text: "answers"},
		"clock_set_back":                   {samples: []perigee.Sample{window("a", -time.Hour, 0)}, last: -time.Hour + 1, state: StateUp, text: "answers"},
	} {
		t.Run(name, func(t *testing.T) {
			recent := lastMinutes{}
			for _, s := range c.samples {
				recent.add(s)
			}
			var last time.Time
			if c.last != -1 {
				last = now.Add(-c.last)
			}
			state, text := linkState(recent.states(c.outages), last, now)
			if state != c.state || text != c.text {
				t.Errorf("state %s, %q, want %s, %q", state, text, c.state, c.text)
			}
		})
	}
}

func TestDurationsInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		32 * time.Second: "32 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 3 * time.Hour: "3 h", 72 * time.Hour: "3 days",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q, want %q", d, got, want)
		}
	}
}
