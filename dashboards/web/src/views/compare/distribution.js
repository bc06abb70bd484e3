// The figure of distributions: for each link, the share of values at or below each value.

import { abandoned, get } from "../../lib/api.js";
import { logarithmic, tick } from "../../lib/axis.js";
import { csv } from "../../lib/csv.js";
import { download, el, replace, setText, svg } from "../../lib/dom.js";
import { dashes, fitted, swatch } from "../../lib/drawing.js";
import { milliseconds, percent } from "../../lib/format.js";
import { colour } from "../../lib/ground.js";
import { isolated } from "../../lib/links.js";
import { paint } from "../../lib/paint.js";
import { words } from "../../lib/period.js";
import { png } from "../../lib/picture.js";
import { button, figure, table } from "./figure.js";

const usual = [0.007, 2];  // seconds: from the lowest floor of a satellite to a busy GEO link
const least = 0.0001;      // seconds; below it a logarithmic axis shows nothing of use
const height = 300, left = 46, right = 14, bottom = 34, labelHeight = 15;

// distribution returns { root, draw(q, signal), end() }.
export function distribution() {
  const f = figure("Distribution", "compare-distribution"), plot = el("div", { class: "plot", tabindex: "0", role: "group", "aria-label": "Distribution; the arrow keys move what is read" });
  const reading = el("p", { class: "quiet reading" }), numbers = el("div");
  f.tools.append(button("CSV", () => answer && save()), button("PNG", () => answer && picture()));
  f.body.append(plot, reading, numbers);

  let q = null, answer = null, axes = null, at = null; // seconds that are read
  const drawing = fitted(plot, (width) => (answer ? draw(width) : []));

  function draw(width) {
    axes = scales(answer.links, width, q.metric);
    const picture = svg("svg", { class: "cdf", width, height: axes.height, viewBox: `0 0 ${width} ${axes.height}`, role: "img", "aria-label": describe() },
      frame(axes), floors(axes), answer.links.flatMap((l) => curve(l, axes, q.looks.get(l.link))), svg("line", { class: "cursor", y1: axes.top, y2: axes.height - bottom, visibility: "hidden" }));
    picture.addEventListener("pointermove", (e) => read(axes.value(e.clientX - picture.getBoundingClientRect().left)));
    picture.addEventListener("pointerleave", () => read(null));
    return picture;
  }

  // read says how much of each link lies at or below a value.
  function read(value) {
    at = value;
    const cursor = plot.querySelector(".cursor");
    cursor?.setAttribute("visibility", value === null ? "hidden" : "visible");
    if (value === null) return setText(reading, "Point at the curves to read how much of each link's round trips are at or below a time.");
    cursor?.setAttribute("x1", axes.x(value));
    cursor?.setAttribute("x2", axes.x(value));
    const each = answer.links.map((l) => `${l.link} ${l.points.length ? percent(share(l.points, value)) + " %" : "no data"}`);
    replace(reading, isolated(`At or below ${milliseconds(value)} ms: ${each.join(" · ")}`, q.names));
  }

  plot.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key];
    if (!by || !axes) return;
    e.preventDefault();
    read(axes.value(Math.min(Math.max((at === null ? axes.x(axes.from) : axes.x(at)) + by * 8, axes.x(axes.from)), axes.x(axes.to))));
  });

  function describe() {
    return `${q.kind.title}, share of values at or below: ` + answer.links.map((l) => (l.points.length ? `${l.link}: half at or below ${milliseconds(quantile(l.points, 0.5))} ms, 95 % at or below ${milliseconds(quantile(l.points, 0.95))} ms` : `${l.link}: no data`)).join("; ");
  }

  function drawNumbers() {
    const ms = (v) => milliseconds(v) + (v === null ? "" : " ms");
    replace(numbers, table("Quantiles of each link", ["link", "p5", "p50", "p95", "p99", "lost", "sent", "least by physics"], answer.links.map((l) => [
      el("span", { class: "named" }, swatch(q.looks.get(l.link)), el("bdi", {}, l.link)),
      ...[0.05, 0.5, 0.95, 0.99].map((p) => ms(quantile(l.points, p))), percent(l.loss_ratio) + (l.loss_ratio === null ? "" : " %"), l.counts.sent.toLocaleString("en"), ms(l.floor_seconds),
    ])));
  }

  const save = () => download(`perigee-${q.metric}-distribution.csv`, "text/csv", csv(["link", "share", q.metric + "_seconds"], answer.links.flatMap((l) => l.points.map((p) => [l.link, p.p, p.value]))));

  function picture() {
    const drawn = plot.querySelector("svg");
    png(`perigee-${q.metric}-distribution`, {
      title: `${q.shared.site}: distribution of the ${q.kind.title}`, lines: [words(Date.parse(answer.from) / 1000, Date.parse(answer.to) / 1000)],
      width: drawn.clientWidth, height: drawn.clientHeight, draw: (ctx) => paint(ctx, drawn),
      legend: answer.links.map((l) => ({
        text: `${l.link}: p50 ${milliseconds(quantile(l.points, 0.5))} ms, p95 ${milliseconds(quantile(l.points, 0.95))} ms, lost ${percent(l.loss_ratio)} %`,
        colour: colour("--series-" + q.looks.get(l.link).index), dash: q.looks.get(l.link).dash,
      })),
    });
  }

  return {
    root: f.root,
    async draw(question, signal) {
      f.show(Boolean(question.kind.distribution));
      if (!question.kind.distribution) return;
      const { asked } = question;
      const got = await f.wait(get("/distribution", { ...question.shared, links: asked.links, metric: asked.metric, from: asked.from, to: asked.to }, signal));
      if (!got || signal.aborted) return;
      q = question;
      answer = { ...got, links: got.links.filter((l) => question.looks.has(l.link)) };
      f.note(`${q.kind.title} of answered probes: a probe that was lost has none, and its share is beside. The axis is logarithmic${answer.links.some((l) => l.floor_seconds !== null && q.metric === "rtt") ? "; dotted lines are the least that physics allows" : ""}.`);
      drawing.redraw();
      drawNumbers();
      read(null);
    },
    end: () => drawing.end(),
  };
}

