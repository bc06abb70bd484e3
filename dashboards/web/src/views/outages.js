// When links were down, for how long, and what is to blame; when the monitor was not
// looking; how available each link was.

import { get } from "../lib/api.js";
import { asker, note } from "../lib/ask.js";
import { bar, button, row, select } from "../lib/controls.js";
import { el } from "../lib/dom.js";
import { periodControl, span } from "../lib/period_control.js";
import { linkControl, siteChooser, someLinks } from "../lib/pick.js";
import { calendar } from "./outages/calendar.js";
import { disruptionList, gapList, reliability } from "./outages/list.js";
import { timeline } from "./outages/timeline.js";

const periods = [["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"], ["365d", "1 year"]];
const fallback = "7d";
const mostTracks = 12; // links drawn until a person asks for all
const year = 365 * 86400;
const soonest = 30; // seconds between two questions that events ask for

const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const outages = {
  id: "outages",
  title: "Outages",
  draw({ root, parameters, state, signal, go }) {
    const link = linkControl(go, { all: "all links", changes: { at: null, rows: null, calendar: null } }), period = periodControl(periods, fallback, go);
    const upper = el("div"), lower = el("section", { class: "sheet", hidden: true });
    const controls = row(link.node, period.node);
    root.append(el("h2", {}, "Outages ", el("span", {}, "what failed, for how long, and what is to blame")), controls, upper);
    const siteOf = siteChooser(go, signal), some = someLinks(root, [controls]);
    const part = asker(upper, signal);
    const whose = select("Calendar of", (value) => go({ calendar: value }));
    lower.append(el("h3", {}, "Calendar ", el("span", {}, `each day of the year before the period's end, in ${timezone}`)), bar("Calendar", whose.node));
    const days = asker(lower, signal);
    let asked = null, askedDays = null, drawn = null, list = null, answer = null, when = 0, waiting = 0;

    function show(state) {
      if (!some(state)) return;
      const site = siteOf(state, parameters);
      link.set(state, site, parameters.link);
      period.set(parameters);
      const key = JSON.stringify([site, parameters.link, parameters.period, parameters.from, parameters.to, parameters.rows]);
      if (key === asked) { part.answered(state.answered); days.answered(state.answered); return; }
      asked = key;
      askAll();
    }

    function askAll() {
      const s = state(), site = siteOf(s, parameters), { from, to } = span(parameters, fallback);
      const here = s.links.filter((l) => l.site === site && (!parameters.link || l.link === parameters.link));
      when = performance.now();
      part.ask((signal) => question({ site, link: parameters.link, from, to, here, most: parameters.rows === "all" ? Infinity : mostTracks }, signal), (a) => {
        answer = { ...a, here, site, from, to };
        return draw();
      });
    }

    function draw() {
      drawn?.end();
      list = disruptionList(answer.disruptions, go);
      list.filter(parameters);
      const { disruptions, gaps, reliable, measured, here, shown, from, to } = answer;
      const total = (l) => reliable.find((r) => r.link === l.link)?.total;
      drawn = timeline({
        links: shown, from, to, at: parameters.at, chosen: (start) => go({ at: start }),
        of: (l) => ({
          disruptions: disruptions.filter((d) => d.links.includes(l.link)), gaps: gaps.filter((g) => g.link === null || g.link === l.link),
          measured: measured.get(l.link) ?? [], total: total(l),
        }),
      });
      askDays();
      return [
        here.length ? el("section", { class: "sheet timeline" }, el("h3", {}, "Timeline ", here.length > shown.length && el("span", {}, `the ${shown.length} links that were down longest`)), drawn.nodes,
          here.length > shown.length && button(`show all ${here.length.toLocaleString("en")} links`, () => go({ rows: "all" }))) : note("No such link is known."),
        reliability(reliable, (r) => here.find((l) => l.link === r.link)?.plan?.availability ?? null),
        lower, list.node, gapList(gaps),
      ];
    }

    // The calendar is asked for when all else is there: a year is the dearest of questions.
    function askDays() {
      const { here, site, to } = answer;
      const of = here.find((l) => l.link === parameters.calendar) ?? here[0];
      lower.hidden = !of;
      if (!of) return;
      whose.set(here.map((l) => [l.link, l.link]), of.link);
      const end = new Date(to * 1000), from = to - year;
      const key = JSON.stringify([site, of.link, end.toDateString()]);
      if (key === askedDays) return;
      askedDays = key;
      days.ask((signal) => get("/availability", { site, link: of.link, by: "day", timezone, from: new Date(from * 1000).toISOString(), to: end.toISOString() }, signal),
        (a) => calendar(a.links[0]?.periods ?? [], from, to));
    }

    function update(p) {
      const before = parameters;
      parameters = p;
      show(state());
      if (!answer) return;
      if (before.at !== p.at) drawn.choose(p.at);
      if (before.class !== p.class || before.blame !== p.blame) list.filter(p);
      askDays();
    }

    // event asks again when something happened, but not more often than a pixel's worth of
    // the period goes by.
    function event(kind) {
      if (kind !== "outage" && kind !== "gap" || waiting) return;
      const { from, to, moving } = span(parameters, fallback), least = Math.max(soonest, (to - from) / 1000) * 1000;
      if (moving) waiting = setTimeout(() => { waiting = 0; askAll(); }, Math.max(when + least - performance.now(), 1000));
    }

    show(state());
    return { update, links: show, event, end() { clearTimeout(waiting); drawn?.end(); } };
  },
};

// question asks for everything that a period of a site's links is drawn from. If there are
// more links than most, those that were down longest are drawn.
async function question({ site, link, from, to, here, most }, signal) {
  const asked = { site, link, from: new Date(from * 1000).toISOString(), to: new Date(to * 1000).toISOString() };
  const [disruptions, gaps, { links: reliable }] = await Promise.all([
    get("/disruptions", { ...asked, timezone }, signal), get("/gaps", asked, signal), get("/availability", { ...asked, by: "month", timezone }, signal),
  ]);
  const down = (l) => reliable.find((r) => r.link === l.link)?.total.down_seconds ?? 0;
  const shown = here.length > most ? [...here].sort((a, b) => down(b) - down(a)).slice(0, most) : here;
  const series = await Promise.all(shown.map((l) => l.first !== null && get("/series", { ...asked, link: l.link, metric: "availability" }, signal)
    .catch((error) => { if (error.code === "not_enough_data" || error.code === "not_found") return null; throw error; })));
  return { disruptions, gaps, reliable, shown, measured: new Map(shown.map((l, i) => [l.link, series[i] ? stretches(series[i], l) : []])) };
}

// stretches returns [from, to] of the time in which a link was measured, as steps tell it.
function stretches({ points, step_seconds: step }, { first, last }) {
  const begin = Date.parse(first) / 1000, end = Date.parse(last) / 1000, list = [];
  for (const p of points) {
    if (!p.counts.planned) continue;
    const at = Date.parse(p.start) / 1000, a = Math.max(at, begin), b = Math.min(at + step, end);
    if (list.length && a <= list.at(-1)[1] + 0.001) list.at(-1)[1] = b;
    else list.push([a, b]);
  }
  return list;
}
