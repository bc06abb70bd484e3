// What drawings in SVG share: they are made as wide as there is room, so that what is
// written in them is as large as elsewhere.

import { replace, svg } from "./dom.js";

// fitted shows in container what draw(width) makes, and makes it anew where the width
// changes. It returns { redraw(), end() }.
export function fitted(container, draw) {
  let width = 0;
  const redraw = () => { if (width) replace(container, draw(width)); };
  const watch = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width) return;
    width = now;
    redraw();
  });
  watch.observe(container);
  return { redraw, end: () => watch.disconnect() };
}

// swatch shows how a link is drawn.
export function swatch(look) {
  return svg("svg", { class: "swatch s" + look.index, viewBox: "0 0 26 11", "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 26, y1: 5.5, y2: 5.5, "stroke-dasharray": dashes(look) }));
}

// dashes writes a look's dash as SVG wants it; null if the line is whole.
export const dashes = (look) => (look.dash.length ? look.dash.join(" ") : null);

// runs returns the stretches of items that follow each other, each of which has a value;
// where one has none, or next(a, b) says that b does not follow a, there is a gap.
export function runs(items, has, next = () => true) {
  const all = [];
  let run = [];
  for (const item of items) {
    if (run.length && (!has(item) || !next(run.at(-1), item))) { all.push(run); run = []; }
    if (has(item)) run.push(item);
  }
  if (run.length) all.push(run);
  return all;
}
