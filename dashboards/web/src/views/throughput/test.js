// Draws one transfer: what arrived in each 100 ms, its ramp and its steady part, and the
// state of its connections.

import { note } from "../../lib/ask.js";
import { el, svg } from "../../lib/dom.js";
import { fitted } from "../../lib/drawing.js";
import { bytes, duration, milliseconds, none, percent, rate } from "../../lib/format.js";
import { linear, picture, roundUp, ticks, xAxis, yAxis } from "../../lib/scales.js";
import { numbers } from "../../lib/table.js";
import { latency } from "./summary.js";
import { plusMinus, promised, rateTick, stops, wayOf } from "./way.js";

const margin = { right: 10, bottom: 24, left: 84 };
const slot = 15, leap = 18; // seconds; Starlink's slots meet where (unix + leap) mod slot is 0

const ms = (v) => (v === null ? none : milliseconds(v) + " ms");

// test returns { nodes, end() } of transfer t over link, which may not be known.
export function test(t, link) {
  const plan = promised(link?.plan, t.direction), ends = [], told = el("p", { class: "told", role: "status" });
  const fit = (draw) => {
    const field = el("div", { class: "s" + (t.direction === "up" ? 1 : 0) });
    ends.push(fitted(field, draw).end);
    return field;
  };
  const edges = link?.orbit === "starlink" ? slotEdges(t) : [];
  const loaded = latency([t]);
  if (loaded) ends.push(loaded.end);
  return {
    nodes: [
      t.warnings.map((w) => note(w)), t.pep_text && note(`A proxy (PEP) is suspected: ${t.pep_text}.`),
      facts(t, plan),
      t.series.length ? [fit((width) => series(t, plan, edges, width, told)), told, edges.length > 0 && el("p", { class: "quiet" }, "Thin dotted lines: where Starlink's slots of 15 s meet.")]
        : note("What arrived in each 100 ms was not counted in this test."),
      t.tcp.length > 0 && [el("h4", {}, "The sender's connections"), el("div", { class: "multiples" },
        multiple(fit, t, "smoothed round trip", (s) => s.rtt_seconds, (v) => Number((v * 1000).toPrecision(3)) + " ms"),
        multiple(fit, t, "congestion window", (s) => s.window_bytes, bytes),
        multiple(fit, t, "sent again so far", (s) => s.retransmitted_bytes, bytes))],
      loaded && [el("h4", {}, "Latency idle and loaded"), loaded.nodes],
      t.series.length > 0 && numbers("Numbers of the series", "throughput-series.csv", ["seconds since the beginning", "bits per second"], t.series.map((s) => [s.t, s.bits_per_second])),
      t.tcp.length > 0 && numbers("Numbers of the connections", "throughput-tcp.csv", ["seconds since the beginning", "RTT, seconds", "least RTT, seconds", "window, bytes", "sent again, bytes", "delivery, bits per second"],
        t.tcp.map((s) => [s.t, s.rtt_seconds, s.min_rtt_seconds, s.window_bytes, s.retransmitted_bytes, s.delivery_bits_per_second])),
    ],
    end: () => ends.forEach((end) => end()),
  };
}

function facts(t, plan) {
  const q = t.per_second, fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const against = plan === null ? none : `${rate(plan).join(" ")}: ${!t.steady ? "not told, as it was not steady" : t.bits_per_second >= plan ? "met" : "missed"} (${percent(t.bits_per_second / plan)} %)`;
  return el("dl", { class: "facts" },
    fact(t.steady ? "steady rate" : "rate, not steady", `${rate(t.bits_per_second).join(" ")} ${plusMinus(t)}`), fact("plan", against),
    fact("ramp included", rate(t.whole_bits_per_second).join(" ")), fact("seconds p5, p50, p95", q.count ? [q.p5_bits_per_second, q.p50_bits_per_second, q.p95_bits_per_second].map((v) => rate(v).join(" ")).join(", ") : none),
    fact("ended because", stops[t.stop] ?? t.stop), fact("length", `${duration(t.length_seconds)}, ramp ${duration(t.ramp_seconds)}`),
    fact("made with", wayOf(t)), fact("payload, on the wire", `${bytes(t.bytes)}, ${bytes(t.wire_bytes)}`),
    fact("sent again", bytes(t.retransmitted_bytes)), fact("connecting", `TCP ${ms(t.connect_seconds.tcp)}, TLS ${ms(t.connect_seconds.tls)}`),
    fact("far end", [el("bdi", {}, t.server || t.target), `, ${t.method}, ${t.family === "ipv6" ? "IPv6" : "IPv4"}`]), fact("bytes counted", t.receiver_counted ? "where they arrived" : "where they left"));
}

function slotEdges(t) {
  const begin = Date.parse(t.time) / 1000, list = [];
  for (let at = slot - ((begin + leap) % slot); at < t.length_seconds; at += slot) list.push(at);
  return list;
}

