// Draws rates over time, a field for each direction: each transfer with its error, by
// congestion control and connections, against the plan.

import { el, svg } from "../../lib/dom.js";
import { fitted } from "../../lib/drawing.js";
import { moment, rate } from "../../lib/format.js";
import { rovingRow } from "../../lib/roving.js";
import { linear, roundUp, ticks, timeTicks, xAxis, yAxis } from "../../lib/scales.js";
import { grouped, promised, rateTick, sample, shape, spoken, wayOf } from "./way.js";

const height = 220, margin = { top: 14, right: 10, bottom: 24, left: 84 };

// overTime draws transfers of one link. chosen is told which a person chooses.
export function overTime({ transfers, plan, from, to, name, isChosen, chosen }) {
  const told = el("p", { class: "told", role: "status" }, "Choose a test, by pointer or by Tab and the arrow keys, to see it above."), ends = [];
  const fields = ["down", "up"].map((direction) => {
    const here = transfers.filter((t) => t.direction === direction);
    if (!here.length) return null;
    const field = el("div", { class: "field" }), limit = promised(plan, direction);
    ends.push(fitted(field, (width) => draw({ transfers: here, limit, from, to, width, label: `${name} ${direction}: ${here.length} tests over time`, told, isChosen, chosen })).end);
    return el("div", {}, el("h4", {}, direction, el("span", {}, limit !== null && ` plan ${rate(limit).join(" ")}`)), field);
  });
  const ways = grouped(transfers.filter((t) => t.steady), wayOf);
  return {
    nodes: [el("div", { class: "sides" }, fields.filter(Boolean)), el("ul", { class: "key" },
      [...ways].sort().map(([way, [first]]) => el("li", {}, sample(first), way)),
      transfers.some((t) => !t.steady) && el("li", {}, sample({ ...transfers.find((t) => !t.steady) }), "hollow: no steady part"),
      el("li", {}, "bars: 95 % confidence interval")), told],
    end: () => ends.forEach((end) => end()),
  };
}

function draw({ transfers, limit, from, to, width, label, told, isChosen, chosen }) {
  const at = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
  const upper = (t) => t.bits_per_second * (1 + Math.min(t.error_ratio ?? 0, 1)), most = roundUp(Math.max(limit ?? 0, ...transfers.map(upper)) * 1.02, 4);
  const x = linear([from, to], [at.left, at.right]), y = linear([0, most], [at.bottom, at.top]);
  const dots = transfers.map((t) => {
    const cx = x(Date.parse(t.time) / 1000), low = t.bits_per_second * (1 - Math.min(t.error_ratio ?? 0, 1));
    return svg("g", { class: "test" + (isChosen(t) ? " chosen" : ""), role: "button", "aria-label": `${moment(t.time)}: ${spoken(t)}` },
      t.error_ratio !== null && svg("line", { class: "error", x1: cx, x2: cx, y1: y(low), y2: y(upper(t)) }), shape(t, cx, y(t.bits_per_second)));
  });
  const drawing = svg("svg", { class: "picture", width, height, role: "group", "aria-label": label },
    yAxis(ticks(0, most, 4), y, { left: at.left, right: at.right, write: rateTick }), xAxis(timeTicks(from, to, width / 110), x, { ...at, lines: false }),
    limit !== null && svg("line", { class: "plan", x1: at.left, x2: at.right, y1: y(limit), y2: y(limit) }), dots);
  const of = (item) => transfers[dots.indexOf(item)];
  rovingRow(drawing, ".test", (item, kind) => {
    told.textContent = item.getAttribute("aria-label") + ".";
    if (kind === "click") chosen(of(item));
  });
  drawing.addEventListener("keydown", (e) => {
    const item = e.target.closest(".test");
    if (!item || (e.key !== "Enter" && e.key !== " ")) return;
    e.preventDefault();
    chosen(of(item));
  });
  return drawing;
}
