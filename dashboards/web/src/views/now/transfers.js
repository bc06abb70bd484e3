// The last transfers of links, and what their budgets have left.

import { abandoned, get } from "../../lib/api.js";
import { el, replace, setText, svg } from "../../lib/dom.js";
import { bytes, milliseconds, moment, percent, rate } from "../../lib/format.js";
import { identify } from "../../lib/links.js";
import { figure } from "./stream.js";

const every = 60_000, told = 10 * 60_000; // milliseconds; where the monitor tells of new ones
const mark = { stretched: "▲ ", waiting: "▲ ", used_up: "■ " };

// transfers returns { refresh(state), take(transfer), of(link), budget(link) }. changed is
// called when there is something new.
export function transfers({ signal, changed }) {
  const newest = new Map(); // by link: { down, up }
  let budgets = new Map(), at = -Infinity, budgetsAt = -Infinity;
  const add = (t) => newest.set(identify(t.site, t.link), { ...newest.get(identify(t.site, t.link)), [t.direction]: t });
  return {
    async refresh({ live, monitor }) {
      const now = performance.now(), all = [];
      if (now - at > (live ? told : every)) {
        at = now;
        all.push(get("/throughput", { from: "7d", limit: 1000, series: false }, signal).then((list) => list.forEach(add)));
      }
      if (monitor?.budgets && now - budgetsAt > every) {
        budgetsAt = now;
        all.push(get("/budget", {}, signal).then((list) => { budgets = new Map(list.map((b) => [identify(b.site, b.link), b])); }));
      }
      if (!all.length) return;
      const failed = (await Promise.allSettled(all)).some((o) => o.status === "rejected" && !abandoned(o.reason));
      if (failed) at = budgetsAt = now - every + 10_000; // soon
      changed();
    },
    take(t) { add(t); budgetsAt = -Infinity; changed(); },
    of: (link) => newest.get(identify(link.site, link.link)) || {},
    budget: (link) => budgets.get(identify(link.site, link.link)) || null,
  };
}

// transferView returns { root, update(transfers, budget) }.
export function transferView() {
  const down = figure("down"), up = figure("up"), added = figure("RTT added by load"), when = el("h4");
  const figures = el("div", {}, when, el("dl", { class: "figures" }, down.root, up.root, added.root));
  const left = el("div", { class: "budget" });
  const root = el("div", { class: "stream" }, figures, left);
  const write = (f, t) => {
    f.set(...(t ? rate(t.bits_per_second) : [null]));
    f.note(t && t.error_ratio !== null ? `± ${percent(t.error_ratio)} %` : t && !t.steady ? "not steady" : "");
  };
  return {
    root,
    update(t, budget) {
      const all = [t.down, t.up].filter(Boolean), limited = budget !== null && budget.state !== "none";
      root.hidden = !all.length && !limited;
      figures.hidden = !all.length;
      write(down, t.down);
      write(up, t.up);
      const loads = all.map((x) => x.rtt_increase_seconds).filter((v) => v !== null);
      added.set(loads.length ? milliseconds(Math.max(...loads)) : null, "ms");
      setText(when, all.length ? "throughput, last transfer " + moment(all.map((x) => x.time).sort().at(-1)) : "");
      replace(left, limited ? budgetView(budget) : []);
    },
  };
}

// budgetView says what is left of a budget: as a bar, and in words.
function budgetView(b) {
  const share = Math.min(Math.max(b.left_bytes / b.allowance_bytes, 0), 1);
  const until = new Date(b.period_end).toLocaleDateString([], { day: "numeric", month: "short" });
  return [
    el("p", { class: "usual" + (mark[b.state] ? " marked" : "") }, `${mark[b.state] || ""}${bytes(Math.max(b.left_bytes, 0))} left of ${bytes(b.allowance_bytes)}, until ${until}`),
    svg("svg", { class: "meter", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "whole", width: 100, height: 6 }), svg("rect", { class: mark[b.state] ? "left low" : "left", width: 100 * share, height: 6 })),
    mark[b.state] ? el("p", { class: "caption" }, b.state_text) : null,
  ];
}
