// Draws one link's hours of the week as a table: days are rows, on a narrow screen columns.

import { el, replace, setText } from "../../lib/dom.js";
import { milliseconds, percent } from "../../lib/format.js";
import { rovingGrid } from "../../lib/roving.js";
import { numbers, scroller } from "../../lib/table.js";
import { shades } from "./shades.js";

const days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const hours = Array.from({ length: 24 }, (_, h) => h);
const narrow = matchMedia("(max-width: 48rem)");
const clock = (h) => String(h).padStart(2, "0");

// map returns the nodes of one link's heat map. a is the answer of /heatmap, by the scale
// that its shades are of.
export function map(a, metric, by, signal) {
  const cells = new Map(a.cells.map((c) => [c.weekday + c.hour, c]));
  const told = el("p", { class: "told", role: "status" }, "Choose an hour, by pointer or by Tab and the arrow keys, to read its figures.");
  const box = scroller(`Heat map of ${a.link}`);
  const draw = () => {
    const table = narrow.matches ? upright(cells, a, metric, by) : lying(cells, a, metric, by);
    rovingGrid(table, "td", (item) => setText(told, item.getAttribute("aria-label") + "."));
    replace(box, table);
  };
  draw();
  narrow.addEventListener("change", draw, { signal });
  return [box, key(metric, by), told, numbers(`Numbers of each hour, ${a.link}`, "heatmap.csv", ["weekday", "hour", metric.name + (metric.unit === "%" ? ", ratio" : ", seconds"), "p5", "p95", "loss ratio", "probes planned", "hours measured"],
    a.cells.map((c) => [c.weekday, c.hour, c.value, c.quantiles["0.05"], c.quantiles["0.95"], c.loss_ratio, c.counts.planned, c.hours]))];
}

// finding says in words where it is worst and best.
export function finding(a, metric) {
  const some = a.cells.filter((c) => c.value !== null);
  if (!some.length) return "Nothing was measured in this period.";
  const at = (c) => `${metric.write(c.value)} ${metric.unit} on ${c.weekday} from ${clock(c.hour)}:00`;
  const order = [...some].sort((x, y) => metric.bad(x.value) - metric.bad(y.value)), best = order[0], worst = order.at(-1);
  const measured = `${some.length} of the week's 168 hours were measured`;
  return metric.bad(worst.value) === metric.bad(best.value) ? `${metric.write(best.value)} ${metric.unit} at all hours; ${measured}.` : `Best ${at(best)}, worst ${at(worst)}; ${measured}.`;
}

const title = (a, metric) => el("caption", {}, `${metric.name}${metric.unit === "%" ? ", %" : ", ms"}, by hour of ${a.timezone}`);

function lying(cells, a, metric, by) {
  return el("table", { class: "heat" }, title(a, metric),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "day"), hours.map((h) => el("th", { scope: "col" }, clock(h))))),
    el("tbody", {}, days.map((day) => el("tr", {}, el("th", { scope: "row" }, day.slice(0, 3)), hours.map((h) => cell(cells.get(day + h), day, h, metric, by))))));
}

function upright(cells, a, metric, by) {
  return el("table", { class: "heat upright" }, title(a, metric),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "hour"), days.map((day) => el("th", { scope: "col" }, day.slice(0, 3))))),
    el("tbody", {}, hours.map((h) => el("tr", {}, el("th", { scope: "row" }, clock(h)), days.map((day) => cell(cells.get(day + h), day, h, metric, by))))));
}

function cell(c, day, h, metric, by) {
  const name = `${day}, ${clock(h)}:00 to ${clock((h + 1) % 24)}:00`;
  if (!c) return el("td", { class: "none", "aria-label": `${name}: not measured` });
  const more = `${metric.loss ? "" : `loss ${percent(c.loss_ratio)} %, `}${c.counts.planned.toLocaleString("en")} probes in ${c.hours} hour${c.hours === 1 ? "" : "s"}`;
  if (c.value === null) return el("td", { class: "none", "aria-label": `${name}: no value; ${more}` }, "—");
  const { "0.05": low, "0.95": high } = c.quantiles;
  return el("td", { class: "h" + by.shade(c.value), "aria-label": `${name}: ${metric.name} ${metric.write(c.value)} ${metric.unit}` +
    `${low === null ? "" : `, p5 to p95 ${milliseconds(low)} to ${milliseconds(high)} ms`}; ${more}` }, metric.write(c.value));
}

function key(metric, by) {
  const text = (v) => `${metric.write(v)} ${metric.unit}`;
  return el("ul", { class: "key heat-key" },
    el("li", {}, text(by.low), el("span", { class: "ramp", "aria-hidden": "true" }, Array.from({ length: by.some ? shades : 1 }, (_, i) => el("span", { class: "h" + i }))), by.some && `${text(by.high)} and ${metric.good(1) < metric.good(0) ? "less" : "more"}`),
    el("li", {}, el("span", { class: "none" }), "not measured"));
}
