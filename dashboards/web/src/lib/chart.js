// Draws series over time on a canvas, by uPlot. Where there is no value there is no line.

import uPlot from "uplot";
import { plain } from "./format.js";

// colours of the ground that charts are drawn on, from the style sheet, so that they
// follow light and dark.
function ground() {
  const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--quiet"), line: of("--line"), card: of("--card") };
}

const faint = (colour) => `color-mix(in srgb, ${colour} 22%, transparent)`;

// timeChart draws series in container and returns { chart, end() }.
//
//   times    Unix seconds, ascending, the same of all series
//   series   { label, colour, dash, values, low, high } each: values, and a band between
//            low and high if both are there; null where there is none
//   unit     of the values: seconds, ratio or bits_per_second
//   from, to the range shown, Unix seconds
//   label    what the chart shows, for people who do not see it
//   zoomed   told the new range, Unix seconds, when a person drags one; may be absent
//   hooks    further hooks of uPlot; may be absent
//   log      whether values are on a logarithmic axis
export function timeChart(container, { times, series, unit, from, to, label, zoomed, hooks, height = 280, log = false }) {
  const data = [times], bands = [], lines = [{}];
  const colour = ground();
  for (const s of series) {
    const n = data.length;
    if (s.low && s.high) {
      data.push(s.high, s.low);
      const edge = { show: true, stroke: "transparent", width: 0, points: { show: false }, label: "", scale: "y", spanGaps: false };
      lines.push({ ...edge, band: true }, { ...edge, band: true });
      bands.push({ series: [n, n + 1], fill: faint(s.colour) });
    }
    data.push(s.values);
    lines.push({ label: s.label, stroke: s.colour, width: 1.75, dash: s.dash, scale: "y", spanGaps: false, value: (_, v) => plain(v, unit) });
  }
  const axis = { stroke: colour.ink, grid: { stroke: colour.line, width: 1 }, ticks: { stroke: colour.line, width: 1 }, font: "12px system-ui, sans-serif" };
  const chart = new uPlot({
    width: Math.max(container.clientWidth, 200), height,
    scales: { x: { time: true, min: from, max: to }, y: { distr: log ? 3 : 1 } },
    axes: [axis, { ...axis, size: 74, values: (_, ticks) => ticks.map((v) => (v === null ? "" : plain(v, unit))) }],
    series: lines, bands,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    hooks: {
      ...hooks,
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        const range = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        zoomed?.(...range);
      }, ...(hooks?.setSelect || [])],
    },
  }, data, container);
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", label);
  const resize = new ResizeObserver(() => chart.setSize({ width: Math.max(container.clientWidth, 200), height }));
  resize.observe(container);
  return { chart, end() { resize.disconnect(); chart.destroy(); } };
}
