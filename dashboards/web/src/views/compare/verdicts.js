// The figure of verdicts: each pair in a sentence, with what must be read with it.

import { csv } from "../../lib/csv.js";
import { download, el, replace } from "../../lib/dom.js";
import { swatch } from "../../lib/drawing.js";
import { availability, milliseconds, percent, plain } from "../../lib/format.js";
import { isolated, pairView } from "../../lib/links.js";
import { words } from "../../lib/period.js";
import { paired } from "./comparison.js";
import { button, figure, table } from "./figure.js";

const needsTwo = "A comparison needs two links measured to the same target.";
const most = 40; // sentences that are shown at once

// verdicts returns { root, wait(promise), draw(q, answer), alone() }; alone says why there
// are none of a single link.
export function verdicts() {
  const f = figure("Verdicts", "compare-verdicts"), list = el("ul", { class: "sentences" }), numbers = el("details", { hidden: true });
  f.body.append(list, numbers);
  let q = null, answer = null;
  f.tools.append(button("CSV", () => answer && download(`perigee-${answer.metric}-pairs.csv`, "text/csv", pairsCSV(answer))));
  return {
    root: f.root,
    wait: f.wait,
    alone() {
      f.note("");
      replace(list, el("li", { class: "quiet" }, needsTwo));
      numbers.hidden = true;
    },
    draw(question, got) {
      q = question;
      answer = got;
      const all = paired(answer.pairs), firm = answer.pairs.filter((p) => p.p_corrected !== null).length;
      f.note([`${q.kind.title}, ${words(Date.parse(answer.from) / 1000, Date.parse(answer.to) / 1000)}.`,
        firm > 1 ? `Corrected for ${firm} comparisons asked together (Holm).` : ""].join(" "));
      const told = answer.pairs.filter((p) => p.windows > 0), [ofAll, ofLinks] = repeated(told, answer.by === null ? q.names : []), common = [...ofAll, ...ofLinks];
      const items = answer.by === null ? all.map(({ pairs: [p] }) => sentence(p, common)) : all.map((pair) => divided(pair, common));
      const said = [...answer.warnings, ...ofAll.map((w) => "Of all: " + w), ...ofLinks].map((w) => el("li", {}, el("small", { class: "warning" }, isolated(w, q.names))));
      replace(list, said, shorten(items), all.length ? [] : el("li", { class: "quiet" }, needsTwo));
      replace(numbers, el("summary", {}, "What each link did"), summary(q, answer));
      numbers.hidden = !answer.links.length;
    },
  };
}

// repeated returns what is said of all pairs, and what is said of a link with several of
// its pairs: to be said once.
function repeated(pairs, names) {
  const counts = new Map();
  for (const w of pairs.flatMap((p) => p.warnings)) counts.set(w, (counts.get(w) || 0) + 1);
  const several = [...counts].filter(([, n]) => n > 1), all = several.filter(([, n]) => n === pairs.length).map(([w]) => w);
  const named = several.map(([w]) => w).filter((w) => names.some((n) => w.startsWith(n + " ") || w.startsWith(n + ":")));
  return [all.filter((w) => !named.includes(w)), named];
}

// shorten hides all but the first items behind a button.
function shorten(items) {
  if (items.length <= most) return items;
  const rest = items.slice(most), more = el("li", {}, button(`${rest.length.toLocaleString("en")} more`, () => more.replaceWith(...rest)));
  return [...items.slice(0, most), more];
}

function sentence(p, common) {
  const warnings = p.warnings.filter((w) => !common.includes(w));
  const beside = [
    p.p_corrected === null ? "" : p.p_corrected < 0.001 ? "p < 0.001" : `p = ${p.p_corrected.toPrecision(2)}`,
    p.probability_a_lower === null ? "" : `a value of ${p.a} is lower than one of ${p.b} in ${percent(p.probability_a_lower)} %`,
    p.windows ? `${p.windows.toLocaleString("en")} ${p.windows === 1 ? "window" : "windows"} in common, at ${p.target}` : "",
  ].filter(Boolean).join(" · ");
  return el("li", { class: p.enough_data ? "" : "unsure" }, pairView(p.a, p.b), el("span", {}, isolated(p.verdict, [p.a, p.b])),
    el("small", {}, isolated(beside, [p.a, p.b])), warnings.map((w) => el("small", { class: "warning" }, isolated(w, [p.a, p.b]))));
}

// divided is a pair with its groups behind it.
function divided({ a, b, pairs }, common) {
  const firm = pairs.filter((p) => p.enough_data), claimed = firm.filter((p) => p.p_corrected !== null && p.p_corrected < 0.05);
  const text = `${pairs.length} ${pairs.length === 1 ? "group" : "groups"}: a difference in ${claimed.length}, none claimed in ${firm.length - claimed.length}, not enough data in ${pairs.length - firm.length}`;
  return el("li", {}, el("details", {}, el("summary", {}, pairView(a, b), text), el("ul", { class: "sentences" }, shorten(pairs.map((p) => sentence(p, common))))));
}

function summary(q, { links, by }) {
  const ms = (v) => (v === null ? "—" : milliseconds(v) + " ms"), rates = q.kind.unit === "bits_per_second";
  const heading = ["link", ...(by === null ? [] : ["group"]), "target", "sent", "lost", "availability",
    ...(rates ? ["transfers", "rate p5", "rate p50", "rate p95"] : ["RTT p50", "RTT p95", "RTT p99", "jitter (RFC 3550)", "above the floor"])];
  return table("What each link did", heading, links.map((l) => [
    el("span", { class: "named" }, q.looks.has(l.link) && swatch(q.looks.get(l.link)), el("bdi", {}, l.link)), ...(by === null ? [] : [l.group]), el("bdi", {}, l.target),
    l.counts.sent.toLocaleString("en"), percent(l.loss_ratio) + (l.loss_ratio === null ? "" : " %"), availability(l.availability) + (l.availability === null ? "" : " %"),
    ...(rates
      ? [l.throughput_bits_per_second.transfers, ...["0.05", "0.5", "0.95"].map((p) => plain(l.throughput_bits_per_second.quantiles[p], "bits_per_second"))]
      : [...["0.5", "0.95", "0.99"].map((p) => ms(l.rtt_seconds.quantiles[p])), ms(l.jitter_seconds), ms(l.floor_excess_seconds.median)]),
  ]));
}

// pairsCSV writes the pairs with all that was told of their differences.
function pairsCSV({ pairs, metric, unit }) {
  const kinds = ["median_difference", "p95_difference", "p99_difference"], parts = ["estimate", "low", "high"];
  const heading = ["metric", "a", "b", "target", "group", ...kinds.flatMap((k) => parts.map((part) => `${k}_${part}_${unit}`)),
    "probability_a_lower", "kolmogorov_distance", "p_corrected", "windows", "window_seconds", "enough_data", "verdict", "warnings"];
  return csv(heading, pairs.map((p) => [metric, p.a, p.b, p.target, p.group, ...kinds.flatMap((k) => parts.map((part) => p[k][part])),
    p.probability_a_lower, p.kolmogorov_distance, p.p_corrected, p.windows, p.window_seconds, p.enough_data, p.verdict, p.warnings.join("; ")]));
}

