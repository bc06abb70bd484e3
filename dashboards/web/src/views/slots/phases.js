// Draws the seconds of a slot side by side. Second 0 is drawn again after second 14, so
// that the edge shows from both sides.

import { linear, picture, roundUp, ticks, xAxis, yAxis } from "../../lib/scales.js";
import { svg } from "../../lib/dom.js";
import { milliseconds, percent } from "../../lib/format.js";

const margin = { top: 18, right: 10, bottom: 38, left: 58 };
const settling = [1, 14]; // next to the edge: not compared, as a link takes a moment to settle

// field returns the scales and axes of one drawing: 15 seconds and the first again.
function field(a, width, height, [least, most], write) {
  const at = { top: margin.top, left: margin.left, right: width - margin.right, bottom: height - margin.bottom };
  const x = linear([0, a.period_seconds + 1], [at.left, at.right]), y = linear([least, most], [at.bottom, at.top]);
  const every = width < 500 ? 3 : 1;
  const seconds = Array.from({ length: a.period_seconds + 1 }, (_, i) => i).filter((i) => i % every === 0);
  return {
    x, y, at,
    bins: [...a.phases, { ...a.phases[0], again: true }].map((p, i) => ({ ...p, left: x(i), right: x(i + 1) })),
    under: [
      yAxis(ticks(least, most, 4), y, { left: at.left, right: at.right, write }),
      xAxis(seconds.map((i) => ({ at: i, label: String(i % a.period_seconds) })), x, { ...at, lines: false }),
      svg("text", { x: at.right, y: height - 4, "text-anchor": "end" }, "seconds since the slot began"),
    ],
    over: [0, a.period_seconds].map((i) => [
      svg("line", { class: "edge", x1: x(i), x2: x(i), y1: at.top - 4, y2: at.bottom }),
      svg("text", { x: x(i) + (i ? -4 : 4), y: at.top - 6, "text-anchor": i ? "end" : "start" }, i ? "next slot begins" : "slot begins"),
    ]),
  };
}

const faded = (p) => (p.again ? " again" : "");
const inMilliseconds = (v) => milliseconds(v) + " ms";
// tick writes round milliseconds without needless digits.
const tick = (v) => Number((v * 1000).toPrecision(4)) + " ms";

// rttPanel is the median, and the band from the least to the 95th percentile.
export function rttPanel(a) {
  const some = a.phases.filter((p) => p.rtt_seconds.p50 !== null);
  const medians = some.map((p) => p.rtt_seconds.p50), least = Math.min(...some.map((p) => p.rtt_seconds.min)), most = Math.max(...some.map((p) => p.rtt_seconds.p95));
  return {
    title: "Round-trip time",
    finding: some.length ? `p50 between ${inMilliseconds(Math.min(...medians))} and ${inMilliseconds(Math.max(...medians))}; the band is from the least to p95.` : "No probe was answered.",
    draw(width, label) {
      const height = 260, room = (most - least) * 0.08 || 0.001;
      const { y, bins, under, over } = field(a, width, height, some.length ? [Math.max(least - room, 0), most + room] : [0, 0.1], tick);
      return picture({ width, height, label }, under, bins.filter((p) => p.rtt_seconds.p50 !== null).map((p) => {
        const r = p.rtt_seconds;
        return [
          svg("rect", { class: "phase-band" + faded(p), x: p.left + 1, width: p.right - p.left - 2, y: y(r.p95), height: Math.max(y(r.min) - y(r.p95), 1) }),
          svg("line", { class: "phase-median" + faded(p), x1: p.left + 1, x2: p.right - 1, y1: y(r.p50), y2: y(r.p50) },
            svg("title", {}, `second ${p.phase}: p50 ${inMilliseconds(r.p50)}, ${inMilliseconds(r.min)} to ${inMilliseconds(r.p95)}`)),
        ];
      }), over);
    },
  };
}

// stepPanel is how far the level steps into each second: at the edge against elsewhere.
export function stepPanel(a) {
  const { edge_step_seconds: edge, other_step_seconds: other, edge_step_ratio: ratio } = a;
  return {
    title: "Step from the second before",
    finding: edge === null || other === null ? "Not known: too few consecutive seconds had answers."
      : `Mean ${inMilliseconds(edge)} where slots meet, ${inMilliseconds(other)} elsewhere` +
        (ratio === null ? "." : `: ${ratio.toFixed(1)} times (2.5 and more on Starlink, about 1 elsewhere).`) + " Seconds 1 and 14, next to the edge, are left out.",
    draw(width, label) {
      const height = 220, most = roundUp(Math.max(...a.phases.map((p) => p.step_seconds.mean ?? 0)), 4);
      const { y, at, bins, under, over } = field(a, width, height, [0, most], tick);
      return picture({ width, height, label }, under, bins.filter((p) => p.step_seconds.mean !== null).map((p) => {
        const kind = p.phase === 0 ? "at-edge" : settling.includes(p.phase) ? "settling" : "";
        return svg("rect", { class: `phase-bar ${kind}${faded(p)}`, x: p.left + 2, width: p.right - p.left - 4, y: y(p.step_seconds.mean), height: at.bottom - y(p.step_seconds.mean) },
          svg("title", {}, `second ${p.phase}: mean step ${inMilliseconds(p.step_seconds.mean)}, median ${inMilliseconds(p.step_seconds.p50)}`));
      }), other !== null && level(y(other), at, `elsewhere ${inMilliseconds(other)}`), over);
    },
  };
}

// lossPanel is the share of probes lost in each second.
export function lossPanel(a) {
  const lost = a.phases.reduce((n, p) => n + p.lost, 0), sent = a.phases.reduce((n, p) => n + p.count, 0), all = sent ? lost / sent : null;
  const { ratio, chance_ratio: chance } = a.loss_at_edge, runs = a.loss_period_at_edge;
  return {
    title: "Loss",
    finding: lost === 0 ? `None of ${sent.toLocaleString("en")} probes was lost.`
      : `${lost.toLocaleString("en")} of ${sent.toLocaleString("en")} probes lost or late (${percent(all)} %); ` +
        `${percent(ratio)} % of them within a second of where slots meet, where ${percent(chance)} % of the probes were sent.` +
        (runs.ratio === null ? "" : ` Of runs of two and more, ${percent(runs.ratio)} % began there.`),
    draw(width, label) {
      const height = 190, of = (p) => (p.count ? p.lost / p.count : null), most = roundUp(Math.max(...a.phases.map((p) => of(p) ?? 0)) || 0.01, 3);
      const { y, at, bins, under, over } = field(a, width, height, [0, most], (v) => Number((v * 100).toPrecision(3)) + " %");
      return picture({ width, height, label }, under, bins.filter((p) => of(p) > 0).map((p) =>
        svg("rect", { class: "phase-loss" + faded(p), x: p.left + 2, width: p.right - p.left - 4, y: y(of(p)), height: at.bottom - y(of(p)) },
          svg("title", {}, `second ${p.phase}: ${p.lost} of ${p.count} lost (${percent(of(p))} %)`))),
      lost > 0 && level(y(all), at, `mean ${percent(all)} %`), over);
    },
  };
}

// level draws a line that bars are held against.
const level = (y, at, text) => [
  svg("line", { class: "level", x1: at.left, x2: at.right, y1: y, y2: y }),
  svg("text", { class: "level-name", x: (at.left + at.right) / 2, y: y - 4, "text-anchor": "middle" }, text),
];
