package transfer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee"
	"perigee/internal/lab"
	"perigee/probes/transfer"
	"perigee/stats"
)

// SCRATCH="geo:down:cubic:8:60,geo:up:cubic:8:60" SEED=..
func TestScratch(t *testing.T) {
	spec := os.Getenv("SCRATCH")
	if spec == "" {
		t.Skip()
	}
	seed, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	o := lab.Options{Seed: seed}
	jobs := strings.Split(spec, ",")
	for i, j := range jobs {
		f := strings.Split(j, ":")
		p, _ := lab.ProfileNamed(f[0])
		o.Links = append(o.Links, lab.Link{Name: fmt.Sprintf("%s%d", f[0], i), Profile: p})
	}
	l, err := lab.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var wg sync.WaitGroup
	for i, j := range jobs {
		f := strings.Split(j, ":")
		x := over(t, l, o.Links[i].Name, perigee.Load(f[1]))
		x.Congestion = f[2]
		x.Streams, _ = strconv.Atoi(f[3])
		secs, _ := strconv.Atoi(f[4])
		x.MaxDuration = time.Duration(secs) * time.Second
		wg.Go(func() {
			r, err := transfer.Run(t.Context(), x)
			if err != nil {
				t.Error(err)
			}
			b, _ := json.Marshal(r)
			os.WriteFile(fmt.Sprintf("%s/%s-%d.json", os.Getenv("DUMP"), strings.ReplaceAll(j, ":", "_"), seed), b, 0644)
			t.Logf("%s: rate %.2f steady %v err %.3f ramp %v whole %.2f len %v stop %v", j, r.Rate/1e6, r.Steady, r.Error, r.Ramp, r.WholeRate/1e6, r.Length, r.Stop)
		})
	}
	wg.Wait()
}

func TestScratchRead(t *testing.T) {
	if os.Getenv("READ") == "" {
		t.Skip()
	}
	for _, name := range strings.Split(os.Getenv("READ"), ",") {
		b, _ := os.ReadFile(name)
		var r perigee.Throughput
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		c := make([]float64, len(r.Series))
		total := 0.0
		for i, n := range r.Series {
			c[i] = float64(n)
		}
		var rtt time.Duration
		for _, s := range r.TCP {
			if s.MinRTT > 0 && (rtt == 0 || s.MinRTT < rtt) {
				rtt = s.MinRTT
			}
		}
		rtt = 630 * time.Millisecond
		out := name + ": "
		for _, n := range []int{100, 120, 150, 200, 300, 400, 600} {
			if n > len(c) {
				n = len(c)
			}
			total = 0
			for _, v := range c[:n] {
				total += v
			}
			s := stats.SteadyState(c[:n], 100*time.Millisecond, stats.SteadyOptions{RTT: rtt})
			e, _ := s.Error()
			out += fmt.Sprintf("\n   %ds: %.2f found %v ramp %.1f err %.3f naive %.2f held %d", n/10, s.Mean*8/1e6, s.Found, float64(s.Ramp)/10, e, total/float64(n)*80/1e6, s.Held)
		}
		sec := ""
		for i := 0; i+5 <= 300 && i+5 <= len(r.Series); i += 5 {
			v := int64(0)
			for _, x := range r.Series[i : i+5] {
				v += x
			}
			sec += fmt.Sprintf(" %.0f", float64(v)*16/1e6)
		}
		t.Log(out + "\n   halves: " + sec)
	}
}

func dump(r perigee.Throughput) {
	if dir := os.Getenv("DUMP"); dir != "" {
		b, _ := json.Marshal(r)
		os.WriteFile(fmt.Sprintf("%s/%s_%s_%s_%d_%.0f-%d.json", dir, r.Stream.Link, r.Stream.Load, r.Congestion, r.Streams, r.Length.Seconds(), r.Start.UnixMilli()), b, 0644)
	}
}
