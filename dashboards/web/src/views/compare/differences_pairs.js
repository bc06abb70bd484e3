// Draws the differences of pairs one below the other, on one axis, zero marked.

import { linear, tick } from "../../lib/axis.js";
import { svg } from "../../lib/dom.js";
import { interval, intervalWords } from "./comparison.js";

const rowHeight = 44, left = 12, right = 12, bottom = 30, top = 6;

// pairsPlot draws pairs on width.
export function pairsPlot(pairs, q, answer, width) {
  const rows = pairs.map(({ a, b, pairs: [p] }) => ({ name: `${a} − ${b}`, i: interval(p, q.quantile) }));
  const values = rows.flatMap(({ i }) => [i.estimate, i.low, i.high]).filter((v) => v !== null);
  const low = Math.min(0, ...values), high = Math.max(0, ...values), beyond = (high - low || 1e-3) * 0.04;
  const from = low - beyond, to = high + beyond, x = (v) => left + ((v - from) / (to - from)) * (width - left - right);
  const height = top + rows.length * rowHeight + bottom, base = height - bottom;
  const ticks = linear(from, to, Math.max(Math.floor(width / 110), 2));
  const label = "Differences: " + rows.map((r) => `${r.name}: ${intervalWords(r.i, answer.unit)}`).join("; ");
  return svg("svg", { class: "differences", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ticks.map((t) => svg("text", { class: "tick", x: x(t), y: base + 18, "text-anchor": "middle" }, tick(t, answer.unit))),
    svg("line", { class: "zero", x1: x(0), x2: x(0), y1: top, y2: base }),
    rows.flatMap(({ name, i }, k) => {
      const y = top + k * rowHeight, across = (v, look) => svg("line", { class: look, x1: x(v), x2: x(v), y1: y + 22, y2: y + 40 });
      return [ticks.map((t) => across(t, "grid")), row(name, i, y, x, answer.unit, width)];
    }));
}

function row(name, i, y, x, unit, width) {
  const middle = y + 31;
  return [
    svg("text", { class: "name", x: left, y: y + 16 }, name),
    svg("text", { class: "tick", x: width - right, y: y + 16, "text-anchor": "end" }, intervalWords(i, unit)),
    i.estimate === null ? [] : svg("circle", { class: i.low === null ? "estimate unsure" : "estimate", cx: x(i.estimate), cy: middle, r: 4.5 }),
    i.low === null ? [] : [
      svg("line", { class: "interval", x1: x(i.low), x2: x(i.high), y1: middle, y2: middle }),
      [i.low, i.high].map((v) => svg("line", { class: "interval end", x1: x(v), x2: x(v), y1: middle - 7, y2: middle + 7 })),
    ],
  ];
}
