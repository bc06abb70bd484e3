// One stream of a card: what its last minute was, beside what is usual, and the last
// minutes drawn.

import { el, replace, setText } from "../../lib/dom.js";
import { milliseconds, none, percent } from "../../lib/format.js";
import { streamWords } from "../../lib/links.js";
import { spark } from "./spark.js";
import { minutes } from "./recent.js";
import { lossWords, rttWords, scale } from "./usual.js";

// figure returns a term and its value, which set(value, unit) writes; null is none.
export function figure(name) {
  const value = el("span"), unit = el("small"), note = el("small");
  const dd = el("dd", {}, value, unit), set = (v, u) => {
    dd.className = v === null ? "none" : "";
    setText(value, v === null ? none : v);
    setText(unit, v === null ? "" : " " + u);
  };
  set(null);
  return { root: el("div", {}, el("dt", {}, name), dd, el("dd", { class: "note" }, note)), set, note: (text, marked) => { setText(note, text); note.className = marked ? "marked" : ""; } };
}

// streamView returns { root, update(link, s, alone, usual), draw(points) }.
export function streamView() {
  const title = el("h4", { dir: "auto" }), center = figure("median RTT, last minute"), place = el("div", { class: "place" }), words = el("p", { class: "usual" });
  const p95 = figure("RTT p95"), loss = figure("loss"), jitter = figure("jitter (RFC 3550)");
  const drawing = el("div"), range = el("span");
  const root = el("div", { class: "stream" }, title,
    el("div", { class: "lead" }, el("dl", {}, center.root), place), words,
    el("dl", { class: "figures" }, p95.root, loss.root, jitter.root),
    drawing, el("p", { class: "caption" }, range, el("span", {}, `last ${minutes} min, red: loss`)));
  return {
    root,
    update(s, alone, usual) {
      const silent = s.state === "silent", q = s.rtt_seconds.quantiles;
      const known = (v, write) => (v === null || silent ? null : write(v));
      root.className = "stream " + s.state;
      setText(title, streamWords(s) + (alone || s.state === "up" ? "" : " · " + s.state_text));
      center.set(known(q["0.5"], milliseconds), "ms");
      p95.set(known(q["0.95"], milliseconds), "ms");
      loss.set(known(s.loss_ratio, percent), "%");
      jitter.set(known(s.jitter_seconds, milliseconds), "ms");
      const median = silent ? null : q["0.5"], rtt = rttWords(median, usual), lost = lossWords(silent ? null : s.loss_ratio, s.counts, usual);
      say(words, rtt, median !== null && usual?.enough ? "as usual" : "", " ms");
      loss.note([lost.mark, lost.text].filter(Boolean).join(" · "), Boolean(lost.mark));
      replace(place, scale(median, usual));
    },
    draw(points) {
      const now = spark(points);
      replace(drawing, now.drawing);
      setText(range, now.range);
    },
  };
}

// say writes what is usual, with what is unusual first and marked.
function say(words, { text, mark }, otherwise, unit) {
  const known = text.startsWith("usually") ? text + unit : text;
  const all = [mark || otherwise, known].filter(Boolean).join(" · ");
  words.className = mark ? "usual marked" : "usual";
  setText(words, all);
}
