package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"200ms": 200 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "1h30m": 90 * time.Minute,
		"14d": 14 * 24 * time.Hour, "0.5d": 12 * time.Hour, "1d12h": 36 * time.Hour, "-1d": -24 * time.Hour, "-1d1h": -25 * time.Hour, "0": 0,
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "d", "5", "5 s", "1e3d", "infd", "nand", "0x1d", "1d-1h", "1d+1h", "12h1d", "1d1d", "99999999d", "1d9999999h", "5days", "1_0d"} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestSpanReadsBack(t *testing.T) {
	for text, d := range map[string]time.Duration{
		"200ms": 200 * time.Millisecond, "10s": 10 * time.Second, "1m": time.Minute, "10m": 10 * time.Minute, "1m30s": 90 * time.Second,
		"1h": time.Hour, "20h": 20 * time.Hour, "1h0m10s": time.Hour + 10*time.Second, "1d": day, "400d": 400 * day, "36h": 36 * time.Hour, "0s": 0,
	} {
		if got := span(d); got != text {
			t.Errorf("span(%v) = %q, want %q", d, got, text)
		}
		if got, ok := parseDuration(span(d)); !ok || got != d {
			t.Errorf("parseDuration(span(%v)) = %v, %v", d, got, ok)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"200GB": 200e9, "30 GiB": 30 << 30, "1.5TB": 1.5e12, "500MiB": 500 << 20, "1000000B": 1e6, "2000kB": 2e6,
	} {
		r := &reader{}
		if got, ok := r.bytes(value{kind: textual, text: text}, minBudget, maxBudget); !ok || got != want {
			t.Errorf("bytes(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "GB", "200", "200G", "200gb", "infGB", "NaNGB", "1e3GB", "-1GB", "1  GB", "2000TB", "1B"} {
		r := &reader{}
		if got, ok := r.bytes(value{kind: textual, text: text}, minBudget, maxBudget); ok || len(r.problems) != 1 {
			t.Errorf("bytes(%q) = %v, %v with %d problems, want one problem", text, got, ok, len(r.problems))
		}
	}
}

func TestBandwidth(t *testing.T) {
	for text, want := range map[string]int64{
		"8kbit/s": 8_000, "8000bit/s": 8_000, "256kbit/s": 256_000, "1.5 Mbit/s": 1_500_000, "10Gbit/s": 10_000_000_000, "0.000001Gbit/s": 0,
		"unlimited": Unlimited, "auto": 0,
	} {
		r := &reader{}
		got := r.bandwidth(value{kind: textual, text: text})
		if got != want || want != 0 && len(r.problems) > 0 {
			t.Errorf("bandwidth(%q) = %d with %v, want %d", text, got, r.problems, want)
		}
		if again := (&reader{}).bandwidth(value{kind: textual, text: bitRate(got)}); again != got {
			t.Errorf("bandwidth(%q) = %d, want %d", bitRate(got), again, got)
		}
	}
	for _, text := range []string{"", "kbit/s", "256", "256k", "256kbps", "2MB/s", "2mbit/s", "NaNkbit/s", "infMbit/s", "1e3kbit/s", "-1Mbit/s", "1  Mbit/s", "11Gbit/s", "7999bit/s", "Unlimited", "none"} {
		r := &reader{}
		if got := r.bandwidth(value{kind: textual, text: text}); got != 0 || len(r.problems) != 1 {
			t.Errorf("bandwidth(%q) = %d with %d problems, want one problem", text, got, len(r.problems))
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"interval", "window", "loss_timeout", "org", "name"}
	for text, want := range map[string]string{
		"intervall": "interval", "Interval": "interval", "windwo": "window", "loss-timeout": "loss_timeout", "losstimeout": "loss_timeout",
		"nmae": "name", "ogr": "", "x": "", "": "", "frequency": "",
	} {
		if got := nearest(text, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"京都", "東京", 2},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestParseBytesKeepsWithinItsType(t *testing.T) {
	for text, want := range map[string]int64{"99999999999999TB": 1e18, "-99999999999999TB": -1e18, "-1MB": -1e6} {
		if got, ok := ParseBytes(text); !ok || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
}

func TestBytesOfNothing(t *testing.T) {
	for text, k := range map[string]kind{"0": numeric, "0B": textual, "0 GB": textual} {
		r := &reader{}
		if got, ok := r.bytes(value{kind: k, text: text}, 0, maxBudget); !ok || got != 0 {
			t.Errorf("bytes(%q) = %v, %v, want 0 %v", text, got, ok, r.problems)
		}
	}
	for text, k := range map[string]kind{"5": numeric, "0": textual, "-1B": textual} {
		r := &reader{}
		if got, ok := r.bytes(value{kind: k, text: text}, 0, maxBudget); ok || len(r.problems) != 1 {
			t.Errorf("bytes(%q) = %v, %v with %d problems, want one problem", text, got, ok, len(r.problems))
		}
	}
}

func TestSizeIsReadAsItIsWritten(t *testing.T) {
	for bytes, text := range map[int64]string{
		0: "0B", 999: "999B", 2_000: "2kB", 1_000_000: "1MB", 1_500_000: "1.5MB", 200e9: "200GB", 1e15: "1000TB", 30 << 30: "32.21225472GB", 1_000_000_000_001: "1.000000000001TB",
	} {
		if got := size(bytes); got != text {
			t.Errorf("size(%d) = %q, want %q", bytes, got, text)
		}
		r := &reader{}
		if got, ok := r.bytes(value{kind: textual, text: size(bytes)}, 0, maxBudget); !ok || got != bytes {
			t.Errorf("bytes(%q) = %d, want %d", size(bytes), got, bytes)
		}
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "0.05": 0.05, "0": 0, "0%": 0, "12.5 %": 0.125, "1e-2": 0.01, "50%": 0.5, "0.5": 0.5} {
		r := &reader{}
		if got, ok := r.share(value{kind: textual, text: text}, 0.5); !ok || got != want {
			t.Errorf("share(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "%", "5", "51%", "-1%", "0.51", "NaN", "Inf", "+5%", "99", "0x1p-3", "five", "5 percent", "5%%"} {
		r := &reader{}
		if got, ok := r.share(value{kind: textual, text: text}, 0.5); ok || len(r.problems) != 1 {
			t.Errorf("share(%q) = %v, %v with %d problems, want one problem", text, got, ok, len(r.problems))
		}
	}
	for share, text := range map[float64]string{0.05: "5%", 0.1: "10%", 0.07: "7%", 0.125: "12.5%", 0: "0%"} {
		if got := percentage(share); got != text {
			t.Errorf("percentage(%v) = %q, want %q", share, got, text)
		}
	}
}
