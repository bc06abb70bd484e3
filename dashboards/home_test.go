package dashboards_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"perigee"
	"perigee/dashboards/webtest"
	"perigee/storage/storagetest"
)

// home returns a store of three hours of a home with three links, made so that each view
// has something to show: a link with Starlink's slots, outages with causes, a gap, transfers.
// from and to are its range.
func home(t *testing.T) (store *storagetest.Memory, from, to time.Time) {
	t.Helper()
	webtest.Need(t)
	const length = 3 * time.Hour
	store = storagetest.NewMemory()
	to = time.Now().Truncate(time.Minute)
	from = to.Add(-length)
	site := perigee.Site{Name: "home", Latitude: -35.28, Longitude: 149.13, Located: true}
	links := []perigee.Link{
		{ID: "fibre", Orbit: perigee.OrbitTerrestrial, Plan: perigee.Plan{Down: 100e6, Up: 40e6, Availability: 0.999}},
		{ID: "geo", Orbit: perigee.OrbitGEO, SatelliteLongitude: 140.1, SatelliteKnown: true},
		{ID: "starlink", Orbit: perigee.OrbitStarlink},
	}
	if err := store.Describe(t.Context(), site, links); err != nil {
		t.Fatal(err)
	}
	var batch perigee.Batch
	for i, least := range []time.Duration{9 * time.Millisecond, 590 * time.Millisecond} {
		generator := storagetest.NewGenerator(uint64(i))
		generator.RTT, generator.Interval = least, time.Second
		batch.Samples = append(batch.Samples, generator.Samples(from, int(length/generator.Window), storagetest.Stream(links[i].ID, "far"))...)
	}
	batch.Samples = append(batch.Samples, slotted(from, to, storagetest.Stream("starlink", "far"))...)
	// What lies in an outage or in the gap was not measured, or not answered.
	down := from.Add(40 * time.Minute)
	gap := perigee.Gap{Site: "home", Start: from.Add(80 * time.Minute), End: from.Add(95 * time.Minute), Reason: perigee.GapStopped}
	kept := batch.Samples[:0]
	for _, s := range batch.Samples {
		if s.Start.Before(gap.Start) || !s.Start.Before(gap.End) {
			kept = append(kept, s)
		}
	}
	batch.Samples = kept
	batch.Gaps = []perigee.Gap{gap}
	batch.Outages = []perigee.Outage{
		{Stream: storagetest.Stream("geo", "far"), Start: down, End: down.Add(3 * time.Minute), Probes: 180, Reason: perigee.NoReplies},
		{Stream: storagetest.Stream("starlink", "far"), Start: down.Add(20 * time.Minute), End: down.Add(20*time.Minute + 1500*time.Millisecond), Probes: 8, Reason: perigee.NoReplies},
	}
	generator := storagetest.NewGenerator(7)
	for i, link := range []perigee.LinkID{"fibre", "starlink"} {
		for n := range 6 {
			for _, direction := range []perigee.Load{perigee.LoadDown, perigee.LoadUp} {
				transfer := generator.Throughput(storagetest.Transfer(link, direction), from.Add(time.Duration(n*20+i*5)*time.Minute))
				transfer.Streams, transfer.Congestion = 1, []string{"cubic", "bbr"}[n%2]
				batch.Throughputs = append(batch.Throughputs, transfer)
			}
		}
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return store, from, to
}

// slotted makes windows of a link whose level steps where Starlink's slots meet: seconds
// 12, 27, 42 and 57 of each minute. Windows of 3 s lie on their own grid and in one slot.
func slotted(from, to time.Time, stream perigee.Stream) (samples []perigee.Sample) {
	const window = 3 * time.Second
	generator, random := storagetest.NewGenerator(3), rand.New(rand.NewPCG(3, 3))
	generator.Window = window
	for at := from; at.Before(to); at = at.Add(window) {
		if (at.Unix()+perigee.LeapSeconds)%15 == 0 {
			generator.RTT = 25*time.Millisecond + time.Duration(random.Int64N(int64(40*time.Millisecond)))
		}
		samples = append(samples, generator.Sample(stream, at))
	}
	return samples
}

// TestPageOfAHome holds what is shown to what the interface says, what is chosen to the
// address, and what is taken away to its form.
func TestPageOfAHome(t *testing.T) {
	t.Parallel()
	store, from, to := home(t)
	whole := "from=" + from.UTC().Format(time.RFC3339) + "&to=" + to.UTC().Format(time.RFC3339)
	webtest.Run(t, servedAt(t, store, func() time.Time { return to.Add(5 * time.Second) }), nil,
		webtest.Check{"name": "figures", "from": from.UTC().Format(time.RFC3339), "to": to.UTC().Format(time.RFC3339)},
		webtest.Check{"name": "home", "check": "views", "on": screens(onDesktop), "views": []map[string]any{
			{"name": "home-now", "address": "/#/now", "drawings": 3, "says": []string{"usually"}},
			{"name": "home-compare", "address": "/#/compare?" + whole, "canvases": 1, "drawings": 2, "says": []string{"is lower|is higher", "95 % CI"}},
			{"name": "home-hours", "address": "/#/compare?by=hour&" + whole, "canvases": 1, "drawings": 2},
			{"name": "home-throughput", "address": "/#/throughput?" + whole, "drawings": 6, "says": []string{"bbr", "cubic", "RPM", "ramp"}},
			{"name": "home-slots", "address": "/#/slots?link=starlink&" + whole, "canvases": 1, "drawings": 3, "says": []string{"slots"}},
			{"name": "home-outages", "address": "/#/outages?" + whole, "drawings": 4, "says": []string{"MTBF", "Disruptions"}},
			{"name": "home-heatmap", "address": "/#/heatmap?link=fibre&and=starlink&" + whole, "says": []string{"Mon", "take away"}},
		}},
		webtest.Check{"name": "permalinks", "steps": []map[string]any{
			{"name": "metric", "address": "/#/compare?" + whole, "choose": []string{"metric", "loss_ratio"}, "hash": "metric=loss_ratio", "says": []string{"loss"}},
			{"name": "by", "address": "/#/compare?" + whole, "choose": []string{"by", "hour"}, "hash": "by=hour", "says": []string{"4 groups"}},
			{"name": "links", "address": "/#/compare?" + whole, "uncheck": "geo", "hash": "links=fibre%2Cstarlink", "says": []string{"fibre and starlink|fibre − starlink"}, "not": []string{"fibre and geo|fibre − geo"}},
			{"name": "direction", "address": "/#/throughput?" + whole, "choose": []string{"Direction", "up"}, "hash": "direction=up", "says": []string{"Tests 12"}},
			{"name": "link of outages", "address": "/#/outages?" + whole, "choose": []string{"Link", "geo"}, "hash": "link=geo", "says": []string{"Disruptions 1"}},
			{"name": "link of slots", "address": "/#/slots?" + whole, "choose": []string{"Link", "fibre"}, "hash": "link=fibre", "says": []string{"no slots"}},
			{"name": "metric of the heat map", "address": "/#/heatmap?link=geo&" + whole, "choose": []string{"Shown", "loss_ratio"}, "hash": "metric=loss_ratio", "says": []string{"loss"}},
		}},
		webtest.Check{"name": "downloads", "address": "/#/compare?" + whole},
	)
}
