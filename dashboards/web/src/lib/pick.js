// Which link a view shows: the one that the address names, or one that is chosen sensibly.

import { bar, select } from "./controls.js";
import { el } from "./dom.js";
import { orbitWords } from "./links.js";

const order = ["down", "degraded", "up", "silent", "unmeasured"];

// pick returns the link that parameters name, as /links has it; if they name none the one
// that better (a number of a link, the greater the better) prefers. Null if there is none.
export function pick(links, parameters, better = () => 0) {
  const fit = links.filter((l) => (!parameters.site || l.site === parameters.site) && (!parameters.link || l.link === parameters.link));
  return fit.reduce((best, l) => (best === null || better(l) > better(best) ? l : best), null);
}

// siteChooser returns the function that tells, of (state, parameters), which site is shown
// where sites are shown one at a time: the one named; of several, that in most trouble,
// which the address then names, so that it stays.
export function siteChooser(go, signal) {
  let chosen = null;
  return ({ links, sites }, parameters) => {
    if (parameters.site) return parameters.site;
    if (sites.length < 2) return sites[0] ?? null;
    if (!sites.includes(chosen)) {
      chosen = [...links].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0].site;
      queueMicrotask(() => signal.aborted || go({ site: chosen })); // not while a view is being drawn
    }
    return chosen;
  };
}

// someLinks returns the function that tells whether any link is known; while none is, it
// says so in place of the controls.
export function someLinks(root, controls) {
  const none = el("p", { class: "remark", hidden: true }, "Nothing has been measured yet. Start perigee run, or perigee demo to see emulated links.");
  root.append(none);
  for (const c of controls) c.hidden = true;
  return ({ links, answered }) => {
    none.hidden = links.length > 0 || !answered;
    for (const c of controls) c.hidden = links.length === 0;
    return links.length > 0;
  };
}

// linkControl lets a person choose a site, where there are several, and one of its links:
// { node, set(state, site, link) }. all is the text of the choice of no link; without it
// there is none.
export function linkControl(go, { all = null, changes = {} } = {}) {
  const site = select("Site", (value) => go({ ...changes, site: value, link: null }, { step: true }));
  const link = select("Link", (value) => go({ ...changes, site: shown, link: value || null }, { step: true }));
  let shown = null;
  return {
    node: bar("Link", site.node, link.node),
    set({ links, sites }, chosenSite, chosenLink) {
      site.node.hidden = sites.length < 2;
      shown = sites.length < 2 ? null : chosenSite;
      site.set(sites.map((s) => [s, s]), chosenSite);
      const here = links.filter((l) => chosenSite === null || l.site === chosenSite);
      link.set([...(all === null ? [] : [["", all]]), ...here.map((l) => [l.link, l.link + (l.orbit ? ` (${orbitWords(l.orbit)})` : "")])], chosenLink ?? "");
    },
  };
}
