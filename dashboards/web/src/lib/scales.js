// Scales, ticks and axes of drawings in SVG, in CSS pixels.

import { svg } from "./dom.js";

// linear returns the function that maps [from, to] onto [low, high].
export function linear([from, to], [low, high]) {
  const factor = (high - low) / (to - from || 1);
  return (v) => low + (v - from) * factor;
}

// ticks returns round numbers (1, 2 or 5 times a power of ten apart) within [min, max],
// about count of them.
export function ticks(min, max, count = 5) {
  const step = roundStep((max - min) / count);
  const list = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) list.push(i * step);
  return list;
}

// roundUp returns the first round number at or above max, where an axis may end.
export function roundUp(max, count = 5) {
  if (!(max > 0)) return 1;
  const step = roundStep(max / count);
  return Math.ceil(max / step - 1e-9) * step;
}

function roundStep(about) {
  if (!(about > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(about)), rest = about / power;
  return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

const minute = 60, hour = 3600, day = 86400;
const steps = [1, 5, 15, 30, minute, 5 * minute, 15 * minute, 30 * minute, hour, 3 * hour, 6 * hour, 12 * hour];
const dates = [day, 2 * day, 7 * day, 14 * day]; // longer steps are whole months

// timeTicks returns { at, label } of about count round local times between from and to,
// Unix seconds. Days and months are those of the calendar, whatever their length.
export function timeTicks(from, to, count = 6) {
  const least = (to - from) / count;
  const list = [], put = (t, options) => list.push({ at: t / 1000, label: new Date(t).toLocaleString("en-GB", options) });
  const step = steps.find((s) => s >= least);
  if (step) {
    const start = new Date(from * 1000).setHours(0, 0, 0, 0);
    for (let t = start; t <= to * 1000; t += step * 1000) {
      if (t < from * 1000) continue;
      const midnight = new Date(t).getHours() + new Date(t).getMinutes() + new Date(t).getSeconds() === 0;
      put(t, midnight ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", second: step < minute ? "2-digit" : undefined });
    }
    return list;
  }
  const days = dates.find((s) => s >= least) / day;
  const t = new Date(from * 1000);
  t.setHours(0, 0, 0, 0);
  if (!days) t.setDate(1);
  const months = Math.ceil(least / (31 * day));
  for (; t <= to * 1000; days ? t.setDate(t.getDate() + days) : t.setMonth(t.getMonth() + months)) {
    if (t >= from * 1000) put(+t, days ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" });
  }
  return list;
}

// xAxis draws ticks ({ at, label } each) at the bottom of a field, with lines through it.
export function xAxis(list, x, { top, bottom, left, right, lines = true }) {
  return svg("g", { class: "axis" },
    svg("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }),
    list.map(({ at, label }) => [
      lines && svg("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: bottom }),
      svg("text", { x: x(at), y: bottom + 16, "text-anchor": anchor(x(at), left, right) }, label),
    ]));
}

// What is near an end of the axis is written inwards.
const anchor = (at, left, right) => (at < left + 16 ? "start" : at > right - 16 ? "end" : "middle");

// yAxis draws values at the left of a field, with lines through it.
export function yAxis(list, y, { left, right, write }) {
  return svg("g", { class: "axis" }, list.map((v) => [
    svg("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) }),
    svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, write(v)),
  ]));
}

// hatch returns the definition of a pattern of slanted lines, for what was not measured;
// it is used by fill="url(#id)".
export function hatch(id) {
  return svg("defs", {}, svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 6 })));
}

// picture makes a drawing of which people who do not see it are told what it shows.
export function picture({ width, height, label }, ...children) {
  return svg("svg", { class: "picture", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);
}
