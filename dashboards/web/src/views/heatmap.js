// How links do by hour of the day and weekday.

import { get } from "../lib/api.js";
import { asker, note } from "../lib/ask.js";
import { bar, button, row, select } from "../lib/controls.js";
import { el } from "../lib/dom.js";
import { periodControl, span } from "../lib/period_control.js";
import { linkControl, pick, siteChooser, someLinks } from "../lib/pick.js";
import { list } from "../lib/route.js";
import { finding, map } from "./heatmap/map.js";
import { metrics, scale } from "./heatmap/shades.js";

const periods = [["7d", "7 days"], ["28d", "4 weeks"], ["90d", "90 days"], ["365d", "1 year"]];
const fallback = "28d";
const most = 4; // links at once
const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const heatmap = {
  id: "heatmap",
  title: "Heat map",
  draw({ root, parameters, state, signal, go }) {
    const link = linkControl(go, { changes: { and: null, target: null, family: null } }), period = periodControl(periods, fallback, go);
    const measure = select("Shown", (value) => go({ metric: value }, { step: true }));
    const beside = select("Beside it", (value) => value && go({ and: [...list(parameters.and), value].join(",") }, { step: true }));
    const shades = select("Shades", (value) => go({ shades: value || null }));
    const controls = [row(link.node, period.node), bar("What is shown", measure.node, beside.node, shades.node)];
    root.append(el("h2", {}, "Heat map ", el("span", {}, "by hour of the day and weekday")), ...controls);
    const siteOf = siteChooser(go, signal), some = someLinks(root, controls);
    const part = asker(root, signal);
    let asked = null, abandon = null;

    const metricOf = () => (metrics[parameters.metric] ? parameters.metric : "rtt");

    function show(state) {
      if (!some(state)) return;
      const site = siteOf(state, parameters), chosen = pick(state.links, { ...parameters, site });
      const several = state.sites.length > 1, here = state.links.filter((l) => l.site === site);
      const names = [chosen?.link ?? parameters.link, ...list(parameters.and).filter((n) => n !== chosen?.link)].slice(0, most);
      link.set(state, site, names[0]);
      period.set(parameters);
      measure.set(Object.entries(metrics).map(([name, m]) => [name, m.name]), metricOf());
      beside.node.hidden = here.length < 2 || names.length >= most;
      beside.set([["", "add a link"], ...here.filter((l) => !names.includes(l.link)).map((l) => [l.link, l.link])], "");
      shades.node.hidden = names.length < 2;
      shades.set([["", "each its own"], ["same", "the same for all"]], parameters.shades);
      const { asked: when } = span(parameters, fallback);
      const question = { metric: metricOf(), site: several || parameters.site ? site : null, ...when, target: parameters.target, family: parameters.family, timezone };
      const key = JSON.stringify([question, names, parameters.shades]);
      if (key === asked) return part.answered(state.answered);
      asked = key;
      part.ask((signal) => Promise.all(names.map((name) => get("/heatmap", { ...question, link: name }, signal))), draw);
    }

    function draw(answers) {
      abandon?.abort();
      abandon = new AbortController();
      const metric = metrics[metricOf()], same = parameters.shades === "same" && scale(answers.flatMap((a) => a.cells), metric);
      return el("div", { class: "maps" }, answers.map((a, i) => el("section", { class: "sheet" },
        el("h3", {}, el("bdi", {}, a.link), el("span", {}, a.target !== null && [" to ", el("bdi", {}, a.target)], a.family === "ipv6" && " over IPv6", a.load && a.load !== "idle" && `, beside a transfer ${a.load}`), " ",
          i > 0 && button("take away", () => go({ and: list(parameters.and).filter((n) => n !== a.link).join(",") || null }, { step: true }), { "aria-label": `take away ${a.link}` })),
        a.cells.length ? [el("p", { class: "quiet" }, finding(a, metric)), map(a, metric, same || scale(a.cells, metric), abandon.signal)] : note("Nothing was measured in this period."))));
    }

    show(state());
    return { update(p) { parameters = p; show(state()); }, links: show, end() { abandon?.abort(); } };
  },
};
