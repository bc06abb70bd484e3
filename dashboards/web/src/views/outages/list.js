// Lists disruptions and gaps, newest first, and how reliable each link was.

import { note } from "../../lib/ask.js";
import { button, bar, select } from "../../lib/controls.js";
import { el, replace, setText } from "../../lib/dom.js";
import { availability, duration, moment, none } from "../../lib/format.js";
import { numbers, table } from "../../lib/table.js";
import { blameOf, blames, classes, classWords, names, swatch, times } from "./words.js";

const page = 15; // entries until more are asked for

// growing is a list of which more is drawn when a person asks.
function growing(entries, draw) {
  const list = el("ol", { class: "list" }), more = button("", () => grow());
  let drawn = 0;
  const grow = () => {
    list.append(...entries.slice(drawn, drawn + page).map(draw));
    drawn = Math.min(drawn + page, entries.length);
    more.textContent = `show more (${(entries.length - drawn).toLocaleString("en")} left)`;
    more.hidden = drawn === entries.length;
  };
  grow();
  return [list, more];
}

// disruptionList is a section whose filters stand in the address: { node, filter(parameters) }.
export function disruptionList(disruptions, go) {
  const looks = select("What it looked like", (value) => go({ class: value || null }));
  const blamed = select("What is to blame", (value) => go({ blame: value || null }));
  const count = el("span"), out = el("div");
  return {
    node: el("section", { class: "sheet" }, el("h3", {}, "Disruptions ", count), bar("Filter of disruptions", looks.node, blamed.node), out),
    filter(parameters) {
      looks.set([["", "any"], ...Object.entries(classes)], parameters.class);
      blamed.set([["", "any"], ...Object.entries(blames).map(([name, b]) => [name, b.words])], parameters.blame);
      const kept = disruptions.filter((d) => (!parameters.class || d.class === parameters.class) && (!parameters.blame || d.blame === parameters.blame)).reverse();
      const of = kept.length !== disruptions.length ? ` of ${disruptions.length.toLocaleString("en")}` : "";
      setText(count, `${kept.length.toLocaleString("en")}${of}, newest first; outages of one cause are one`);
      if (!kept.length) return void replace(out, note(disruptions.length ? "None is like that." : "There was none in this period."));
      replace(out, growing(kept, entry), numbers("All of these as a table", "disruptions.csv", head, kept.map((d) =>
        [d.start, d.end, d.duration_seconds, d.links.join(" "), d.class, d.blame, d.targets.join(" "), d.probes, d.why])));
    },
  };
}

const head = ["began (UTC)", "ended (UTC)", "seconds", "links", "class", "blame", "targets", "probes", "why"];

const entry = (d) => el("li", { class: "disruption" },
  el("span", { class: "sign", "aria-hidden": "true" }, blames[d.blame] && swatch(d.blame), blameOf(d).letter),
  el("strong", {}, times(d)), " · ", names(d.links), ` · ${classWords(d)} · blamed on ${blameOf(d).words}`, el("small", {}, d.why));

const reasons = {
  stopped: "it was stopped", crashed: "it ended without a word", suspended: "the machine slept", stalled: "the process did not run", clock_step: "the clock was set",
  store_damaged: "what was measured was lost with a damaged file",
};

export function gapList(gaps) {
  const sum = gaps.reduce((s, g) => s + g.duration_seconds, 0);
  return el("section", { class: "sheet" },
    el("h3", {}, "Gaps ", el("span", {}, gaps.length ? `${gaps.length.toLocaleString("en")}, ${duration(sum)} in all: the monitor itself was not measuring, which says nothing of the links` : "none: the monitor was measuring all the time that it knows of")),
    gaps.length > 0 && growing([...gaps].reverse(), (g) => el("li", {},
      el("strong", {}, `${moment(g.start)}, ${duration(g.duration_seconds)}`), ` · ${reasons[g.reason] ?? g.reason} · `, g.link === null ? "all links" : el("bdi", {}, g.link), g.detail && el("small", {}, g.detail))));
}

// reliability is a table of the whole period.
export function reliability(list, plans) {
  if (!list.length) return note("Nothing was measured in this period.");
  const above = (t) => (t.mtbf_seconds !== null ? duration(t.mtbf_seconds) : t.mtbf_above_seconds !== null ? "> " + duration(t.mtbf_above_seconds) : none);
  const promise = (t, plan) => (plan === null || t.availability === null ? none : `${Number((plan * 100).toFixed(4))} %: ${t.availability >= plan ? "met" : "missed"}`);
  const excused = (t) => t.excused.map((e) => `${e.count} × ${blames[e.blame]?.words ?? e.blame}, ${duration(e.down_seconds)}`).join("; ") || none;
  const box = el("section", { class: "sheet" }, el("h3", {}, "Availability ", el("span", {}, "1 − time down / time meant to be measured, gaps left out")));
  box.append(table("Each link over the period", ["link", "availability", "promised", "failures", "time down", "MTBF", "MTTR", "longest", "measured", "not charged to it"], list.map((l) => {
    const t = l.total;
    return [el("bdi", {}, l.link), t.availability === null ? none : availability(t.availability) + " %", promise(t, plans(l)), t.failures, duration(t.down_seconds),
      above(t), duration(t.mttr_seconds), duration(t.longest_seconds), duration(t.planned_seconds), excused(t)];
  })));
  box.append(el("p", { class: "quiet" }, "MTBF: mean time between failures, time up over failures. MTTR: mean time to repair, time down over failures."));
  return box;
}