function series(t, plan, edges, width, told) {
  const height = 300, at = { left: margin.left, right: width - margin.right, top: 38, bottom: height - margin.bottom };
  const error = t.bits_per_second * Math.min(t.error_ratio ?? 0, 1);
  const most = roundUp(Math.max(plan ?? 0, t.bits_per_second + error, ...t.series.map((s) => s.bits_per_second)) * 1.02);
  const x = linear([0, t.length_seconds], [at.left, at.right]), y = linear([0, most], [at.bottom, at.top]);
  const line = t.series.map((s, i) => `${i ? "L" : "M"}${x(i ? t.series[i - 1].t : 0).toFixed(1)} ${y(s.bits_per_second).toFixed(1)}H${x(s.t).toFixed(1)}`).join("");
  const ramp = Math.min(t.ramp_seconds, t.length_seconds), steady = `steady part: ${rate(t.bits_per_second).join(" ")} ${plusMinus(t)}`, ended = "ended: " + (stops[t.stop] ?? t.stop);
  const pointer = svg("line", { class: "pointer", y1: at.top, y2: at.bottom, visibility: "hidden" });
  const drawing = picture({ width, height, label: `What arrived in each ${Math.round(t.step_seconds * 1000)} ms: ramp of ${duration(t.ramp_seconds)}, then ${t.steady ? steady : "no steady part"}; ${ended}` },
    yAxis(ticks(0, most, 5), y, { left: at.left, right: at.right, write: rateTick }),
    xAxis(ticks(0, t.length_seconds, Math.min(width / 90, 10)).map((v) => ({ at: v, label: Number(v.toPrecision(3)) + " s" })), x, { ...at, lines: false }),
    ramp > 0 && [svg("rect", { class: "ramp-part", x: at.left, width: x(ramp) - at.left, y: at.top, height: at.bottom - at.top }),
      svg("text", { x: at.left + 2, y: at.top - 22 }, `ramp: ${duration(t.ramp_seconds)}`)],
    t.steady && [
      t.error_ratio !== null && svg("rect", { class: "error-band", x: x(ramp), width: at.right - x(ramp), y: y(t.bits_per_second + error), height: Math.max(y(t.bits_per_second - error) - y(t.bits_per_second + error), 1) }),
      ramp > 0 && svg("line", { class: "ramp-end", x1: x(ramp), x2: x(ramp), y1: at.top, y2: at.bottom }),
    ],
    edges.map((e) => svg("line", { class: "slot-edge", x1: x(e), x2: x(e), y1: at.top, y2: at.bottom })),
    svg("path", { class: "rate-line", d: line }),
    t.steady && svg("line", { class: "mean", x1: x(ramp), x2: at.right, y1: y(t.bits_per_second), y2: y(t.bits_per_second) }),
    plan !== null && [svg("line", { class: "plan", x1: at.left, x2: at.right, y1: y(plan), y2: y(plan) }), svg("text", { class: "over", x: at.right - 4, y: y(plan) + (y(plan) - at.top < 18 ? 14 : -5), "text-anchor": "end" }, `plan ${rate(plan).join(" ")}`)],
    svg("text", { class: "strong", x: at.right, y: at.top - 6, "text-anchor": "end" }, t.steady ? steady : "no steady part"),
    svg("text", { x: at.right, y: at.top - 22, "text-anchor": "end" }, width < 500 && ramp > 0 ? (t.stop === "failed" ? ended : "") : ended),
    pointer);
  point(drawing, t, x, at, pointer, told);
  return drawing;
}

// point tells the values at the pointer, or where the arrow keys have moved to.
function point(drawing, t, x, at, pointer, told) {
  let shown = -1;
  const show = (i) => {
    shown = Math.min(Math.max(i, 0), t.series.length - 1);
    const s = t.series[shown], tcp = t.tcp.filter((c) => c.t <= s.t + 0.05).at(-1), where = x(s.t - t.step_seconds / 2);
    for (const [name, value] of [["x1", where], ["x2", where], ["visibility", "visible"]]) pointer.setAttribute(name, value);
    told.textContent = `${s.t.toFixed(1)} s: ${rate(s.bits_per_second).join(" ")}${s.t <= t.ramp_seconds ? " (ramp)" : ""}` +
      (tcp ? `; at ${tcp.t.toFixed(1)} s round trip ${milliseconds(tcp.rtt_seconds)} ms, window ${bytes(tcp.window_bytes)}, ${bytes(tcp.retransmitted_bytes)} sent again` : "") + ".";
  };
  told.textContent = "Point at the series, or focus it and use the arrow keys, to read it.";
  drawing.setAttribute("tabindex", 0);
  drawing.addEventListener("pointermove", (e) => {
    const left = e.clientX - drawing.getBoundingClientRect().left, share = (left - at.left) / (at.right - at.left);
    if (share >= 0 && share <= 1) show(Math.floor((share * t.length_seconds) / t.step_seconds));
  });
  drawing.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[e.key];
    if (by === undefined) return;
    e.preventDefault();
    show(Number.isFinite(by) ? shown + by : by < 0 ? 0 : t.series.length - 1);
  });
}

// multiple draws one state of the connections over the same time.
function multiple(fit, t, title, of, write) {
  const most = roundUp(Math.max(...t.tcp.map(of)), 2);
  return fit((width) => {
    const height = 130, at = { left: 64, right: width - 8, top: 24, bottom: height - margin.bottom };
    const x = linear([0, t.length_seconds], [at.left, at.right]), y = linear([0, most], [at.bottom, at.top]), all = t.tcp.map(of);
    return picture({ width, height, label: `${title}: ${write(Math.min(...all))} to ${write(Math.max(...all))}` },
      svg("text", { class: "strong", x: 0, y: 12 }, title),
      yAxis(ticks(0, most, 2), y, { left: at.left, right: at.right, write }), xAxis(ticks(0, t.length_seconds, 3).map((v) => ({ at: v, label: Number(v.toPrecision(3)) + " s" })), x, { ...at, lines: false }),
      t.ramp_seconds > 0 && svg("rect", { class: "ramp-part", x: at.left, width: x(Math.min(t.ramp_seconds, t.length_seconds)) - at.left, y: at.top, height: at.bottom - at.top }),
      svg("polyline", { class: "rate-line", points: t.tcp.map((s) => `${x(s.t).toFixed(1)},${y(of(s)).toFixed(1)}`).join(" ") }),
      t.tcp.length === 1 && svg("circle", { class: "shape", cx: x(t.tcp[0].t), cy: y(all[0]), r: 3 }));
  });
}

