package lab

import "time"

// Slots of Starlink: 15 s on the grid of GPS time, which is 18 s ahead of UTC.
const (
	starlinkPeriod = 15 * time.Second
	gpsAheadOfUTC  = 18 * time.Second
)

// Profiles returns the built-in profiles in the order users meet them: fibre, leo,
// starlink, geo. docs/lab.md states where their figures come from and what is
// measured over them.
func Profiles() []Profile { return []Profile{Fibre(), LEO(), Starlink(), GEO()} }

// ProfileNamed returns the built-in profile of this name; false if there is none.
func ProfileNamed(name string) (Profile, bool) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// Fibre is a good terrestrial line: 14 ms, hardly any loss.
func Fibre() Profile {
	return Profile{
		Name: "fibre",
		Up: Direction{
			Delay:  6800 * time.Microsecond,
			Jitter: Jitter{Median: 150 * time.Microsecond, Sigma: 0.6, Correlation: 5 * time.Millisecond, Max: 5 * time.Millisecond},
			Loss:   0.00001,
			Rate:   50e6, Queue: 250e3,
		},
		Down: Direction{
			Delay:  6800 * time.Microsecond,
			Jitter: Jitter{Median: 150 * time.Microsecond, Sigma: 0.6, Correlation: 5 * time.Millisecond, Max: 5 * time.Millisecond},
			Loss:   0.00001,
			Rate:   250e6, Queue: 1e6,
		},
	}
}

// LEO is a constellation at 1200 km with few gateways (OneWeb): 70 to 100 ms, a new level
// and a short outage with each handover, which come irregularly.
func LEO() Profile {
	return Profile{
		Name:      "leo",
		Handovers: Handovers{Every: 25 * time.Second, Outage: 120 * time.Millisecond},
		Up: Direction{
			Delay:  34 * time.Millisecond,
			Level:  Level{Spread: 14 * time.Millisecond},
			Jitter: Jitter{Median: 3 * time.Millisecond, Sigma: 0.6, Correlation: 30 * time.Millisecond, Max: 60 * time.Millisecond},
			Burst:  Burst{Good: 8 * time.Second, Bad: 40 * time.Millisecond, Loss: 1},
			Rate:   20e6, Queue: 250e3,
		},
		Down: Direction{
			Delay:  30 * time.Millisecond,
			Level:  Level{Spread: 10 * time.Millisecond},
			Jitter: Jitter{Median: 2 * time.Millisecond, Sigma: 0.6, Correlation: 30 * time.Millisecond, Max: 60 * time.Millisecond},
			Burst:  Burst{Good: 10 * time.Second, Bad: 30 * time.Millisecond, Loss: 1},
			Rate:   100e6, Queue: 1250e3,
		},
	}
}

// Starlink is a dish at middle latitude: median 43 ms, a new level every 15 s, losses
// in bursts, most of them where slots meet.
func Starlink() Profile {
	return Profile{
		Name: "starlink",
		Slots: Slots{
			Period: starlinkPeriod, Leap: gpsAheadOfUTC,
			Outage: 0.04, OutageMin: 300 * time.Millisecond, OutageMax: 1100 * time.Millisecond,
		},
		Up: Direction{
			Delay:  7 * time.Millisecond,
			Level:  Level{Spread: 55 * time.Millisecond, Skew: 4},
			Jitter: Jitter{Median: 9500 * time.Microsecond, Sigma: 0.8, Correlation: 50 * time.Millisecond, Max: 250 * time.Millisecond},
			Burst: Burst{
				Good: 6 * time.Second, Bad: 45 * time.Millisecond, Loss: 1,
				EdgeGood: 400 * time.Millisecond, EdgeSpan: 1200 * time.Millisecond,
			},
			Rate: 17e6, Queue: 300e3,
		},
		Down: Direction{
			Delay:  6 * time.Millisecond,
			Level:  Level{Spread: 14 * time.Millisecond, Skew: 2},
			Jitter: Jitter{Median: 5 * time.Millisecond, Sigma: 0.7, Correlation: 50 * time.Millisecond, Max: 100 * time.Millisecond},
			Loss:   0.00003, // one packet of one stream now and then: see docs/lab.md
			Burst: Burst{
				Good: 30 * time.Second, Bad: 30 * time.Millisecond, Loss: 1,
				EdgeGood: 250 * time.Millisecond, EdgeSpan: 1200 * time.Millisecond,
			},
			Rate: 150e6, Queue: 1200e3,
		},
	}
}

// GEO is a geostationary satellite seen from middle latitude: 600 to 700 ms, of which
// the four legs to and from 35,786 km take 499 ms at 45 degrees and a shared uplink's
// scheduler the rest.
func GEO() Profile {
	return Profile{
		Name: "geo",
		Up: Direction{
			Delay:  330 * time.Millisecond,
			Jitter: Jitter{Median: 20 * time.Millisecond, Sigma: 0.6, Correlation: 40 * time.Millisecond, Max: 250 * time.Millisecond},
			Burst:  Burst{Good: 30 * time.Second, Bad: 60 * time.Millisecond, Loss: 1},
			Rate:   5e6, Queue: 400e3,
		},
		Down: Direction{
			Delay:  280 * time.Millisecond,
			Jitter: Jitter{Median: 6 * time.Millisecond, Sigma: 0.6, Correlation: 40 * time.Millisecond, Max: 100 * time.Millisecond},
			Burst:  Burst{Good: 30 * time.Second, Bad: 60 * time.Millisecond, Loss: 1},
			Rate:   50e6, Queue: 4e6,
		},
	}
}
