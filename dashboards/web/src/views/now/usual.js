// What is usual for a stream: the range of its last seven days, and where the last minute
// lies in it.

import { abandoned, get } from "../../lib/api.js";
import { svg } from "../../lib/dom.js";
import { milliseconds, percent } from "../../lib/format.js";
import { identify } from "../../lib/links.js";
import { queue } from "../../lib/queue.js";

const again = 15 * 60_000, soon = 5 * 60_000; // milliseconds: seven days change slowly; while there is not an hour yet

// usuals returns { want(link), of(link, s) }. changed(site, link) is called when what is
// usual for a link has become known.
export function usuals({ signal, changed }) {
  const known = new Map(); // by link: { at, streams }
  const run = queue(1);    // seven days are much to read for a small monitor
  return {
    want(link) {
      const key = identify(link.site, link.link), k = known.get(key);
      if (k && performance.now() - k.at < (k.streams.some((u) => !u.enough) ? soon : again)) return;
      const entry = { at: performance.now(), streams: k?.streams || [] };
      known.set(key, entry);
      run(() => get(`/links/${encodeURIComponent(link.link)}/usual`, { site: link.site }, signal))
        .then((answer) => { entry.streams = answer.streams; changed(key); })
        .catch((error) => { if (!abandoned(error)) entry.at -= again - 60_000; }); // in a minute
    },
    of(link, s) {
      const streams = known.get(identify(link.site, link.link))?.streams || [];
      return streams.find((u) => u.target === s.target && u.method === s.method && u.family === s.family && u.load === s.load) || null;
    },
  };
}

// rttWords says how a median compares with what is usual: { text, mark }; text is "" if
// nothing is known. mark is "" unless it is unusual.
export function rttWords(median, usual) {
  if (!usual) return { text: "", mark: "" };
  if (!usual.enough) return { text: "what is usual is known after an hour", mark: "" };
  const { low, high } = usual.rtt_seconds;
  if (low === null) return { text: "", mark: "" };
  return { text: `usually ${milliseconds(low)}–${milliseconds(high)}`, mark: mark(median, low, high) };
}

function mark(value, low, high) {
  if (value === null) return "";
  return value > high ? "▲ higher than usual" : value < low ? "▼ lower than usual" : "";
}

// lossWords does so for a loss ratio of the minute with counts. What is usual are hours:
// that a minute has more by chance is usual too, so it must have more than two deviations
// and one probe above.
export function lossWords(ratio, counts, usual) {
  const high = usual?.enough ? usual.loss_ratio.high : null;
  if (high === null) return { text: "", mark: "" };
  const expected = counts.sent * high;
  const unusual = ratio !== null && ratio * counts.sent > expected + 2 * Math.sqrt(expected) + 1;
  return { text: `usually ${high > 0 && high < 0.001 ? "" : "≤ "}${percent(high)} %`, mark: unusual ? "▲ higher than usual" : "" };
}

// scale draws where a median lies in the range that is usual. What it shows stands beside
// it in words.
export function scale(median, usual) {
  const width = 150, height = 22, middle = 11;
  const drawing = svg("svg", { class: "scale", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  if (!usual?.enough || usual.rtt_seconds.low === null) return drawing;
  const { low, median: center, high } = usual.rtt_seconds, beyond = Math.max((high - low) / 2, high / 50);
  const from = Math.min(low - beyond, median ?? low), to = Math.max(high + beyond, median ?? high);
  const x = (v) => 5 + ((v - from) / (to - from)) * (width - 10);
  drawing.append(
    svg("line", { class: "base", x1: 5, x2: width - 5, y1: middle, y2: middle }),
    svg("rect", { class: "band", x: x(low), y: middle - 5, width: x(high) - x(low), height: 10, rx: 2 }),
    svg("line", { class: "center", x1: x(center), x2: x(center), y1: middle - 5, y2: middle + 5 }));
  if (median !== null) drawing.append(svg("circle", { class: mark(median, low, high) ? "dot unusual" : "dot", cx: x(median), cy: middle, r: 4.5 }));
  return drawing;
}
