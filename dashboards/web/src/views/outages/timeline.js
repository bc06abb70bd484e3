// Draws what is known of each link over time: measured and up, disrupted, in a gap, or not
// measured at all. Nothing joins what lies on both sides of a gap.

import { el, replace, svg } from "../../lib/dom.js";
import { fitted } from "../../lib/drawing.js";
import { availability, duration, moment } from "../../lib/format.js";
import { orbitWords } from "../../lib/links.js";
import { rovingRow } from "../../lib/roving.js";
import { hatch, linear, timeTicks, xAxis } from "../../lib/scales.js";
import { blameOf, blames, names, spoken, swatch, times, classWords } from "./words.js";

const height = 40, top = 13, bottom = 38, middle = (top + bottom) / 2; // of a track; letters stand above it
const narrow = 3, narrower = 1.5; // pixels that a disruption has at least, and one below 10 s
const brief = 10;  // seconds
const letter = 10; // pixels that a letter needs
const mostSaid = 3; // disruptions of one mark that are told in full

const seconds = (time) => Date.parse(time) / 1000;

// timeline draws one track for each of links. of(link) gives its { disruptions, gaps,
// measured, total }; chosen is told the start of the disruption that a person chooses, and
// choose(at) shows which that is.
export function timeline({ links, of, from, to, at, chosen }) {
  const told = el("div", { class: "told", role: "status" }), ends = [], drawn = links.map(() => []);
  const choose = (start) => {
    at = start;
    for (const { node, list } of drawn.flat()) node.firstChild.classList.toggle("chosen", list.some((d) => d.start === at));
  };
  const tell = (list) => replace(told, sentences(list));
  const tracks = links.map((link, i) => {
    const field = el("div", { class: "track" }), known = of(link);
    ends.push(fitted(field, (width) => {
      const { drawing, marks } = track({ ...known, link, i, width, from, to, tell, chosen });
      drawn[i] = marks;
      choose(at);
      return drawing;
    }).end);
    const share = known.total?.availability;
    return [el("h4", {}, el("bdi", {}, link.link), el("span", {}, ` ${orbitWords(link.orbit)}`, share === null || share === undefined ? " · not measured" : ` · available ${availability(share)} %`)), field];
  });
  const axis = el("div", { class: "track" });
  ends.push(fitted(axis, (width) => svg("svg", { class: "picture", width, height: 22, "aria-hidden": "true" },
    xAxis(timeTicks(from, to, width / 110), linear([from, to], [0, width]), { top: 0, bottom: 1, left: 0, right: width, lines: false }))).end);
  const first = links.flatMap((l) => of(l).disruptions).find((d) => d.start === at);
  if (first) tell([first]);
  else replace(told, el("p", { class: "quiet" }, "Choose a mark, by pointer or by Tab and the arrow keys, to read what happened."));
  return { nodes: [tracks, axis, legend(), told], choose, end: () => ends.forEach((end) => end()) };
}

