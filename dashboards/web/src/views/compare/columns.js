// Series of several links as columns over one grid of steps, as charts want them.

import { get } from "../../lib/api.js";
import { at, seconds } from "../../lib/period.js";

const most = 20_000; // steps in an answer of the interface
const lengths = [10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200]; // seconds, of steps

// finest is the shortest step that the interface answers a range by; null if there is
// none, or no such range.
function finest({ from, to }) {
  const length = (to === null ? Date.now() / 1000 : at(to)) - at(from);
  const step = lengths.find((s) => length / s <= most - 1);
  return step ? step + "s" : null;
}

const asks = (q, name) => ({ metric: q.metric, link: name, site: q.shared.site, target: q.shared.target, family: q.shared.family, load: q.shared.load });

// askSeries asks for the series of each link: { step, from, to, links }. links have name,
// target and stretches of equal length: start, value, low, high and missing.
export async function askSeries(q, signal) {
  const step = q.detail === "finest" ? finest(q) : null;
  const answers = await Promise.all(q.names.map((name) => get("/series", { ...asks(q, name), from: q.from, to: q.to, step }, signal)));
  const last = answers.at(-1);
  return {
    unit: last.unit, step: last.step_seconds, from: Date.parse(last.from) / 1000, to: Date.parse(last.to) / 1000,
    links: answers.map((a, i) => ({ name: q.names[i], target: a.target, ...stretch(a.points) })),
  };
}

// askNewer asks for what has come since, and returns the series with it.
export async function askNewer(data, q, signal) {
  const links = await Promise.all(data.links.map(async (l) => {
    const from = l.start.length ? l.start.at(-1) : data.from; // the newest step may have been cut short
    const a = await get("/series", { ...asks(q, l.name), target: l.target || q.shared.target, from, step: data.step + "s" }, signal);
    const fresh = stretch(a.points), kept = l.start.findLastIndex((t) => t < (fresh.start[0] ?? Infinity)) + 1;
    const join = (name) => [...l[name].slice(0, kept), ...fresh[name]];
    return { name: l.name, target: l.target || a.target, to: Date.parse(a.to) / 1000, start: join("start"), value: join("value"), low: join("low"), high: join("high"), missing: join("missing") };
  }));
  const to = Math.max(...links.map((l) => l.to)), length = seconds(q.from);
  return { ...data, links, to, from: length === null ? data.from : to - length };
}

// stretch parts points into columns. missing is the share of probes without an answer;
// where none could even be sent, all of them.
function stretch(points) {
  const whole = (p) => (p.counts.sent ? p.loss_ratio : p.counts.planned ? 1 : 0);
  return {
    start: points.map((p) => Date.parse(p.start) / 1000), value: points.map((p) => p.value),
    low: points.map((p) => p.quantiles["0.05"]), high: points.map((p) => p.quantiles["0.95"]), missing: points.map(whole),
  };
}

// grid puts columns onto one grid of steps: { times, links }. Where a link has no point,
// because nothing was planned, there is null.
export function grid({ step, from, to, links }) {
  const first = Math.floor(from / step), n = Math.max(Math.ceil(to / step) - first, 1);
  const times = Float64Array.from({ length: n }, (_, i) => (first + i) * step);
  return {
    times,
    links: links.map((l) => {
      const column = () => new Array(n).fill(null), out = { name: l.name, values: column(), low: column(), high: column(), missing: column() };
      l.start.forEach((t, k) => {
        const i = Math.round(t / step) - first;
        if (i < 0 || i >= n) return;
        out.values[i] = l.value[k];
        out.low[i] = l.low[k];
        out.high[i] = l.high[k];
        out.missing[i] = l.missing[k];
      });
      return out;
    }),
  };
}

// askTransfers asks for single values instead: one for each transfer that has one.
export async function askTransfers(q, signal) {
  const answers = await Promise.all(q.names.map((link) => get("/throughput", { link, site: q.shared.site, target: q.shared.target, family: q.shared.family, from: q.from, to: q.to, limit: most, series: false }, signal)));
  const links = answers.map((all, i) => ({ name: q.names[i], points: all.map((t) => [Date.parse(t.time) / 1000, q.kind.transfers(t)]).filter(([, v]) => v !== null) }));
  return { unit: q.kind.unit, from: at(q.from), to: q.to === null ? Date.now() / 1000 : at(q.to), links };
}

// scatter puts single values onto the moments of all of them.
export function scatter({ links }) {
  const times = Float64Array.from(new Set(links.flatMap((l) => l.points.map(([t]) => t)))).sort();
  const index = new Map([...times].map((t, i) => [t, i]));
  return {
    times,
    links: links.map((l) => {
      const values = new Array(times.length).fill(null);
      for (const [t, v] of l.points) values[index.get(t)] = v;
      return { name: l.name, values };
    }),
  };
}
