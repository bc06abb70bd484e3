// The figure of series: how the links went over time, all in one chart.

import { timeChart } from "../../lib/chart.js";
import { csv } from "../../lib/csv.js";
import { download, el, replace, setText } from "../../lib/dom.js";
import { swatch } from "../../lib/drawing.js";
import { moment, none, percent, plain } from "../../lib/format.js";
import { colour } from "../../lib/ground.js";
import { between, shifts, words } from "../../lib/period.js";
import { png } from "../../lib/picture.js";
import { askNewer, askSeries, askTransfers, grid, scatter } from "./columns.js";
import { button, figure } from "./figure.js";

const newer = 20; // seconds at least until the newest step is asked for again
const wide = 8;   // from what ratio of highest to lowest on an axis is logarithmic, unless a person says

// series returns { root, draw(q, signal), show(parameters), end() }; show draws what is
// there as the parameters axis and detail say. ranged is told what range is shown.
export function series({ go, ranged }) {
  const f = figure("Over time", "compare-series"), legend = el("ul", { class: "legend" }), when = el("p", { class: "quiet when" });
  const place = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": "Chart; the arrow keys move what is read" });
  const axis = el("select", { "aria-label": "Axis", onchange: () => go({ axis: axis.value || null }) },
    [["", "axis: as fits"], ["linear", "axis: linear"], ["log", "axis: logarithmic"]].map(([value, text]) => el("option", { value }, text)));
  const detail = el("select", { "aria-label": "Steps", onchange: () => go({ detail: detail.value || null }) },
    [["", "steps: up to 500"], ["finest", "steps: as short as can be"]].map(([value, text]) => el("option", { value }, text)));
  const shift = (how, text, label) => button(text, () => { if (data) move(...shifts[how](...shown)); }, { "aria-label": label });
  f.tools.append(shift("earlier", "◀", "Earlier"), shift("later", "▶", "Later"), shift("in", "+", "Zoom in"), shift("out", "−", "Zoom out"),
    button("last hour", () => go({ period: null, from: null, to: null }, { step: true })), axis, detail,
    button("CSV", () => data && save()), button("PNG", () => data && picture()));
  f.body.append(place, when, legend);
  place.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key];
    if (!by || !chart) return;
    e.preventDefault();
    chart.read(by);
  });

  // move shows another range: at once with what there is, then with what is asked for.
  function move(from, to) {
    shown = [from, to];
    chart.chart.setScale("x", { min: from, max: to });
    go(between(from, to), { step: true });
  }

  let q = null, shown = null, data = null, columns = null, chart = null, made = "", timer = 0, values = [], wished = "";

  // render draws data: into the chart that is there, if it has as many series of a kind.
  function render() {
    columns = q.kind.transfers ? scatter(data) : grid(data);
    const log = logarithmic(), quantiles = q.kind.quantiles && !q.kind.transfers;
    const all = columns.links.map((l) => {
      const look = q.looks.get(l.name);
      return {
        label: l.name, colour: "--series-" + look.index, dash: look.dash, values: l.values, dots: Boolean(q.kind.transfers),
        ...(quantiles && { low: l.low, high: l.high }), ...(q.kind.quantiles && l.missing && { missing: l.missing }),
      };
    });
    const label = describe(all);
    const kind = JSON.stringify([q.names, q.metric, log]);
    if (chart && kind === made) chart.set({ times: columns.times, series: all, from: data.from, to: data.to, label });
    else {
      chart?.end();
      drawLegend();
      chart = timeChart(place, {
        times: columns.times, series: all, unit: data.unit, from: data.from, to: data.to, label, log, zero: data.unit === "bits_per_second", height: 300,
        zoomed: move, pointed: read,
      });
      place.perigee = chart.chart;
      made = kind;
    }
    shown = [data.from, data.to];
    ranged(...shown);
    f.note(noteText(log));
    const { left, idx } = chart.chart.cursor;
    read(left >= 0 ? idx ?? null : null);
  }

  function noteText(log) {
    const points = q.kind.transfers ? "each transfer" : `steps of ${span(data.step)}`;
    return `${q.kind.title}, ${log ? "logarithmic, " : ""}${points}${q.kind.quantiles && !q.kind.transfers ? ", median, and 5 % to 95 % as a band" : ""}. ${words(data.from, data.to)}`;
  }

  // logarithmic is an axis if asked for, or if one of the links would otherwise be a flat
  // line below the others.
  function logarithmic() {
    if (data.unit === "ratio" || wished === "linear") return false;
    const some = columns.links.flatMap((l) => { const m = middle(l.values); return m === null ? [] : [m]; });
    if (!some.length || Math.min(...some) <= 0) return false;
    return wished === "log" || Math.max(...some) / Math.min(...some) > wide;
  }

  function describe(all) {
    const each = all.map((s) => { const m = middle(s.values); return `${s.label}: ${m === null ? "no data" : "half of the values below " + plain(m, data.unit)}`; });
    return `${q.kind.title} over time, ${words(data.from, data.to)}. ${each.join("; ")}`;
  }

  function drawLegend() {
    values = q.names.map(() => el("span", { class: "value" }));
    replace(legend, q.names.map((name, i) => el("li", {}, swatch(q.looks.get(name)), el("bdi", {}, name), values[i])));
  }

  // read writes into the legend what is at index i, or the newest where nothing is pointed
  // at.
  function read(i) {
    const { times, links } = columns;
    setText(when, i === null ? "newest values" : moment(times[i] * 1000));
    links.forEach((l, k) => {
      const at = i ?? l.values.findLastIndex((v, j) => v !== null || l.missing?.[j] != null);
      setText(values[k], at < 0 ? none : value(l, at, data.unit, q.kind.quantiles));
    });
  }

  // follow asks for what is new, while somebody looks and the range ends now.
  function follow(signal) {
    clearTimeout(timer);
    if (!q.moving || signal.aborted) return;
    timer = setTimeout(async () => {
      if (document.visibilityState === "visible" && data) {
        try {
          const fresh = q.kind.transfers ? await askTransfers(q, signal) : await askNewer(data, q, signal);
          if (signal.aborted) return;
          data = fresh;
          render();
        } catch { /* the frame says when the monitor does not answer */ }
      }
      follow(signal);
    }, Math.max(newer, q.kind.transfers ? 60 : Math.min(data?.step ?? newer, 600)) * 1000);
  }

  function save() {
    const names = q.kind.quantiles && !q.kind.transfers ? ["p5_seconds", "p50_seconds", "p95_seconds"] : [`${q.metric}_${data.unit}`];
    const rows = [];
    columns.times.forEach((t, i) => {
      for (const l of columns.links) {
        if (l.values[i] === null && l.missing?.[i] == null) continue;
        const some = names.length === 3 ? [l.low[i], l.values[i], l.high[i]] : [l.values[i]];
        rows.push([new Date(t * 1000).toISOString(), l.name, ...some, l.missing?.[i] ?? null]);
      }
    });
    download(`perigee-${q.metric}-series.csv`, "text/csv", csv(["time", "link", ...names, "loss_ratio"], rows));
  }

  function picture() {
    const { canvas } = chart.chart.ctx, width = canvas.width / devicePixelRatio, height = canvas.height / devicePixelRatio;
    png(`perigee-${q.metric}-series`, {
      title: `${q.shared.site}: ${q.kind.title}`, lines: [words(data.from, data.to), noteText(logarithmic()).split(". ")[0]], width, height,
      draw: (ctx) => ctx.drawImage(canvas, 0, 0, width, height),
      legend: q.names.map((name, i) => ({ text: `${name}  ${values[i].textContent}`, colour: colour("--series-" + q.looks.get(name).index), dash: q.looks.get(name).dash })),
    });
  }

  return {
    root: f.root,
    async draw(question, signal) {
      clearTimeout(timer);
      const answer = await f.wait(question.kind.transfers ? askTransfers(question, signal) : askSeries(question, signal));
      if (!answer || signal.aborted) return;
      q = question;
      data = answer;
      render();
      follow(signal);
    },
    show(parameters) {
      axis.value = parameters.axis || "";
      detail.value = parameters.detail || "";
      if (wished === axis.value) return;
      wished = axis.value;
      if (data) render();
    },
    end() { clearTimeout(timer); chart?.end(); },
  };
}

function value(l, i, unit, quantiles) {
  const v = l.values[i], band = l.low?.[i] != null ? ` (${plain(l.low[i], unit).replace(/ \S+$/, "")}–${plain(l.high[i], unit)})` : "";
  const loss = quantiles && l.missing?.[i] > 0 ? `, loss ${percent(l.missing[i])} %` : "";
  return (v === null ? "no replies" : plain(v, unit)) + band + loss;
}

// middle is the median of values; null of none.
function middle(values) {
  const some = Float64Array.from(values.filter((v) => v !== null)).sort();
  return some.length ? some[Math.floor(some.length / 2)] : null;
}

const span = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${s / 60} min` : s < 86400 ? `${s / 3600} h` : `${s / 86400} days`);
