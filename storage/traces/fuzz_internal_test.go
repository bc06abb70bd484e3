package traces

import (
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee"
	"perigee/stats"
)

// FuzzSampleState gives the reader of exported samples bytes without the base64 around
// them. What is taken adds up, and is the same when it is written and read again.
func FuzzSampleState(f *testing.F) {
	var s perigee.Sample
	s.Start, s.Length, s.Interval, s.LossTimeout = time.Unix(1_772_402_400, 0).UTC(), 10*time.Second, 200*time.Millisecond, 3*time.Second
	f.Add(appendState(nil, &s), []byte(nil))
	for i := range 3 {
		s.RTT.Add(0.6 + float64(i)/100)
	}
	s.Counts = perigee.Counts{Planned: 5, Sent: 4, SendFailed: 1, Received: 3, Lost: 1}
	s.Cause, s.Variation.Jitter, s.Variation.JitterDefined = "no route", 0.01, true
	s.LossRuns.Longest, s.LossRuns.Packets, s.LossRuns.Count = stats.Run{Packets: 1, Seconds: 0.2}, 1, 1
	f.Add(appendState(nil, &s), s.RTT.Sketch.Encode())
	f.Add([]byte{stateVersion, 0xff}, []byte{1})
	f.Fuzz(func(t *testing.T, state, sketch []byte) {
		text := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
		var one, again perigee.Sample
		if decodeSample(text(sketch), text(state), &one) != nil {
			return
		}
		if err := one.Counts.Check(); err != nil || one.RTT.Count != one.Counts.Received {
			t.Errorf("%d round trips of %+v: %v", one.RTT.Count, one.Counts, err)
		}
		backSketch, backState := encoded(&one)
		if err := decodeSample([]byte(backSketch), []byte(backState), &again); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		lastSketch, lastState := encoded(&again)
		if lastSketch != backSketch || lastState != backState {
			t.Error("reading and writing does not come to rest")
		}
	})
}

// FuzzDecimal holds the reader of decimal numbers, which makes no floats, to big.Rat: what
// both take differs by what rounding may.
func FuzzDecimal(f *testing.F) {
	for _, text := range []string{"1694477135.6833403", "-1", "+.5", "44.5", "2.5e-05", "9223372036.854775807", "1e400", "-0.0000000005", "1.", ".", "0x10", "1_0", "inf", "1/3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []time.Duration{time.Nanosecond, time.Millisecond, time.Second} {
			got, ok := parseDecimal([]byte(text), unit)
			if !ok {
				continue
			}
			if strings.Contains(text, "/") || len(text) > 400 {
				continue // Rat reads fractions; and exponents without an end
			}
			want, known := new(big.Rat).SetString(text)
			if !known { // of exponents in the millions Rat makes nothing
				if v, err := strconv.ParseFloat(text, 64); err != nil || v != 0 || got != 0 {
					t.Fatalf("%q in %v is read as %d", text, unit, got)
				}
				continue
			}
			want.Mul(want, new(big.Rat).SetInt64(int64(unit)))
			away := want.Sub(want, new(big.Rat).SetInt64(got))
			far, _ := away.Float64()
			// Half a nanosecond of rounding; digits beyond the ninth are cut, which is
			// less than a nanosecond of a second; a float64 is off by a part in 2^52.
			if most := 1.5 + math.Abs(float64(got))/(1<<52); math.Abs(far) > most {
				t.Errorf("%q in %v is read as %d, off by %g", text, unit, got, far)
			}
		}
	})
}
