// What changes slowly: how the links compared in the last hour, and when they failed or
// were not measured in the last day.

import { abandoned, get } from "../../lib/api.js";
import { el, replace } from "../../lib/dom.js";
import { duration, moment } from "../../lib/format.js";
import { isolated, named, pairView, streamWords } from "../../lib/links.js";
import { write } from "../../lib/route.js";

const every = 60_000, young = 15_000, slow = 10; // milliseconds; how many times as long as an answer took
const mostSites = 4, mostLinks = 12, mostEvents = 20;

// history returns { root, refresh(state, links), soon() }, for the links that are shown.
export function history({ signal }) {
  const verdicts = el("ul", { class: "list" }, el("li", { class: "quiet" }, "…")), events = el("ul", { class: "list" }, el("li", { class: "quiet" }, "…"));
  const root = el("div", {},
    el("h2", {}, "Round-trip times compared ", el("span", {}, "last hour · "), el("a", { class: "aside", href: write("compare") }, "more")), verdicts,
    el("h2", {}, "Outages and gaps ", el("span", {}, "last 24 hours · "), el("a", { class: "aside", href: write("outages") }, "more")), events);
  let due = -Infinity, asking = false;

  async function ask(state, links) {
    const began = performance.now();
    const [provisional] = await Promise.all([
      drawVerdicts(verdicts, links, signal).catch((error) => failed(verdicts, error)),
      drawEvents(events, state, links, signal).catch((error) => failed(events, error)),
    ]);
    // What is still provisional changes quickly. What takes long is asked seldom.
    due = performance.now() + Math.max(provisional ? young : every, slow * (performance.now() - began));
  }
  return {
    root,
    async refresh(state, links) {
      if (asking || performance.now() < due) return;
      asking = true;
      await ask(state, links).finally(() => { asking = false; });
    },
    soon() { due = -Infinity; },
  };
}

function fill(list, items, none) {
  replace(list, items.length ? items : el("li", { class: "quiet" }, none));
}

function failed(list, error) {
  if (!abandoned(error)) fill(list, [], error.message);
}

// drawVerdicts draws the verdicts of each site: links of different sites are not compared.
// It reports whether some are provisional.
async function drawVerdicts(list, links, signal) {
  const sites = [...new Set(links.map((l) => l.site))];
  const largest = Math.max(...sites.map((s) => links.filter((l) => l.site === s).length), 0);
  if (sites.length > mostSites || largest > mostLinks) {
    fill(list, [], "There are too many links to compare them all here: choose in Compare, or with the filters above.");
    return false;
  }
  const answers = await Promise.all(sites.map(async (site) => {
    const names = links.filter((l) => l.site === site).map((l) => l.link);
    if (names.length < 2) return [];
    const c = await get("/compare", { metric: "rtt", from: "1h", site, links: names.join(",") }, signal);
    return c.pairs.map((p) => ({ ...p, a: named(site, p.a, sites.length > 1) }));
  }));
  const pairs = answers.flat(), told = pairs.filter((p) => p.windows > 0 && p.median_difference.estimate !== null);
  const untold = pairs.filter((p) => !told.includes(p));
  // What is said of all is said once, and pairs without data are only named.
  const common = told.length > 1 ? told[0].warnings.filter((w) => told.every((p) => p.warnings.includes(w))) : [];
  const name = (p) => `${p.a} and ${p.b}`;
  const items = told.map((p) => el("li", {}, pairView(p.a, p.b), el("span", {}, isolated(p.verdict, [p.a, p.b])),
    p.warnings.filter((w) => !common.includes(w)).map((w) => el("small", {}, isolated(w, [p.a, p.b])))));
  if (common.length) items.push(el("li", {}, el("small", {}, "Of all: " + common.join("; "))));
  if (told.length && untold.length) items.push(el("li", {}, el("small", {}, "Not enough data: " + untold.map(name).join(", "))));
  fill(list, items, untold.length ? "Not enough data yet." : "A comparison needs two links measured to the same target.");
  return pairs.some((p) => !p.enough_data);
}

async function drawEvents(list, { sites }, links, signal) {
  const asked = sites.length > 1 && new Set(links.map((l) => l.site)).size === 1 ? links[0].site : null;
  const [outages, gaps] = await Promise.all([get("/outages", { from: "24h", site: asked }, signal), get("/gaps", { from: "24h", site: asked }, signal)]);
  const all = [...outages.map((o) => [o.start, outage, o]), ...gaps.map((g) => [g.start, gap, g])].sort((a, b) => (a[0] < b[0] ? 1 : -1));
  const items = all.slice(0, mostEvents).map(([, view, e]) => view(e, sites.length > 1));
  if (all.length > mostEvents) items.push(el("li", { class: "quiet" }, `${(all.length - mostEvents).toLocaleString("en")} earlier ones are in Outages.`));
  fill(list, items, "None.");
}

function outage(o, several) {
  const until = o.open ? "now" : moment(o.end);
  return el("li", {}, el("bdi", {}, named(o.site, o.link, several)), `: outage of ${duration(o.duration_seconds)}${o.open ? " so far" : ""}, ${moment(o.start)} to ${until}`,
    el("small", { dir: "auto" }, `${streamWords(o)}: ${o.why || o.reason}, ${o.probes.toLocaleString("en")} probes unanswered`));
}

function gap(g, several) {
  return el("li", {}, el("bdi", {}, named(g.site, g.link, several)), `: not measured for ${duration(g.duration_seconds)}, ${moment(g.start)} to ${moment(g.end)}`,
    el("small", {}, "gap: " + g.reason.replaceAll("_", " ") + (g.detail ? ", " + g.detail : "")));
}
