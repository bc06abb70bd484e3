// Draws what the interface beside this page says. Text from outside enters the page as
// text only (textContent), never as markup.
"use strict";

const api = "/api/v1";
const sparkMinutes = 15, sparkStep = 20;           // seconds per step
const refreshEvery = 10_000, historyEvery = 60_000, youngEvery = 15_000; // milliseconds
const mostCards = 64, mostSites = 4;               // of a fleet not everything is drawn
const words = { up: "● up", degraded: "▲ degraded", down: "■ down", silent: "○ silent", unmeasured: "– unmeasured" };

const byId = (id) => document.getElementById(id);
let monitor = null;       // what the process does that answers; null if not known
let links = [];           // those drawn, as last fetched
let sites = [];           // of all links
let fetchedAt = 0;        // when, on the page's own monotonic clock
let answered = false;     // whether the last fetch succeeded
let events = null;        // the event stream
let live = false;         // whether it is open
let listenAgain = 0;      // when it may be opened, if it was refused
let lastHistory = -Infinity;
let lastTransfers = -Infinity;
let transfers = new Map(); // the newest by site, link and direction
let budgets = new Map();   // by site and link
const series = new Map();  // points by stream

// el makes an element with attributes and children; strings become text.
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

function svg(name, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

async function get(path, parameters) {
  const query = parameters ? "?" + new URLSearchParams(parameters) : "";
  const response = await fetch(api + path + query, { signal: AbortSignal.timeout(40_000) });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.detail + ". " + body.remedy), { status: response.status });
  return body;
}

// milliseconds writes seconds as a person reads them.
function milliseconds(seconds) {
  const ms = seconds * 1000;
  return ms.toFixed(ms < 100 ? 1 : 0);
}

function percent(ratio) {
  if (ratio === 0) return "0";
  const p = ratio * 100;
  return p < 0.1 ? "< 0.1" : p.toFixed(p < 10 ? 1 : 0);
}

function duration(seconds) {
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " days";
}

function moment(text) {
  const t = new Date(text), today = new Date().toDateString() === t.toDateString();
  const clock = t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return today ? clock : t.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" }) + " " + clock;
}

// named returns what a link is called; among several sites, with its own.
const named = (site, link) => (sites.length > 1 ? site + " " : "") + (link === null ? "all links" : link);

const streamKey = (link, s) => JSON.stringify([link.site, link.link, s.target, s.method, s.family, s.load]);

// sparkline draws median, 5 % to 95 % band and loss of the last minutes. Where nothing
// was measured there is nothing.
function sparkline(points, minutes) {
  const end = Math.ceil(Date.now() / 1000 / sparkStep) * sparkStep, start = end - minutes * 60;
  const width = 300, height = 50, floor = 44;
  const drawn = points.map((p) => ({
    x: ((Date.parse(p.start) / 1000 - start) / (end - start)) * width,
    low: p.quantiles["0.05"], mid: p.quantiles["0.5"], high: p.quantiles["0.95"], loss: p.loss_ratio, sent: p.counts.sent, planned: p.counts.planned,
  })).filter((p) => p.x >= 0);
  const step = (sparkStep / (end - start)) * width;
  const some = drawn.filter((p) => p.mid !== null);
  const least = Math.min(...some.map((p) => p.low)), most = Math.max(...some.map((p) => p.high));
  const y = (v) => 2 + (floor - 6) * (1 - (v - least) / Math.max(most - least, 1e-6));
  const picture = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  const label = some.length ? `Round-trip time of the last ${minutes} minutes: ${milliseconds(least)} to ${milliseconds(most)} ms` : "No round-trip times yet";
  picture.append(svg("title", {}, label), svg("line", { class: "base", x1: 0, x2: width, y1: floor, y2: floor }));
  let run = [];
  const flush = () => {
    if (run.length) {
      if (run.length === 1) run.push({ ...run[0], x: run[0].x + step });
      const path = (pick) => run.map((p) => `${p.x.toFixed(1)},${y(pick(p)).toFixed(1)}`);
      picture.append(
        svg("polygon", { class: "band", points: [...path((p) => p.high), ...path((p) => p.low).reverse()].join(" ") }),
        svg("polyline", { class: "line", points: path((p) => p.mid).join(" ") }));
    }
    run = [];
  };
  for (const p of drawn) {
    if (run.length && (p.mid === null || p.x - run[run.length - 1].x > 1.5 * step)) flush();
    if (p.mid !== null) run.push(p);
    const missing = p.sent ? p.loss : p.planned ? 1 : 0;
    if (missing > 0) {
      const h = 1.5 + 4.5 * missing;
      picture.append(svg("rect", { class: "loss", x: p.x.toFixed(1), y: height - h, width: Math.max(step - 0.5, 1).toFixed(1), height: h }));
    }
  }
  flush();
  const caption = el("p", { class: "caption" },
    el("span", {}, some.length ? `${milliseconds(least)}–${milliseconds(most)} ms` : "no replies"),
    el("span", {}, `last ${minutes} min, red: loss`));
  return [picture, caption];
}

