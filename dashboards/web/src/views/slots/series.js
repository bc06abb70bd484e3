// Draws the minimum and the median of each slot over time.

import { note } from "../../lib/ask.js";
import { timeChart } from "../../lib/chart.js";
import { el } from "../../lib/dom.js";
import { milliseconds } from "../../lib/format.js";
import { numbers } from "../../lib/table.js";

// aligned returns times and values of slots; where one is missing there is an undefined
// value, so that no line goes over it.
function aligned(slots, period) {
  const times = [], least = [], median = [];
  for (const s of slots) {
    const at = Date.parse(s.start) / 1000;
    if (times.length && at - times.at(-1) > period) times.push(times.at(-1) + period), least.push(null), median.push(null);
    times.push(at), least.push(s.min_rtt_seconds), median.push(s.p50_rtt_seconds);
  }
  return { times, least, median };
}

export function seriesChart(a, look, signal) {
  if (!a.slots.length) return [note("Each slot by itself is shown for a day at most: choose a shorter period.")];
  const { times, least, median } = aligned(a.slots, a.period_seconds);
  const from = Date.parse(a.from) / 1000, to = Date.parse(a.to) / 1000, whole = [from, to];
  const some = median.filter((v) => v !== null);
  const finding = `${a.slots.length.toLocaleString("en")} slots` + (some.length ? `, medians from ${milliseconds(Math.min(...some))} to ${milliseconds(Math.max(...some))} ms` : ", none with an answer");
  const field = el("div");
  let drawn = null, shown = whole;
  requestAnimationFrame(() => {
    if (signal.aborted) return;
    drawn = timeChart(field, {
      times, unit: "seconds", from, to, height: 240, label: `Each slot over time: ${finding}`, zoomed: (low, high) => zoom(low, high),
      series: [
        { label: "median", colour: "--series-" + (look?.index ?? 0), values: median },
        { label: "minimum", colour: "--quiet", dash: [3, 3], values: least },
      ],
    });
  });
  const zoom = (low, high) => {
    const length = Math.min(Math.max(high - low, 4 * a.period_seconds), to - from), start = Math.min(Math.max(low, from), to - length);
    shown = [start, start + length];
    drawn?.chart.setScale("x", { min: shown[0], max: shown[1] });
  };
  const by = (factor, shift) => () => {
    const half = ((shown[1] - shown[0]) / 2) * factor, middle = (shown[0] + shown[1]) / 2 + shift * (shown[1] - shown[0]);
    zoom(middle - half, middle + half);
  };
  const buttons = [["◀", "earlier", by(1, -0.5)], ["▶", "later", by(1, 0.5)], ["+", "zoom in", by(0.5, 0)], ["−", "zoom out", by(2, 0)], ["⤢", "whole range", () => zoom(...whole)]]
    .map(([mark, name, onclick]) => el("button", { type: "button", "aria-label": name, title: name, onclick }, mark));
  signal.addEventListener("abort", () => drawn?.end(), { once: true });
  return [el("section", { class: "sheet" },
    el("h3", {}, "Each slot ", el("span", {}, `solid: median, dotted: minimum. ${finding}`)), field,
    el("div", { class: "controls", role: "group", "aria-label": "Move the chart" }, buttons),
    numbers("Numbers of each slot", "slot-series.csv", ["slot began (UTC)", "probes", "lost or late", "RTT min, ms", "RTT p50, ms"], a.slots.map((s) =>
      [s.start, s.count, s.lost, s.min_rtt_seconds === null ? null : milliseconds(s.min_rtt_seconds), s.p50_rtt_seconds === null ? null : milliseconds(s.p50_rtt_seconds)])))];
}
