// Draws series over time on a canvas, by uPlot. Where there is no value there is no line.

import uPlot from "uplot";
import { tick } from "./axis.js";
import { gestures } from "./chart_gestures.js";
import { lanes } from "./chart_lanes.js";
import { plain } from "./format.js";
import { colour, faint, tint, turned } from "./ground.js";

const narrowest = 200; // pixels

// clock is how times stand at the axis: uPlot's own, with 24 hours. Each row is the least
// distance of ticks in seconds, what is written, and what besides where a year, month,
// day, hour, minute or second begins.
const date = "\n{D} {MMM} {YYYY}", day = "\n{D} {MMM}";
const clock = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", date, null, day, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", date, null, day, null, null, null, 1],
];

// timeChart draws series in container and returns { chart, set(), read(), end() }.
//
//   times    Unix seconds, ascending, the same of all series
//   series   { label, colour, dash, values, low, high, missing, dots } each: values, and a
//            band between low and high if both are there; null where there is none.
//            missing is the share of probes without an answer, drawn below the plot; dots
//            draws single values instead of a line. colour may name a variable: --series-1
//   unit     of the values: seconds, ratio or bits_per_second
//   from, to the range shown, Unix seconds
//   label    what the chart shows, for people who do not see it
//   zoomed   told the new range, Unix seconds, when a person drags one, or moves the range
//            with a finger or while holding shift; may be absent
//   pointed  told the index of the times that is pointed at, or null; may be absent
//   hooks    further hooks of uPlot; may be absent
//   log      whether values are on a logarithmic axis
//   zero     whether their axis begins at 0 (unless it is logarithmic)
//
// set({ times, series, from, to, label }) draws other values of as many series. read(by)
// moves what is pointed at by so many times, for keys.
export function timeChart(container, { times, series, unit, from, to, label, zoomed, pointed, hooks, height = 280, log = false, zero = false }) {
  const lines = [{}], bands = [], tints = series.map((s) => tint(s.colour));
  series.forEach((s, i) => {
    const n = lines.length;
    if (s.low && s.high) {
      const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
      lines.push(edge, { ...edge });
      bands.push({ series: [n, n + 1], fill: () => faint(tints[i](), 0.2) });
    }
    lines.push({
      label: s.label, stroke: tints[i], width: 1.75, dash: s.dash, spanGaps: false, value: (_, v) => plain(v, unit),
      ...(s.dots && { paths: () => null, points: { show: true, size: 7, fill: tints[i] } }),
    });
  });
  const columns = (times, series) => [times, ...series.flatMap((s) => (s.low && s.high ? [s.high, s.low, s.values] : [s.values]))];
  const below = lanes(series, tints);
  const grid = { stroke: () => colour("--line"), width: 1 };
  const axis = { stroke: () => colour("--quiet"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const chart = new uPlot({
    width: Math.max(container.clientWidth, narrowest), height: height + below.height,
    scales: { x: { time: true, min: from, max: to }, y: { distr: log ? 3 : 1, ...(zero && !log && { range: (_, low, high) => [0, (high || 1) * 1.08] }) } },
    axes: [
      { ...axis, values: clock, gap: 5 + below.height, size: 48 + below.height, ticks: { ...grid, size: below.height ? 0 : 8 } },
      { ...axis, size: 80, values: (_, ticks) => ticks.map((v) => (v === null ? "" : tick(v, unit))) },
    ],
    series: lines, bands,
    legend: { show: false },
    cursor: { drag: { x: Boolean(zoomed), y: false, setScale: false }, points: { size: 6 }, y: false },
    hooks: {
      ...hooks,
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        const range = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        zoomed?.(...range);
      }, ...(hooks?.setSelect || [])],
      setCursor: [...(pointed ? [(u) => pointed(u.cursor.idx ?? null)] : []), ...(hooks?.setCursor || [])],
      draw: [below.draw, ...(hooks?.draw || [])],
    },
  }, columns(times, series), container);
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", label);
  if (zoomed) gestures(chart, zoomed);
  const resize = new ResizeObserver(() => chart.setSize({ width: Math.max(container.clientWidth, narrowest), height: height + below.height }));
  resize.observe(container);
  const unturned = turned(() => chart.redraw(false));
  return {
    chart,
    set(now) {
      below.set(now.series);
      chart.root.setAttribute("aria-label", now.label);
      chart.batch(() => {
        chart.setData(columns(now.times, now.series), false);
        chart.setScale("x", { min: now.from, max: now.to });
      });
    },
    read(by) {
      const { idx, left } = chart.cursor, [first, last] = chart.series[0].idxs || [];
      if (!(last >= first)) return;
      const i = left < 0 || idx === null || idx === undefined ? (by > 0 ? first : last) : Math.min(Math.max(idx + by, first), last);
      const x = chart.valToPos(chart.data[0][i], "x"); // the first step may begin before the range
      chart.setCursor({ left: Math.min(Math.max(x, 0), chart.over.clientWidth), top: 0 });
    },
    end() { resize.disconnect(); unturned(); chart.destroy(); },
  };
}
