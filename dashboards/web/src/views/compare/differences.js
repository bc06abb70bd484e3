// The figure of differences: by how much the first of a pair differs from the second, with
// the interval that the truth lies in; all on one axis, or over the groups of a divided
// comparison.

import { el, replace } from "../../lib/dom.js";
import { fitted } from "../../lib/drawing.js";
import { pairView } from "../../lib/links.js";
import { paint } from "../../lib/paint.js";
import { words } from "../../lib/period.js";
import { png } from "../../lib/picture.js";
import { interval, intervalWords, paired } from "./comparison.js";
import { groupsPlot } from "./differences_groups.js";
import { pairsPlot } from "./differences_pairs.js";
import { groupings } from "./question.js";
import { button, figure, table } from "./figure.js";

const mostPanels = 12, mostRows = 40; // that are drawn at once
const names = { 0.5: "median", 0.95: "95 % quantile", 0.99: "99 % quantile" };

// differences returns { root, show(bool), wait(promise), draw(q, answer), end() }.
export function differences() {
  const f = figure("Differences", "compare-differences"), numbers = el("details", { hidden: true }), place = el("div", { class: "panels" });
  f.tools.append(button("PNG", () => answer && picture()));
  f.body.append(place, numbers);
  let q = null, answer = null, all = [], drawings = [];

  function end() {
    drawings.forEach((d) => d.end());
    drawings = [];
  }

  // render draws most pairs, and a button for the rest.
  function render(most) {
    end();
    const shown = all.slice(0, most), divided = answer.by !== null;
    const panels = (divided ? shown : [null]).map(() => el("div", { class: "panel" }));
    place.className = divided ? "panels divided" : "panels";
    replace(place, panels, all.length > most ? el("p", {}, button(`${(all.length - most).toLocaleString("en")} more pairs`, () => render(Infinity))) : []);
    drawings = panels.map((panel, i) => fitted(panel, (width) => (divided ? groupsPlot(shown[i], q, answer, width) : pairsPlot(shown, q, answer, width))));
  }

  // what says whose difference it is.
  function what() {
    const of = q.kind.quantiles ? names[q.quantile] : q.kind.unit === "ratio" ? "ratio" : "mean";
    return `${q.kind.title}, difference of the ${of}, first minus second, with its 95 % interval${answer.by === null ? "" : ", by " + groupings[answer.by]}`;
  }

  function picture() {
    const drawn = [...place.querySelectorAll("svg")], gap = 16;
    png(`perigee-${answer.metric}-differences`, {
      title: `${q.shared.site}: ${q.kind.title}, differences`, lines: [what(), words(Date.parse(answer.from) / 1000, Date.parse(answer.to) / 1000)], legend: [],
      width: Math.max(...drawn.map((s) => s.clientWidth)), height: drawn.reduce((sum, s) => sum + s.clientHeight + gap, 0),
      draw(ctx) {
        for (const s of drawn) {
          paint(ctx, s);
          ctx.translate(0, s.clientHeight + gap);
        }
      },
    });
  }

  return {
    root: f.root,
    show: f.show,
    wait: f.wait,
    draw(question, got) {
      q = question;
      answer = got;
      all = paired(answer.pairs).filter(({ pairs }) => pairs.some((p) => interval(p, q.quantile).estimate !== null));
      f.show(all.length > 0);
      f.note(what() + ". Where there is too little data there is no interval.");
      numbers.hidden = false;
      render(answer.by === null ? mostRows : mostPanels);
      const rows = all.flatMap(({ a, b, pairs }) => pairs.map((p) => [pairView(a, b, " − "), ...(answer.by === null ? [] : [p.group]), intervalWords(interval(p, q.quantile), answer.unit), p.enough_data ? "yes" : "no"]));
      replace(numbers, el("summary", {}, "The numbers"), table("Differences", ["pair", ...(answer.by === null ? [] : ["group"]), "difference and interval", "enough data"], rows.slice(0, 500)));
    },
    end,
  };
}