function figure(name, value, unit) {
  const known = value !== null;
  return [el("dt", {}, name), el("dd", known ? {} : { class: "none" }, known ? value : "—", known ? el("small", {}, " " + unit) : "")];
}

function streamView(link, s, alone) {
  const q = s.rtt_seconds.quantiles, silent = s.state === "silent";
  const ms = (v) => (v === null || silent ? null : milliseconds(v));
  const title = `to ${s.target}${s.family === "ipv6" ? " over IPv6" : ""}${s.load === "idle" ? "" : ", beside a transfer " + s.load}` + (alone || s.state === "up" ? "" : ` · ${s.state_text}`);
  return el("div", { class: "stream " + s.state },
    el("h4", {}, title),
    el("dl", { class: "figures" },
      ...figure("RTT p50", ms(q["0.5"]), "ms"), ...figure("RTT p95", ms(q["0.95"]), "ms"),
      ...figure("loss, last minute", s.loss_ratio === null || silent ? null : percent(s.loss_ratio), "%")),
    ...sparkline(series.get(streamKey(link, s)) || [], sparkMinutes));
}

// rate writes bits per second as a person reads them.
function rate(bits) {
  const [size, unit] = bits >= 1e9 ? [1e9, "Gbit/s"] : bits >= 1e6 ? [1e6, "Mbit/s"] : [1e3, "kbit/s"];
  return [(bits / size).toPrecision(3).replace(/e.*/, ""), unit];
}

// transferView says what the last transfers over a link told, and what its budget has left.
function transferView(link) {
  const key = (direction) => JSON.stringify([link.site, link.link, direction]);
  const rows = ["down", "up"].map((direction) => [direction, transfers.get(key(direction))]).filter(([, t]) => t);
  const budget = budgets.get(JSON.stringify([link.site, link.link]));
  const parts = [];
  if (rows.length) {
    const items = rows.flatMap(([direction, t]) => {
      const [value, unit] = rate(t.bits_per_second);
      return figure(direction + (t.error_ratio === null ? "" : ", ± " + percent(t.error_ratio) + " %"), value, unit);
    });
    const loaded = rows.map(([, t]) => t.rtt_increase_seconds).filter((v) => v !== null);
    if (loaded.length) items.push(...figure("RTT added by load", milliseconds(Math.max(...loaded)), "ms"));
    const newest = rows.map(([, t]) => t.time).sort().at(-1);
    parts.push(el("dl", { class: "figures" }, ...items), el("p", { class: "caption" }, el("span", {}, "throughput of " + moment(newest))));
  }
  if (budget && budget.state !== "none") parts.push(el("p", { class: "caption" }, el("span", {}, budget.state_text)));
  return parts.length ? [el("div", { class: "stream" }, ...parts)] : [];
}

function card(link) {
  const box = el("article", { class: "card " + link.state },
    el("h3", {}, named(link.site, link.link), el("span", { class: "orbit" }, link.orbit === null ? "" : link.orbit)),
    el("p", { class: "state" }, el("span", { class: "word" })),
    ...link.last_minute.map((s) => streamView(link, s, link.last_minute.length === 1)),
    ...transferView(link));
  if (link.last !== null) box.append(el("p", { class: "caption" }, el("span", { class: "age" })));
  return box;
}

// tick keeps ages running between answers, so that silence shows by itself.
function tick() {
  const passed = (performance.now() - fetchedAt) / 1000;
  const cards = byId("links").querySelectorAll(".card");
  links.forEach((link, i) => {
    const old = link.age_seconds === null ? "" : duration(Math.floor(link.age_seconds + passed));
    const silent = link.state === "silent" || !answered;
    const text = link.state === "unmeasured" ? link.state_text : silent ? "no data for " + old : link.state_text;
    cards[i].querySelector(".word").textContent = words[silent && link.state !== "unmeasured" ? "silent" : link.state] + " · " + text;
    cards[i].className = "card " + (silent && link.state !== "unmeasured" ? "silent" : link.state);
    const age = cards[i].querySelector(".age");
    if (age) age.textContent = "data up to " + moment(link.last) + ", " + old + " ago";
  });
}

