// One link as a card. It is made once and then told what is new, so that what is focused
// or read out stays.

import { el, replace, setText } from "../../lib/dom.js";
import { duration, moment } from "../../lib/format.js";
import { orbitWords, stateWords, stream } from "../../lib/links.js";
import { streamView } from "./stream.js";
import { transferView } from "./transfers.js";

let cards = 0;

// card returns
//
//   root, seen           the element, and whether it is within sight
//   update(link, context) draws what the interface says of the link; context tells several
//                        (sites), usual(s), transfers, budget, and measure, an element or null
//   draw(key, points)    draws the last minutes of one of its streams
//   tick(passed, answered) lets ages run, seconds after the answer, so that silence shows
//                        by itself
export function card() {
  const id = "card-" + cards++, name = el("bdi"), orbit = el("span", { class: "orbit" }), word = el("span", { class: "word" });
  const streams = el("div"), transfers = transferView(), age = el("p", { class: "caption" });
  const root = el("article", { class: "card", "aria-labelledby": id }, el("h3", {}, el("span", { id }, name), orbit),
    el("p", { class: "state" }, word), streams, transfers.root, age);
  const views = new Map(); // by stream
  let link = null, measure = null;

  return {
    root, seen: false,
    keys: () => [...views.keys()],
    update(now, context) {
      link = now;
      setText(name, (context.several ? link.site + " " : "") + link.link);
      setText(orbit, orbitWords(link.orbit));
      const keys = link.last_minute.map((s) => stream(link.site, link.link, s));
      const fresh = keys.filter((k) => !views.has(k)), gone = [...views.keys()].filter((k) => !keys.includes(k));
      fresh.forEach((k) => views.set(k, streamView()));
      gone.forEach((k) => views.delete(k));
      if (fresh.length || gone.length) replace(streams, keys.map((k) => views.get(k).root));
      link.last_minute.forEach((s, i) => views.get(keys[i]).update(s, keys.length === 1, context.usual(s)));
      transfers.update(context.transfers, context.budget);
      if (context.measure !== measure) {
        measure?.remove();
        measure = context.measure;
        if (measure) age.before(measure);
      }
    },
    draw(key, points) { views.get(key)?.draw(points); },
    tick(passed, answered) {
      const old = link.age_seconds === null ? "" : duration(Math.floor(link.age_seconds + passed));
      const unmeasured = link.state === "unmeasured", silent = !unmeasured && (link.state === "silent" || !answered);
      const state = silent ? "silent" : link.state;
      setText(word, `${stateWords[state] || state} · ${silent ? "no data for " + old : link.state_text}`);
      root.className = "card " + state;
      setText(age, link.last === null ? "" : `data up to ${moment(link.last)}, ${old} ago`);
    },
  };
}
