// Puts values into shades: the darker, or in the dark the brighter, the worse.

export const shades = 7;

// metrics are what a heat map can show: how a value is written in full and in a cell, and
// how bad it is, the greater the worse. What is best at 0 has its first shade there.
const inMilliseconds = (v) => { const ms = v * 1000; return ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0); };
const inPercent = (v) => (v === 0 ? "0" : v < 0.0005 ? "<.1" : (v * 100).toFixed(v < 0.0995 ? 1 : 0));
const delay = { unit: "ms", write: inMilliseconds, bad: (v) => v, good: (b) => b, fromZero: false };
export const metrics = {
  rtt: { name: "round-trip time, median", ...delay },
  loss_ratio: { name: "loss", loss: true, unit: "%", write: inPercent, bad: (v) => v, good: (b) => b, fromZero: true },
  jitter: { name: "jitter (RFC 3550), mean", ...delay, fromZero: true },
  pdv: { name: "delay variation (PDV), median", ...delay, fromZero: true },
  availability: { name: "availability", unit: "%", write: (v) => (v === 1 ? "100" : Math.min(v * 100, 99.99).toFixed(v < 0.9 ? 0 : v < 0.999 ? 1 : 2)), bad: (v) => 1 - v, good: (b) => 1 - b, fromZero: true },
};

// scale returns { low, high, shade(value) } over cells. The few worst cells share the last
// shade, so that one of them does not make all others look alike.
export function scale(cells, metric) {
  const all = cells.filter((c) => c.value !== null).map((c) => metric.bad(c.value)).sort((a, b) => a - b);
  const low = metric.fromZero ? 0 : all[0] ?? 0, high = all[Math.floor(0.97 * (all.length - 1))] ?? low;
  return {
    low: metric.good(low), high: metric.good(high), some: high > low,
    shade: (value) => (high > low ? Math.min(Math.max(Math.floor(((metric.bad(value) - low) / (high - low)) * shades), 0), shades - 1) : metric.bad(value) > high ? shades - 1 : 0),
  };
}
