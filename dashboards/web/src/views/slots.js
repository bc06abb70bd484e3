// Starlink's slots: RTT and loss folded over 15 s, with the edges where slots meet.

import { get } from "../lib/api.js";
import { asker, note } from "../lib/ask.js";
import { row } from "../lib/controls.js";
import { el } from "../lib/dom.js";
import { fitted } from "../lib/drawing.js";
import { duration, milliseconds, percent } from "../lib/format.js";
import { identify, orbitWords } from "../lib/links.js";
import { periodControl, span } from "../lib/period_control.js";
import { linkControl, pick, siteChooser, someLinks } from "../lib/pick.js";
import { numbers } from "../lib/table.js";
import { lossPanel, rttPanel, stepPanel } from "./slots/phases.js";
import { seriesChart } from "./slots/series.js";

const periods = [["10m", "10 minutes"], ["30m", "30 minutes"], ["1h", "1 hour"], ["6h", "6 hours"], ["24h", "1 day"], ["7d", "7 days"]];
const fallback = "1h";
const least = 20 * 15; // seconds, as many slots as the interface needs
const longestSeries = 86400; // seconds; the interface gives each slot of a day at most

export const slots = {
  id: "slots",
  title: "Slots",
  draw({ root, parameters, state, signal, go }) {
    const link = linkControl(go, { changes: { target: null, family: null } }), period = periodControl(periods, fallback, go);
    const controls = row(link.node, period.node);
    root.append(el("h2", {}, "Slots ", el("span", {}, "round trips and loss by the second of Starlink's slots of 15 s")), controls);
    const siteOf = siteChooser(go, signal), some = someLinks(root, [controls]);
    const part = asker(root, signal);
    let asked = null, ended = null;

    function show(state) {
      if (!some(state)) return;
      const site = siteOf(state, parameters), chosen = pick(state.links, { ...parameters, site }, (l) => l.orbit === "starlink");
      link.set(state, site, chosen?.link ?? parameters.link);
      period.set(parameters);
      const { from, to, asked: when } = span(parameters, fallback);
      const question = { link: chosen?.link ?? parameters.link, site, target: parameters.target, family: parameters.family, ...when, series: to - from <= longestSeries };
      if (JSON.stringify(question) === asked) return part.answered(state.answered);
      asked = JSON.stringify(question);
      const young = chosen && tooYoung(chosen, from);
      if (young) return part.ask(() => Promise.reject(young), draw);
      part.ask((signal) => get("/slots", question, signal), draw);
    }

    function draw(a) {
      ended?.abort();
      ended = new AbortController();
      signal.addEventListener("abort", () => ended.abort(), { once: true });
      const look = state().looks.get(identify(a.site, a.link)), several = state().sites.length > 1;
      const orbit = state().links.find((l) => l.site === a.site && l.link === a.link)?.orbit;
      return [verdict(a, orbit, several), ...phasePanels(a, look, ended.signal), ...seriesChart(a, look, ended.signal), phaseNumbers(a)];
    }

    show(state());
    return { update(p) { parameters = p; show(state()); }, links: show, end() { ended?.abort(); } };
  },
};

// tooYoung is why a link that was measured for less than is needed is not asked about; null
// if it was measured for longer, or may have been.
function tooYoung(link, from) {
  const measured = Date.now() / 1000 - Math.max(from, Date.parse(link.first) / 1000);
  if (link.first === null || measured > least) return null;
  return Object.assign(new Error(`${link.link} has been measured for ${duration(Math.max(measured, 0))} of the period, and 20 slots, five minutes, are needed.`), { code: "not_enough_data", status: 409 });
}

const marks = { true: "● ", false: "○ ", null: "▲ " };

function verdict(a, orbit, several) {
  const chance = a.chance_ratio < 0.001 ? "below 0.1 %" : percent(a.chance_ratio) + " %";
  return el("section", { class: "sheet" },
    el("h3", {}, several && [el("bdi", {}, a.site), " "], el("bdi", {}, a.link), el("span", {}, ` ${orbitWords(orbit)}`, " to ", el("bdi", {}, a.target), a.family === "ipv6" && " over IPv6")),
    el("p", { class: "slot-verdict" }, marks[a.detected] + a.verdict),
    el("p", { class: "quiet" }, `Probability that second 0 would be so prominent without slots: ${chance}. ` +
      `Most prominent second: ${a.best_phase ?? "—"}. A probe every ${milliseconds(a.interval_seconds)} ms, idle; GPS time taken as ${a.leap_seconds} s ahead of UTC.`),
    a.warnings.map((w) => note(w)));
}

function phasePanels(a, look, signal) {
  return [rttPanel, stepPanel, lossPanel].map((panel) => {
    const { title, finding, draw } = panel(a);
    const field = el("div", { class: "s" + (look?.index ?? 0) });
    const { end } = fitted(field, (width) => draw(width, `${title}: ${finding}`));
    signal.addEventListener("abort", end, { once: true });
    return el("section", { class: "sheet" }, el("h3", {}, title), el("p", { class: "quiet" }, finding), field);
  });
}

function phaseNumbers(a) {
  const head = ["second of the slot", "probes", "lost or late", "loss periods", "RTT min, ms", "RTT p50, ms", "RTT p95, ms", "mean step, ms", "median step, ms", "prominence"];
  const ms = (v) => (v === null ? null : milliseconds(v));
  return numbers("Numbers of each second", "slots.csv", head, a.phases.map((p) => [
    p.phase, p.count, p.lost, p.loss_periods, ms(p.rtt_seconds.min), ms(p.rtt_seconds.p50), ms(p.rtt_seconds.p95),
    ms(p.step_seconds.mean), ms(p.step_seconds.p50), p.prominence_ratio === null ? null : p.prominence_ratio.toFixed(2)]));
}
