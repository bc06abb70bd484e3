package client_test

import (
	"context"
	"testing"
	"time"

	"perigee"
	"perigee/api"
	"perigee/api/client"
	"perigee/storage/storagetest"
)

// measurer keeps one budget and makes each measurement that is asked for.
type measurer struct{ asked api.ProbeRequest }

func (m *measurer) Budgets(context.Context) ([]api.BudgetState, error) {
	return []api.BudgetState{{Link: odd, Allowance: 30e9, Left: 1e9, Stretch: 1}}, nil
}

func (m *measurer) StartProbe(_ context.Context, p api.ProbeRequest) (string, error) {
	m.asked = p
	return odd, nil
}

func (m *measurer) Probe(_ context.Context, id string) (api.ProbeState, error) {
	if id != odd {
		return api.ProbeState{}, &perigee.Error{Code: perigee.CodeNotFound, Message: "no such measurement"}
	}
	return api.ProbeState{ID: id, State: api.ProbeQueued, Request: m.asked, Asked: epoch}, nil
}

func TestClientAsksForTransfers(t *testing.T) {
	store := storagetest.NewMemory()
	g := storagetest.NewGenerator(1)
	batch := perigee.Batch{Samples: []perigee.Sample{sample(odd, epoch, 0.02)}}
	for i, direction := range []perigee.Load{perigee.LoadDown, perigee.LoadUp, perigee.LoadUp} {
		batch.Throughputs = append(batch.Throughputs, g.Throughput(storagetest.Transfer(odd, direction), epoch.Add(time.Duration(i)*time.Minute)))
	}
	if err := store.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	behind := &measurer{}
	c := monitor(t, api.Options{Store: store, Budget: behind, Measure: behind})
	ctx := t.Context()

	all := client.ThroughputFilter{Filter: client.Filter{Link: odd, From: epoch, To: epoch.Add(time.Hour)}}
	if list, err := c.Throughputs(ctx, all); err != nil || len(list) != 3 || len(list[0].Series) != 50 || list[0].Link != odd {
		t.Errorf("Throughputs = %d, %v", len(list), err)
	}
	up := client.ThroughputFilter{Filter: all.Filter, Method: perigee.MethodTransfer, Limit: 1, WithoutSeries: true}
	up.Load = perigee.LoadUp
	if list, err := c.Throughputs(ctx, up); err != nil || len(list) != 1 || len(list[0].Series) != 0 || !list[0].Time.Equal(epoch.Add(2*time.Minute)) {
		t.Errorf("Throughputs up = %+v, %v", list, err)
	}
	if b, err := c.Budget(ctx); err != nil || len(b) != 1 || b[0].Link != odd || *b[0].Left != 1e9 {
		t.Errorf("Budget = %+v, %v", b, err)
	}
	request := api.ProbeRequest{Link: odd, Method: api.ProbeTransfer, Direction: "up", Streams: 8}
	probe, err := c.StartProbe(ctx, request)
	if err != nil || probe.ID != odd || probe.Request != request {
		t.Errorf("StartProbe = %+v, %v", probe, err)
	}
	if again, err := c.Probe(ctx, probe.ID); err != nil || again.State != api.ProbeQueued || !again.Asked.Equal(epoch) {
		t.Errorf("Probe = %+v, %v", again, err)
	}
	if _, err := c.Probe(ctx, "other"); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("Probe that is not there: %v", err)
	}
	without := monitor(t, api.Options{})
	if _, err := without.StartProbe(ctx, request); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("StartProbe where nothing is measured: %v", err)
	}
	if _, err := without.Budget(ctx); perigee.CodeOf(err) != perigee.CodeNotFound {
		t.Errorf("Budget where nothing is measured: %v", err)
	}
}
