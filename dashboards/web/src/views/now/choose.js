// Which links are drawn: all of a monitor's; of a fleet's those with trouble first, and
// those that the person asks for.

import { el, replace, setText } from "../../lib/dom.js";
import { stateWords } from "../../lib/links.js";

const few = 12, page = 64; // links that need no choosing; that are drawn at once
const order = ["down", "degraded", "silent", "up", "unmeasured"];

// choose returns { shown, more, matching } of all links, as the parameters of the address
// say: site, state, find (a part of a name) and show (how many).
export function choose(all, parameters) {
  const find = (parameters.find || "").toLocaleLowerCase(), most = Number(parameters.show) || page;
  const matching = all.filter((l) => (!parameters.site || l.site === parameters.site) && (!parameters.state || l.state === parameters.state) &&
    (!find || (l.site + " " + l.link).toLocaleLowerCase().includes(find)));
  if (matching.length <= most) return { shown: matching, more: 0, matching };
  const sorted = [...matching].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return { shown: sorted.slice(0, most), more: matching.length - most, matching };
}

// chooser returns { root, update(state, parameters) }: what there is to choose by, once
// there is enough to choose from.
export function chooser({ go }) {
  const find = el("input", { type: "search", id: "now-find", placeholder: "a part of a name", oninput: () => go({ find: find.value, show: null }) });
  const site = el("select", { id: "now-site", onchange: () => go({ site: site.value, show: null }, { step: true }) });
  const states = el("div", { class: "states", role: "group", "aria-label": "State" });
  const siteField = el("div", {}, el("label", { for: "now-site" }, "site"), site);
  const root = el("div", { class: "choose", hidden: true, role: "search" },
    el("div", {}, el("label", { for: "now-find" }, "find"), find), siteField, states);
  let sites = "";
  return {
    root,
    update({ links, sites: all }, parameters) {
      const chosen = Boolean(parameters.find || parameters.site || parameters.state);
      root.hidden = links.length <= few && all.length < 2 && !chosen;
      if (root.hidden) return;
      if (document.activeElement !== find) find.value = parameters.find || "";
      siteField.hidden = all.length < 2;
      if (sites !== JSON.stringify(all)) {
        sites = JSON.stringify(all);
        replace(site, el("option", { value: "" }, "all"), all.map((s) => el("option", { value: s }, s)));
      }
      site.value = parameters.site || "";
      drawStates(states, links, parameters, go);
    },
  };
}

// drawStates draws a button for each state, with how many links have it. It presses or
// frees the filter.
function drawStates(root, links, parameters, go) {
  const { matching } = choose(links, { ...parameters, state: null });
  const counts = new Map(order.map((s) => [s, matching.filter((l) => l.state === s).length]));
  if (!root.childElementCount) {
    replace(root, order.map((s) => el("button", { type: "button", "data-state": s, onclick: (e) => go({ state: e.currentTarget.getAttribute("aria-pressed") === "true" ? null : s, show: null }, { step: true }) })));
  }
  for (const button of root.children) {
    const state = button.dataset.state, pressed = parameters.state === state;
    setText(button, `${stateWords[state]} ${counts.get(state).toLocaleString("en")}`);
    button.setAttribute("aria-pressed", String(pressed));
    button.hidden = !counts.get(state) && !pressed;
  }
}

// moreView returns { root, update(more, shown) }: that not all are drawn, and a way to.
export function moreView({ go }) {
  const text = el("span"), button = el("button", { type: "button" }, "draw more");
  const root = el("p", { class: "quiet more", hidden: true }, text, " ", button);
  let most = page;
  button.addEventListener("click", () => go({ show: most + page }));
  return {
    root,
    update(more, shown) {
      root.hidden = !more;
      most = shown;
      setText(text, `${more.toLocaleString("en")} more links are not drawn; those with trouble come first.`);
    },
  };
}