// quantile is the value below which a share p of points lies, between those told.
function quantile(points, p) {
  if (!points.length) return null;
  const i = points.findIndex((x) => x.p >= p);
  if (i <= 0) return points[Math.max(i, 0)].value;
  const [a, b] = [points[i - 1], points[i]];
  return a.value + ((b.value - a.value) * (p - a.p)) / (b.p - a.p || 1);
}

// share is how much lies at or below a value.
function share(points, value) {
  const i = points.findLastIndex((x) => x.value <= value);
  if (i < 0) return 0;
  if (i === points.length - 1) return 1;
  const [a, b] = [points[i], points[i + 1]];
  return a.p + ((b.p - a.p) * (value - a.value)) / (b.value - a.value || 1);
}

// scales puts values onto width: over the usual range, or further if values are outside.
function scales(links, width, metric) {
  const marks = floorMarks(links, metric), top = 8 + marks.length * labelHeight;
  const some = links.filter((l) => l.points.length), low = Math.max(Math.min(...some.map((l) => l.points[0].value)), least), high = Math.max(...some.map((l) => l.points.at(-1).value));
  const whole = metric === "rtt" ? usual : [low, high];
  const from = Math.min(whole[0], some.length ? below(low) : usual[0]), to = Math.max(whole[1], some.length ? -below(-high) : usual[1]);
  const span = Math.log(to / from), inner = width - left - right;
  return {
    width, height: height + top, top, from, to, marks,
    x: (v) => left + (inner * Math.log(Math.max(v, from) / from)) / span,
    value: (x) => Math.min(Math.max(from * Math.exp(((x - left) / inner) * span), from), to),
    y: (p) => top + (1 - p) * (height - bottom),
  };
}

// below is the nearest of 1, 2 and 5 times powers of ten below v; of a negative one above.
function below(v) {
  const size = Math.abs(v), ticks = logarithmic(size / 10, size * 10);
  return v < 0 ? -ticks.find((t) => t >= size) : ticks.findLast((t) => t <= size);
}

function frame(a) {
  let ticks = logarithmic(a.from, a.to);
  if (ticks.length * 52 > a.width) ticks = ticks.filter((t) => /^1/.test(t.toExponential()));
  return [
    [0, 0.25, 0.5, 0.75, 0.95, 1].flatMap((p) => [
      svg("line", { class: "grid", x1: left, x2: a.width - right, y1: a.y(p), y2: a.y(p) }),
      svg("text", { class: "tick", x: left - 6, y: a.y(p) + (p === 1 ? 2 : 5), "text-anchor": "end" }, `${p * 100} %`),
    ]),
    ticks.flatMap((t) => [
      svg("line", { class: "grid", x1: a.x(t), x2: a.x(t), y1: a.top, y2: a.y(0) }),
      svg("text", { class: "tick", x: Math.min(a.x(t), a.width - 32), y: a.y(0) + 18, "text-anchor": "middle" }, tick(t, "seconds")),
    ]),
  ];
}

// floorMarks are the least round trips that physics allows, each once, with whose they are.
function floorMarks(links, metric) {
  const marks = new Map();
  for (const l of metric === "rtt" ? links : []) {
    if (l.floor_seconds === null) continue;
    const key = l.floor_seconds.toPrecision(4);
    marks.set(key, { value: l.floor_seconds, names: [...(marks.get(key)?.names || []), l.link] });
  }
  return [...marks.values()].sort((a, b) => a.value - b.value);
}

function floors(a) {
  return a.marks.flatMap(({ value, names }, i) => {
    const x = a.x(value), y = 12 + i * labelHeight, end = x > a.width * 0.6;
    const whose = names.slice(0, 2).join(", ") + (names.length > 2 ? ` and ${names.length - 2} more` : "");
    return [
      svg("line", { class: "floor", x1: x, x2: x, y1: y + 2, y2: a.y(0) }),
      svg("text", { class: "tick", x: end ? x - 4 : x + 4, y, "text-anchor": end ? "end" : "start" }, `floor of ${whose}: ${milliseconds(value)} ms`),
    ];
  });
}

function curve(l, a, look) {
  if (!l.points.length) return [];
  const path = l.points.map((p, i) => `${i ? "L" : "M"}${a.x(p.value).toFixed(1)},${a.y(p.p).toFixed(1)}`).join("");
  return [
    svg("path", { class: `curve s${look.index}`, d: path, "stroke-dasharray": dashes(look) }),
    [0.5, 0.95].map((p) => svg("circle", { class: `dot s${look.index}`, cx: a.x(quantile(l.points, p)), cy: a.y(p), r: 3.5 },
      svg("title", {}, `${l.link}: p${p * 100} ${milliseconds(quantile(l.points, p))} ms`))),
  ];
}
