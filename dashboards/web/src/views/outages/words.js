// What disruptions are called, and how they are told apart: by colour, by letter and by
// height.

import { el, svg } from "../../lib/dom.js";
import { duration, moment } from "../../lib/format.js";

// blames are in the order of the legend. What is charged to the link is drawn in full
// height; what is not its own fault in half.
export const blames = {
  link: { letter: "L", words: "the link", charged: true },
  lan: { letter: "N", words: "the network at the site (first hop)", charged: true },
  local: { letter: "D", words: "this device: probes could not be sent", charged: true },
  unknown: { letter: "?", words: "not known", charged: true },
  target: { letter: "T", words: "a target", charged: false },
  path: { letter: "P", words: "the path to one of several targets", charged: false },
  monitor: { letter: "M", words: "the monitor itself", charged: false },
};

export const classes = {
  long: "long: 10 s and more", short: "short: below 10 s", slot_edge: "where Starlink's slots meet",
  scheduled_gap: "at the same time of day", local: "could not be sent", monitor: "the monitor's own",
};

// The interface may come to know more of either.
export const blameOf = (d) => blames[d.blame] ?? { letter: "?", words: d.blame, charged: true };
export const classWords = (d) => (classes[d.class] ?? d.class).replace(/:.*/, "");

// times says when a disruption was, and for how long.
export function times(d) {
  return `${moment(d.start)}, ${d.open ? "still lasting after " : ""}${duration(d.duration_seconds)}`;
}

// spoken is a disruption in one line of text.
export const spoken = (d) => `${times(d)}: ${classWords(d)}, blamed on ${blameOf(d).words}`;

// names lists names from outside, each in its own direction of writing.
export const names = (list) => list.map((n, i) => [i > 0 && ", ", el("bdi", {}, n)]);

// swatch draws what a blame looks like.
export const swatch = (name) => svg("svg", { width: 14, height: 18, "aria-hidden": "true" },
  svg("rect", { class: "outage b-" + name, x: 1, width: 12, ...(blames[name].charged ? { y: 1, height: 16 } : { y: 9, height: 8 }) }));
