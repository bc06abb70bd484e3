// What the interface answers to a comparison, asked once for the figures that show it.

import { plain, rate, milliseconds, none } from "../../lib/format.js";

const differences = { 0.5: "median_difference", 0.95: "p95_difference", 0.99: "p99_difference" };

// interval returns the difference of a pair that was asked for: estimate, low and high.
export const interval = (pair, quantile) => pair[differences[quantile]];

// signed writes a difference of a unit, with its sign.
export function signed(value, unit) {
  if (value === null) return none;
  const sign = value < 0 ? "−" : value > 0 ? "+" : "", size = Math.abs(value);
  if (unit === "seconds") return sign + milliseconds(size) + " ms";
  if (unit === "ratio") return sign + Number((size * 100).toPrecision(2)) + " % points";
  if (unit === "bits_per_second") return sign + rate(size).join(" ");
  return plain(value, unit);
}

// intervalWords writes an interval as a sentence quotes it.
export function intervalWords(i, unit) {
  if (i.estimate === null) return "no estimate";
  if (i.low === null) return `${signed(i.estimate, unit)}, no interval yet`;
  return `${signed(i.estimate, unit)} (${signed(i.low, unit)} to ${signed(i.high, unit)})`;
}

// paired gathers pairs by their names, each with its groups.
export function paired(pairs) {
  const all = new Map();
  for (const p of pairs) {
    const key = JSON.stringify([p.a, p.b]);
    if (!all.has(key)) all.set(key, { a: p.a, b: p.b, pairs: [] });
    all.get(key).pairs.push(p);
  }
  return [...all.values()];
}