function track({ link, i, width, from, to, disruptions, gaps, measured, tell, chosen }) {
  const x = linear([from, to], [0, width]), clip = (v) => Math.min(Math.max(v, 0), width), id = "gap-" + i;
  const marks = gather(disruptions, x, clip);
  const drawing = svg("svg", { class: "picture", width, height, role: "group", "aria-label": `${link.link}: ${count(disruptions.length, "disruption")}, ${count(gaps.length, "gap")}` },
    hatch(id),
    svg("line", { class: "unmeasured", x1: 0, x2: width, y1: middle, y2: middle }),
    measured.map(([a, b]) => svg("rect", { class: "up", x: clip(x(a)), width: Math.max(clip(x(b)) - clip(x(a)), 1), y: top, height: bottom - top })),
    gaps.map((g) => {
      const left = clip(x(seconds(g.start))), at = { x: left, y: top, height: bottom - top, width: Math.max(clip(x(seconds(g.end))) - left, 2) };
      return [svg("rect", { class: "blank", ...at }), svg("rect", { class: "gap", fill: `url(#${id})`, ...at },
        svg("title", {}, `gap, ${g.reason}: ${moment(g.start)}, ${duration(g.duration_seconds)}`))];
    }));
  const lettered = letters(marks);
  for (const mark of marks) {
    const { charged, letter: name } = blameOf(mark.worst), centre = (mark.left + mark.right) / 2, y = charged ? top - 1 : middle;
    mark.node = svg("g", { class: "mark", role: "button", "aria-label": mark.list.length === 1 ? spoken(mark.list[0]) : `${mark.list.length} disruptions from ${moment(mark.list[0].start)}; the longest: ${spoken(mark.worst)}` },
      svg("rect", { class: "outage b-" + mark.worst.blame, x: mark.left, width: mark.right - mark.left, y, height: bottom + 1 - y }),
      // A finger or a pointer needs more than a line to hit.
      svg("rect", { class: "hit", x: centre - 4, width: 8, y: 0, height }),
      lettered.has(mark) && svg("text", { x: Math.min(Math.max(centre, 4), width - 4), y: top - 4, "text-anchor": "middle", "aria-hidden": "true" }, name));
    drawing.append(mark.node);
  }
  const of = (item) => marks.find((m) => m.node === item);
  rovingRow(drawing, ".mark", (item, kind) => {
    tell(of(item).list);
    if (kind === "click") chosen(of(item).worst.start);
  });
  drawing.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" && e.key !== " " || !e.target.closest(".mark")) return;
    e.preventDefault();
    chosen(of(e.target.closest(".mark")).worst.start);
  });
  return { drawing, marks };
}

// gather returns marks, { left, right, list, worst }, of disruptions in order: those too
// short to be told apart are one mark.
function gather(disruptions, x, clip) {
  const marks = [];
  for (const d of disruptions) {
    const end = seconds(d.start) + d.duration_seconds;
    let left = clip(x(seconds(d.start))), right = clip(x(end));
    const least = d.duration_seconds < brief ? narrower : narrow, small = right - left < least, last = marks.at(-1);
    if (small) {
      left = Math.min(left, clip(Infinity) - least);
      right = left + least;
    }
    if (small && last?.small && left < last.right) {
      last.list.push(d);
      if (worse(d, last.worst)) last.worst = d;
      last.right = Math.max(last.right, last.left + least);
    } else marks.push({ left, right, small, list: [d], worst: d });
  }
  return marks;
}

// worse tells whether a says more of a link than b does.
function worse(a, b) {
  const charged = blameOf(a).charged;
  return charged === blameOf(b).charged ? a.duration_seconds > b.duration_seconds : charged;
}

// letters returns the marks that have room for a letter, the longest disruptions first.
function letters(marks) {
  const some = new Set(), taken = [];
  for (const mark of [...marks].sort((a, b) => b.worst.duration_seconds - a.worst.duration_seconds)) {
    const centre = (mark.left + mark.right) / 2;
    if (taken.some((t) => Math.abs(t - centre) < letter)) continue;
    taken.push(centre);
    some.add(mark);
  }
  return some;
}

const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function sentences(list) {
  const longest = [...list].sort((a, b) => b.duration_seconds - a.duration_seconds);
  return [
    list.length > 1 && el("p", {}, `${list.length} disruptions lie too close together to be drawn apart; ${list.length > mostSaid ? "the longest of them are" : "they are"}:`),
    longest.slice(0, mostSaid).map((d) => el("p", {},
      el("strong", {}, times(d)), ` · ${classWords(d)} · blamed on ${blameOf(d).words} · `, names(d.links), el("br"), d.why)),
  ];
}

function legend() {
  const box = (name, attributes) => svg("svg", { width: 22, height: 18, "aria-hidden": "true" }, hatch("gap-key"), svg(name, attributes));
  return el("ul", { class: "key" },
    el("li", {}, box("rect", { class: "up", x: 1, width: 20, y: 1, height: 16 }), "measured, up"),
    Object.entries(blames).map(([name, b]) => el("li", {}, swatch(name), el("b", {}, b.letter), b.words)),
    el("li", {}, box("rect", { class: "gap", fill: "url(#gap-key)", x: 1, width: 20, y: 1, height: 16 }), "gap: the monitor was not measuring"),
    el("li", {}, box("line", { class: "unmeasured", x1: 0, x2: 22, y1: 9, y2: 9 }), "nothing measured"),
    el("li", {}, "half height: not charged to the link"));
}