function drawLinks() {
  byId("links").replaceChildren(...links.map(card));
  if (!links.length) byId("links").append(el("p", { class: "quiet" }, "No link is known yet."));
  if (more) byId("links").append(el("p", { class: "quiet" }, `${more.toLocaleString("en")} more links are not drawn; those with trouble come first.`));
  byId("site").textContent = sites.length > mostSites ? sites.length.toLocaleString("en") + " sites" : sites.join(", ");
  tick();
}

// choose returns the links to draw: all of a monitor's, of a fleet's those with trouble
// first.
let more = 0;
function choose(all) {
  more = Math.max(all.length - mostCards, 0);
  if (!more) return all;
  const order = ["down", "degraded", "silent", "up", "unmeasured"];
  return [...all].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state)).slice(0, mostCards);
}

// drawOutbox says how forwarding does: a quiet line, unless a person must act.
function drawOutbox(o) {
  const line = byId("outbox");
  line.hidden = o === null;
  if (o === null) return;
  line.className = "outbox " + o.state;
  const mark = { waiting: "▲ ", held: "▲ ", blocked: "■ " }[o.state] || "● ";
  const parts = [el("span", { class: "word" }, mark + o.state_text)];
  if (o.problem) {
    const remedy = o.problem.remedy ? ". " + o.problem.remedy[0].toUpperCase() + o.problem.remedy.slice(1) : "";
    parts.push(`: ${o.problem.message}${remedy} (since ${moment(o.problem.since)})`);
  }
  if (o.dead_letters) {
    const them = o.dead_letters === 1 ? "1 result was" : o.dead_letters.toLocaleString("en") + " results were";
    parts.push(" · ", el("a", { class: "aside", href: api + "/outbox/dead-letters" }, them + " set aside, as InfluxDB does not take " + (o.dead_letters === 1 ? "it" : "them")));
  }
  // A status that is written anew is read out anew.
  const text = parts.map((p) => p.textContent ?? p).join("");
  if (line.textContent !== text) line.replaceChildren(...parts);
}

async function outbox(forwards) {
  if (!forwards) return drawOutbox(null);
  await get("/outbox").then(drawOutbox).catch((error) => {
    if (error.status === 404) monitor = null; // another process answers now
    drawOutbox(error.status === 404 ? null : { state: "waiting", state_text: "how forwarding does is not known: " + error.message, problem: null, dead_letters: 0 });
  });
}

// readTransfers reads the newest transfer of each link and direction, and budgets.
async function readTransfers(keepsBudgets) {
  if (performance.now() - lastTransfers < historyEvery) return;
  const newest = await get("/throughput", { from: "7d", limit: 500, series: false }).catch(() => []);
  transfers = new Map(newest.map((t) => [JSON.stringify([t.site, t.link, t.direction]), t])); // the last of each stays
  const all = keepsBudgets ? await get("/budget").catch(() => []) : [];
  budgets = new Map(all.map((b) => [JSON.stringify([b.site, b.link]), b]));
  lastTransfers = performance.now();
}

async function refresh() {
  try {
    const { measures, forwards, budgets: keepsBudgets } = monitor ??= await get("/monitor");
    listen(measures);
    const all = await get("/links"), fresh = choose(all);
    await Promise.all(fresh.flatMap((link) => link.last_minute.map(async (s) => {
      const answer = await get("/series", { metric: "rtt", site: link.site, link: link.link, target: s.target, family: s.family, load: s.load, from: sparkMinutes + "m", step: sparkStep + "s" }).catch(() => null);
      if (answer) series.set(streamKey(link, s), answer.points);
    })));
    links = fresh;
    sites = [...new Set(all.map((l) => l.site))];
    fetchedAt = performance.now();
    answered = true;
    byId("trouble").hidden = true;
    await readTransfers(keepsBudgets);
    drawLinks();
    await outbox(forwards);
  } catch (error) {
    answered = false;
    monitor = null;
    byId("trouble").hidden = false;
    byId("trouble").textContent = "The monitor does not answer (" + error.message + "). Figures below are old; this page keeps trying.";
  }
  byId("connection").textContent = !answered ? "not connected" : live ? "live" : "asking every " + refreshEvery / 1000 + " s";
  if (answered && performance.now() - lastHistory > historyEvery) await history();
}

