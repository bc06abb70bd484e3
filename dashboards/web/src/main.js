// The page's frame: which view is shown, what is known of all links, and whether the
// monitor answers. Views draw the rest; each asks for what it needs.

import { get } from "./lib/api.js";
import { byId, el, replace, setText } from "./lib/dom.js";
import { identify, looks } from "./lib/links.js";
import { drawOutbox } from "./outbox.js";
import { read, write } from "./lib/route.js";
import { listen } from "./live.js";
import { guard, offerEnd } from "./session.js";
import { now } from "./views/now.js";
import { compare } from "./views/compare.js";
import { throughput } from "./views/throughput.js";
import { slots } from "./views/slots.js";
import { outages } from "./views/outages.js";
import { heatmap } from "./views/heatmap.js";

const views = [now, compare, throughput, slots, outages, heatmap];
const refreshEvery = 10_000; // milliseconds
const soonAfter = 500;       // an event of the stream, so that a batch of them asks once
const mostSites = 4;         // that the heading names

// state is what every view may read. It is replaced as a whole, never changed.
let state = {
  monitor: null,     // what the process does that answers; null if not known
  links: [],         // all, as last fetched
  sites: [],         // of them
  looks: new Map(),  // by identify(site, link): colour and dash, the same in every view
  answered: null,    // whether the last question was answered; null before the first
  at: 0,             // when, on the page's own monotonic clock
  live: false,       // whether the event stream is open
};

let shown = null;    // { view, drawn, abandon } of the view that is shown

// show draws the view that the address names, or tells the one that is there already what
// has changed in its parameters.
function show() {
  const { view: name, parameters } = read();
  const view = views.find((v) => v.id === name) || now;
  if (shown && shown.view === view) return shown.drawn.update?.(parameters);
  shown?.abandon.abort();
  shown?.drawn.end?.();
  const abandon = new AbortController(), root = byId("view");
  replace(root);
  root.className = "view-" + view.id;
  const first = shown === null;
  shown = { view, abandon, drawn: view.draw({ root, parameters, state: () => state, signal: abandon.signal, go }) };
  document.title = view.title + " · perigee";
  for (const a of byId("nav").querySelectorAll("a")) {
    if (a.dataset.view === view.id) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  if (!first) root.focus({ preventScroll: true });
}

// go changes parameters of the view that is shown. What the person can step back to is
// told by step; everything else replaces the address.
function go(changes, { step = false } = {}) {
  const { parameters } = read();
  const address = write(shown.view.id, { ...parameters, ...changes });
  if (address === location.hash) return;
  if (step) return void (location.hash = address);
  history.replaceState(null, "", address);
  show();
}

function drawNav() {
  replace(byId("nav"), views.map((v) => el("li", {}, el("a", { href: write(v.id), "data-view": v.id }, v.title))));
}

function drawFrame() {
  const { sites, answered, live, monitor } = state;
  setText(byId("site"), sites.length > mostSites ? sites.length.toLocaleString("en") + " sites" : sites.join(", "));
  setText(byId("connection"), !answered ? "not connected" : live ? "live" : "asking every " + refreshEvery / 1000 + " s");
  byId("connection").className = answered ? "" : "off";
  if (monitor) setText(byId("version"), "perigee " + monitor.version);
}

function trouble(text) {
  byId("trouble").hidden = !text;
  setText(byId("trouble"), text || "");
}

async function refresh() {
  try {
    const monitor = state.monitor ?? await get("/monitor");
    const links = await get("/links");
    stream.follow(monitor.measures);
    state = {
      ...state, monitor, links, answered: true, at: performance.now(),
      sites: [...new Set(links.map((l) => l.site))],
      looks: looks(links.map((l) => identify(l.site, l.link))),
    };
    trouble(null);
    await offerEnd(monitor);
    await drawOutbox(monitor.forwards).catch(() => { state = { ...state, monitor: null }; }); // another process answers
  } catch (error) {
    state = { ...state, monitor: null, answered: false };
    trouble(error.status === 401 ? null : `The monitor does not answer (${error.message}). Figures below are old; this page keeps trying.`);
  }
  drawFrame();
  shown.drawn.links?.(state);
}

// One refresh at a time; what arrives meanwhile asks for one more.
let running = false, wanted = false, soon = 0;
async function update() {
  wanted = true;
  if (running) return;
  running = true;
  while (wanted) {
    wanted = false;
    await refresh();
  }
  running = false;
}

function updateSoon() {
  soon ||= setTimeout(() => { soon = 0; update(); }, soonAfter);
}

const stream = listen({
  opened(live) {
    const changed = state.live !== live;
    state = { ...state, live };
    if (changed) live ? updateSoon() : drawFrame();
  },
  refused() { state = { ...state, monitor: null }; }, // perhaps another process answers
  event(kind, body) {
    shown.drawn.event?.(kind, body);
    updateSoon();
  },
});

guard();
drawNav();
show();
addEventListener("hashchange", show);
update();
setInterval(update, refreshEvery);
