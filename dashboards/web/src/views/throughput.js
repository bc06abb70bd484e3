// Throughput tests: each with its series, over time, by the way they were made, against
// the plan, and what they do to latency.

import { get } from "../lib/api.js";
import { asker, note } from "../lib/ask.js";
import { bar, button, row, select } from "../lib/controls.js";
import { el } from "../lib/dom.js";
import { moment } from "../lib/format.js";
import { orbitWords } from "../lib/links.js";
import { periodControl, span } from "../lib/period_control.js";
import { linkControl, siteChooser, someLinks } from "../lib/pick.js";
import { write } from "../lib/route.js";
import { list } from "./throughput/list.js";
import { overTime } from "./throughput/overtime.js";
import { latency, ways } from "./throughput/summary.js";
import { test } from "./throughput/test.js";
import { grouped } from "./throughput/way.js";

const periods = [["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"], ["365d", "1 year"]];
const fallback = "7d";
const most = 2000;     // tests of a period, the newest
const mostLinks = 4;   // drawn until a person asks for all
const none = { test: null, test_link: null, test_direction: null, rows: null };

export const throughput = {
  id: "throughput",
  title: "Throughput",
  draw({ root, parameters, state, signal, go }) {
    const link = linkControl(go, { all: "all links", changes: none }), period = periodControl(periods, fallback, go);
    const direction = select("Direction", (value) => go({ direction: value || null, ...none }, { step: true }));
    const method = select("Method", (value) => go({ method: value || null, ...none }, { step: true }));
    const controls = [row(link.node, period.node), bar("Which tests", direction.node, method.node)];
    root.append(el("h2", {}, "Throughput ", el("span", {}, "TCP payload, and what moving it does to latency")), ...controls);
    const siteOf = siteChooser(go, signal), some = someLinks(root, controls);
    const out = el("div"), title = el("h3", { tabindex: -1 }), one = el("section", { class: "sheet test-panel" }, title);
    root.append(out);
    const all = asker(out, signal), single = asker(one, signal);
    let asked = null, askedOne = null, answer = null, waiting = 0, ends = [], endOne = null;

    const siteNamed = (s) => (s.sites.length > 1 ? siteOf(s, parameters) : null);
    const isChosen = (t) => t.time === parameters.test && t.link === parameters.test_link && t.direction === parameters.test_direction;
    const named = (t) => ({ test: t.time, test_link: t.link, test_direction: t.direction });

    function show(s) {
      if (!some(s)) return;
      link.set(s, siteOf(s, parameters), parameters.link);
      period.set(parameters);
      direction.set([["", "down and up"], ["down", "down"], ["up", "up"]], parameters.direction);
      method.set([["", "all"], ["perigee", "own far end"], ["ookla", "public servers"], ["iperf3", "imported from iperf3"]], parameters.method);
      const key = JSON.stringify([siteOf(s, parameters), ...["link", "period", "from", "to", "direction", "method"].map((name) => parameters[name])]);
      if (key === asked) { all.answered(s.answered); single.answered(s.answered); return; }
      asked = key;
      askAll();
    }

    function askAll() {
      const { from, to } = span(parameters, fallback), { link, direction, method } = parameters;
      const question = { site: siteNamed(state()), link, direction, method, from: iso(from), to: iso(to), series: false, limit: most };
      all.ask((signal) => get("/throughput", question, signal), (transfers) => { answer = { transfers, from, to }; return draw(); });
    }

    function draw() {
      ends.forEach((end) => end());
      ends = [];
      const { transfers, from, to } = answer, groups = grouped(transfers, (t) => t.link), links = [...groups.keys()].sort();
      if (!transfers.length) return note("No throughput was tested in this period. Tests are made where transfer is configured, or by perigee probe --transfer.");
      const shown = parameters.rows === "all" ? links : links.slice(0, mostLinks);
      showOne();
      return [
        transfers.length === most && note(`Only the newest ${most.toLocaleString("en")} tests of the period are shown: choose a shorter one, or one link.`),
        one,
        shown.map((name) => of(name, groups.get(name), from, to)),
        links.length > shown.length && button(`show all ${links.length.toLocaleString("en")} links`, () => go({ rows: "all" })),
        el("section", { class: "sheet" }, el("h3", {}, "Tests ", el("span", {}, transfers.length.toLocaleString("en"))), list(transfers, { isChosen, address: (t) => write("throughput", { ...parameters, ...named(t) }) })),
      ];
    }

    // of draws what one link's tests say together.
    function of(name, transfers, from, to) {
      const known = state().links.find((l) => l.link === name && l.site === transfers[0].site), split = transfers.filter((t) => t.pep_suspected);
      const times = overTime({ transfers, plan: known?.plan, from, to, name, isChosen, chosen: (t) => go(named(t), { step: true }) }), loaded = latency(transfers);
      ends.push(times.end, ...(loaded ? [loaded.end] : []));
      return el("section", { class: "sheet" },
        el("h3", {}, el("bdi", {}, name), el("span", {}, ` ${orbitWords(known?.orbit)}`, ` ${transfers.length.toLocaleString("en")} tests`)),
        times.nodes, ways(transfers, known?.plan, name),
        loaded && [el("h4", {}, "Latency idle and loaded"), loaded.nodes],
        split.length > 0 && note(`A proxy (PEP) is suspected in ${split.length} of ${transfers.length} tests: ${split.at(-1).pep_text}.`));
    }

    // showOne shows the test that the address names, else the newest.
    function showOne() {
      const newest = answer.transfers.at(-1);
      const chosen = parameters.test ? { ...parameters, test_link: parameters.test_link ?? parameters.link } : newest && named(newest);
      if (!chosen) return;
      const key = JSON.stringify([chosen.test, chosen.test_link, chosen.test_direction]);
      if (key === askedOne) return;
      askedOne = key;
      const at = Date.parse(chosen.test);
      title.replaceChildren(chosen.test_direction ?? "", " over ", el("bdi", {}, chosen.test_link ?? ""), ", ", moment(chosen.test), el("span", {}, parameters.test ? "" : " the newest test"));
      const question = { site: siteNamed(state()), link: chosen.test_link, direction: chosen.test_direction, from: chosen.test, to: Number.isFinite(at) ? iso(at / 1000 + 1) : null };
      single.ask((signal) => get("/throughput", question, signal), (found) => {
        endOne?.();
        const t = found.find((t) => t.time === chosen.test) ?? found[0];
        if (!t) return note("There is no such test.");
        const drawn = test(t, state().links.find((l) => l.link === t.link && l.site === t.site));
        endOne = drawn.end;
        return drawn.nodes;
      });
    }

    function update(p) {
      const before = parameters;
      parameters = p;
      const former = asked;
      show(state());
      if (!answer || asked !== former) return;
      const moved = before.test !== p.test || before.test_link !== p.test_link || before.test_direction !== p.test_direction;
      if (moved || before.rows !== p.rows) all.redraw(draw);
      if (!moved || !p.test) return;
      one.scrollIntoView({ block: "start" });
      title.focus({ preventScroll: true });
    }

    function event(kind) {
      if (kind !== "throughput" || parameters.to || waiting) return;
      waiting = setTimeout(() => { waiting = 0; if (asked) askAll(); }, 1000);
    }

    show(state());
    return { update, links: show, event, end() { clearTimeout(waiting); ends.forEach((end) => end()); endOne?.(); } };
  },
};

const iso = (seconds) => new Date(seconds * 1000).toISOString();
