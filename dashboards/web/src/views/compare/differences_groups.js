// Draws how the difference of one pair goes over the groups of a divided comparison, as a
// line with the band of its intervals, zero marked. Where a group has no interval there is
// no band, and where it was not measured there is nothing.

import { linear, tick } from "../../lib/axis.js";
import { svg } from "../../lib/dom.js";
import { runs } from "../../lib/drawing.js";
import { interval, intervalWords } from "./comparison.js";

const left = 66, right = 12, top = 28, bottom = 26, inner = 120;
const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const day = 86_400_000; // milliseconds

// all returns the groups there can be, in order, so that those without data leave a gap.
function all(by, groups) {
  if (by === "hour") return Array.from({ length: 24 }, (_, h) => String(h).padStart(2, "0") + ":00");
  if (by === "weekday") return weekdays;
  if (by === "phase") return Array.from({ length: 15 }, (_, i) => String(i));
  if (by !== "day" || !groups.length) return groups;
  const sorted = [...groups].sort(), first = Date.parse(sorted[0]), n = Math.round((Date.parse(sorted.at(-1)) - first) / day) + 1;
  return Array.from({ length: n }, (_, i) => new Date(first + i * day).toISOString().slice(0, 10));
}

// ordered is whether a group follows the one before, so that a line between them means
// something.
const ordered = (by) => ["hour", "weekday", "day", "phase"].includes(by);
const short = { weekday: (g) => g.slice(0, 3), day: (g) => g.slice(5), hour: (g) => g.slice(0, 2) };

// ends are those of the axis. Zero lies on it, unless that would make a flat line of what
// there is to see; then it is said where it is.
function ends(values) {
  const low = Math.min(...values), high = Math.max(...values), far = 4 * (high - low || Infinity);
  if (low > far) return { low, high, zero: "below" };
  if (-high > far) return { low, high, zero: "above" };
  return { low: Math.min(low, 0), high: Math.max(high, 0), zero: "shown" };
}

// groupsPlot draws one pair on width.
export function groupsPlot({ a, b, pairs }, q, { by, unit }, width) {
  const groups = all(by, pairs.map((p) => p.group)), of = new Map(pairs.map((p) => [p.group, interval(p, q.quantile)]));
  const points = groups.map((group, k) => ({ k, group, ...(of.get(group) || { estimate: null, low: null, high: null }) }));
  const values = points.flatMap((p) => [p.estimate, p.low, p.high]).filter((v) => v !== null);
  const { low, high, zero } = ends(values), beyond = (high - low || 1e-3) * 0.06;
  const height = top + inner + bottom, span = (width - left - right) / groups.length;
  const x = (k) => left + (k + 0.5) * span, y = (v) => top + inner * (1 - (v - low + beyond) / (high - low + 2 * beyond));
  const line = ordered(by) ? runs(points, (p) => p.estimate !== null) : [], band = ordered(by) ? runs(points, (p) => p.low !== null) : [];
  const every = Math.max(1, Math.ceil(((short[by]?.(groups[0] || "") || "12345678").length * 8 + 10) / span));
  const at = (p, v) => `${x(p.k).toFixed(1)},${y(v).toFixed(1)}`, name = `${a} − ${b}`;
  const label = `${name}: ` + points.filter((p) => p.estimate !== null).map((p) => `${p.group} ${intervalWords(p, unit)}`).join("; ");
  return svg("svg", { class: "differences", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("text", { class: "name", x: 0, y: 16 }, name),
    linear(low - beyond, high + beyond, 4).flatMap((t) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(t), y2: y(t) }),
      svg("text", { class: "tick", x: left - 6, y: y(t) + 4, "text-anchor": "end" }, tick(t, unit)),
    ]),
    points.filter((p) => p.k % every === 0).map((p) => svg("text", { class: "tick", x: x(p.k), y: height - 8, "text-anchor": "middle" }, short[by]?.(p.group) ?? p.group)),
    band.filter((run) => run.length > 1).map((run) => svg("polygon", { class: "spread", points: [...run.map((p) => at(p, p.high)), ...run.map((p) => at(p, p.low)).reverse()].join(" ") })),
    zero === "shown" ? svg("line", { class: "zero", x1: left, x2: width - right, y1: y(0), y2: y(0) })
      : svg("text", { class: "tick", x: width - right, y: 16, "text-anchor": "end" }, zero === "above" ? "↑ zero is above" : "↓ zero is below"),
    points.filter((p) => p.low !== null).map((p) => svg("line", { class: "interval thin", x1: x(p.k), x2: x(p.k), y1: y(p.low), y2: y(p.high) })),
    line.filter((run) => run.length > 1).map((run) => svg("polyline", { class: "course", points: run.map((p) => at(p, p.estimate)).join(" ") })),
    points.filter((p) => p.estimate !== null).map((p) => svg("circle", { class: p.low === null ? "estimate unsure" : "estimate", cx: x(p.k), cy: y(p.estimate), r: 3 },
      svg("title", {}, `${p.group}: ${intervalWords(p, unit)}`))));
}