function fill(id, items, none) {
  byId(id).replaceChildren(...(items.length ? items : [el("li", { class: "quiet" }, none)]));
}

// verdicts draws the pairs that have one. What is said of all is said once, and pairs
// without data are only named.
function verdicts(pairs) {
  const told = pairs.filter((p) => p.windows > 0 && p.median_difference.estimate !== null);
  const untold = pairs.filter((p) => !told.includes(p));
  const common = told.length > 1 ? told[0].warnings.filter((w) => told.every((p) => p.warnings.includes(w))) : [];
  const name = (p) => `${p.a} and ${p.b}`;
  const items = told.map((p) => el("li", {}, el("span", { class: "pair" }, name(p)), el("span", {}, p.verdict),
    ...p.warnings.filter((w) => !common.includes(w)).map((w) => el("small", {}, w))));
  if (common.length) items.push(el("li", {}, el("small", {}, "Of all: " + common.join("; "))));
  if (told.length && untold.length) items.push(el("li", {}, el("small", {}, "Not enough data: " + untold.map(name).join(", "))));
  fill("verdicts", items, untold.length ? "Not enough data yet." : "A comparison needs two links measured to the same target.");
}

function outage(o) {
  const until = o.open ? "now" : moment(o.end);
  return el("li", {}, `${named(o.site, o.link)}: outage of ${duration(o.duration_seconds)}${o.open ? " so far" : ""}, ${moment(o.start)} to ${until}`,
    el("small", {}, `to ${o.target}${o.family === "ipv6" ? " over IPv6" : ""}: ${o.why || o.reason}, ${o.probes} probes unanswered`));
}

function gap(g) {
  return el("li", {}, `${named(g.site, g.link)}: not measured for ${duration(g.duration_seconds)}, ${moment(g.start)} to ${moment(g.end)}`,
    el("small", {}, "gap: " + g.reason.replace("_", " ") + (g.detail ? ", " + g.detail : "")));
}

// compare draws the verdicts. Links of different sites are not compared.
async function compare() {
  if (more || sites.length > mostSites) return fill("verdicts", [], "There are too many links to compare them all; ask /api/v1/compare?site=NAME, or perigee compare.");
  const answers = await Promise.all((sites.length ? sites : [""]).map(async (site) => {
    const c = await get("/compare", { metric: "rtt", from: "1h", ...(site ? { site } : {}) });
    return c.pairs.map((p) => ({ ...p, a: named(site, p.a) }));
  }));
  const pairs = answers.flat();
  verdicts(pairs);
  // What is still provisional changes quickly.
  if (pairs.some((p) => !p.enough_data)) lastHistory -= historyEvery - youngEvery;
}

// history draws what changes slowly.
async function history() {
  lastHistory = performance.now();
  await compare().catch((error) => fill("verdicts", [], error.message));
  await Promise.all([get("/outages", { from: "24h" }), get("/gaps", { from: "24h" })])
    .then(([outages, gaps]) => {
      const all = [...outages.map((o) => [o.start, outage(o)]), ...gaps.map((g) => [g.start, gap(g)])];
      all.sort((a, b) => (a[0] < b[0] ? 1 : -1));
      fill("outages", all.slice(0, 50).map((x) => x[1]), "None.");
    })
    .catch((error) => fill("outages", [], error.message));
}

// One refresh at a time; what arrives meanwhile asks for one more.
let running = false, wanted = false;
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

let soon = 0;
function updateSoon() {
  if (!soon) soon = setTimeout(() => { soon = 0; update(); }, 500);
}

// listen opens the event stream, where there is one to open.
function listen(measures) {
  if (events || !measures || performance.now() < listenAgain) return;
  events = new EventSource(api + "/live");
  events.onopen = () => { live = true; updateSoon(); };
  events.onerror = () => {
    live = false;
    if (events.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
    events = monitor = null; // refused, perhaps by another process: polling goes on meanwhile
    listenAgain = performance.now() + 30_000;
  };
  events.addEventListener("sample", updateSoon);
  events.addEventListener("throughput", () => { lastTransfers = -Infinity; updateSoon(); });
  for (const kind of ["outage", "gap"]) events.addEventListener(kind, () => { lastHistory = -Infinity; updateSoon(); });
}

update();
setInterval(update, refreshEvery);
setInterval(tick, 1000);
