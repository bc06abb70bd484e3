// How a transfer was made, how that is drawn, and what is said of it.

import { svg } from "../../lib/dom.js";
import { percent, rate } from "../../lib/format.js";

const congestions = ["cubic", "bbr", "reno"]; // others share what comes after

// wayOf names what rates depend on besides the link: the sender's congestion control and
// the number of connections.
export const wayOf = (t) => `${t.congestion ?? "control not known"}, ${t.streams === 1 ? "1 connection" : t.streams + " connections"}`;

// colourOf is the class of a way's colour: that of its congestion control.
export function colourOf(t) {
  const i = congestions.indexOf(t.congestion);
  return "s" + (t.congestion === null ? 7 : i < 0 ? congestions.length : i);
}

// shape draws a transfer at x, y: round with one connection, square with several; hollow
// if it reached no steady part.
export function shape(t, x, y, size = 4) {
  const kind = { class: `shape ${colourOf(t)}${t.steady ? "" : " hollow"}` };
  return t.streams === 1 ? svg("circle", { ...kind, cx: x, cy: y, r: size }) : svg("rect", { ...kind, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
}

export const sample = (t) => svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, shape(t, 6, 6));

export const promised = (plan, direction) => plan?.[direction + "_bits_per_second"] ?? null;

export const plusMinus = (t) => (t.error_ratio === null ? "± not known" : `± ${percent(t.error_ratio)} %`);

// spoken is a transfer in one line of text.
export const spoken = (t) => `${t.direction} ${rate(t.bits_per_second).join(" ")} ${plusMinus(t)}${t.steady ? "" : ", not steady"}, ${wayOf(t)}`;

export const stops = {
  time: "it took as long as planned", precision: "the rate was known well enough", cap: "it had moved as many bytes as it may", cancelled: "somebody ended it", failed: "the connection broke",
};

// tick writes round rates at an axis.
export const rateTick = (v) => (v === 0 ? "0" : v >= 1e9 ? Number((v / 1e9).toPrecision(4)) + " Gbit/s" : v >= 1e6 ? Number((v / 1e6).toPrecision(4)) + " Mbit/s" : Number((v / 1e3).toPrecision(4)) + " kbit/s");

// median of values that are there; null of none. Of an even number the mean of the two in
// the middle.
export function median(values) {
  const s = values.filter((v) => v !== null).sort((a, b) => a - b), m = s.length >> 1;
  return s.length ? (s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2) : null;
}

// grouped puts items together by what key says of them, in the order in which keys are met.
export function grouped(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
