// Sums transfers of one link up: by the way in which they were made, against the plan, and
// latency idle against loaded.

import { el, svg } from "../../lib/dom.js";
import { fitted } from "../../lib/drawing.js";
import { milliseconds, none, percent, rate } from "../../lib/format.js";
import { linear, picture, roundUp, ticks, xAxis } from "../../lib/scales.js";
import { table } from "../../lib/table.js";
import { colourOf, grouped, median, promised, wayOf } from "./way.js";

const directions = ["down", "up"];
const inMilliseconds = (v) => (v === null ? none : milliseconds(v) + " ms");

// ways is a table of the steady transfers, a row for each direction, congestion control and
// number of connections, with what cubic and bbr make of each other in words.
export function ways(transfers, plan, name) {
  const rows = directions.flatMap((direction) => {
    const here = transfers.filter((t) => t.direction === direction), limit = promised(plan, direction);
    const steady = here.filter((t) => t.steady), most = roundUp(Math.max(limit ?? 0, ...steady.map((t) => t.bits_per_second)));
    return [...grouped(here, wayOf)].sort().map(([way, list]) => {
      const rates = list.filter((t) => t.steady).map((t) => t.bits_per_second), met = rates.filter((r) => r >= limit).length;
      return [`${direction}, ${way}`, rates.length, list.length - rates.length, rates.length ? rate(median(rates)).join(" ") : none,
        rates.length > 1 ? `${rate(Math.min(...rates)).join(" ")} to ${rate(Math.max(...rates)).join(" ")}` : none,
        strip(list.filter((t) => t.steady), limit, most),
        limit === null ? none : rates.length ? `${met} of ${rates.length} (${percent(met / rates.length)} %)` : none];
    });
  });
  return [
    table(`Steady tests of ${name} by direction, congestion control and connections`, ["way", "steady", "not steady", "median", "range", "each test, from 0; the dashed line is the plan", "met the plan"], rows),
    directions.map((d) => against(transfers.filter((t) => t.direction === d && t.steady), d)).flat().map((text) => el("p", {}, text)),
  ];
}

// strip draws rates side by side on one line.
function strip(list, limit, most) {
  const width = 180, height = 18, x = linear([0, most], [2, width - 2]), middle = median(list.map((t) => t.bits_per_second));
  if (!list.length) return none;
  return svg("svg", { class: "strip " + colourOf(list[0]), width, height, "aria-hidden": "true" },
    svg("line", { class: "base", x1: 2, x2: width - 2, y1: 9, y2: 9 }),
    list.map((t) => svg("line", { class: "one", x1: x(t.bits_per_second), x2: x(t.bits_per_second), y1: 4, y2: 14 })),
    limit !== null && svg("line", { class: "plan", x1: x(limit), x2: x(limit), y1: 0, y2: height }),
    svg("circle", { class: "middle", cx: x(middle), cy: 9, r: 4 }));
}

const fewest = 3; // tests whose medians are held against each other

// against says what bbr's median is to cubic's, with as many connections.
function against(steady, direction) {
  return [...grouped(steady, (t) => t.streams)].sort(([a], [b]) => a - b).flatMap(([streams, list]) => {
    const of = (name) => list.filter((t) => t.congestion === name).map((t) => t.bits_per_second), bbr = of("bbr"), cubic = of("cubic");
    if (Math.min(bbr.length, cubic.length) < fewest) return [];
    return [`${direction}, ${streams === 1 ? "1 connection" : streams + " connections"}: bbr's median is ${(median(bbr) / median(cubic)).toFixed(2)} times cubic's (${bbr.length} and ${cubic.length} tests; they were not made at the same times).`];
  });
}

// latency draws round trips idle and loaded, median over transfers of each percentile.
export function latency(transfers) {
  const rows = directions.flatMap((direction) => {
    const here = transfers.filter((t) => t.direction === direction && t.rtt_idle_seconds.count && t.rtt_loaded_seconds.count);
    if (!here.length) return [];
    const of = (pick) => median(here.map(pick));
    return ["p50", "p95", "p99"].map((p, i) => ({
      name: `${direction} ${p}`, idle: of((t) => t.rtt_idle_seconds[p]), loaded: of((t) => t.rtt_loaded_seconds[p]),
      aside: i === 0 ? `${inMilliseconds(of((t) => t.rtt_increase_seconds))} added, ${Math.round(of((t) => t.rpm))} RPM` : "", tests: here.length,
    }));
  });
  if (!rows.length) return null;
  const most = roundUp(Math.max(...rows.flatMap((r) => [r.idle, r.loaded])));
  const field = el("div"), spoken = rows.map((r) => `${r.name}: idle ${inMilliseconds(r.idle)}, loaded ${inMilliseconds(r.loaded)}${r.aside && `, ${r.aside}`}`).join("; ");
  const { end } = fitted(field, (width) => dumbbells(rows, most, width, spoken));
  const tests = directions.map((d) => [d, rows.find((r) => r.name.startsWith(d))?.tests]).filter(([, n]) => n).map(([d, n]) => `${n} ${d}`).join(", ");
  return { nodes: [field, el("p", { class: "quiet" }, `○ idle, ● loaded${transfers.length > 1 ? `; medians of the tests' percentiles (${tests})` : ""}. RPM: 60 s over the mean loaded round trip, not what networkQuality prints.`)], end };
}

function dumbbells(rows, most, width, label) {
  const step = 26, top = 4, bottom = top + rows.length * step, wide = width > 560, left = 76, right = width - (wide ? 190 : 12);
  const x = linear([0, most], [left, right]);
  return picture({ width, height: bottom + 26, label },
    xAxis(ticks(0, most, wide ? 6 : 3).map((v) => ({ at: v, label: Number((v * 1000).toPrecision(4)) + " ms" })), x, { top, bottom, left, right }),
    rows.map((r, i) => {
      const y = top + (i + 0.5) * step;
      return [
        svg("text", { class: "strong", x: 0, y: y + 4 }, r.name),
        svg("line", { class: "between", x1: x(r.idle), x2: x(r.loaded), y1: y, y2: y }),
        svg("circle", { class: "idle", cx: x(r.idle), cy: y, r: 5 }), svg("circle", { class: "loaded", cx: x(r.loaded), cy: y, r: 5 }),
        wide && svg("text", { class: "strong", x: right + 12, y: y + 4 }, r.aside),
        !wide && r.aside && svg("text", { class: "aside", x: right, y: y - 7, "text-anchor": "end" }, r.aside),
      ];
    }));
}

