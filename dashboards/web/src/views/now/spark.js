// Draws the last minutes of a stream small: median, band and loss. Where nothing was
// measured there is nothing.

import { svg } from "../../lib/dom.js";
import { runs } from "../../lib/drawing.js";
import { milliseconds } from "../../lib/format.js";
import { minutes } from "./recent.js";

const width = 300, height = 50, floor = 44; // of the drawing, which is stretched

// spark returns the drawing and what stands below it, in words.
export function spark(points) {
  const end = Date.now() / 1000, start = end - minutes * 60;
  const shown = points.filter((p) => p.start >= start - 1);
  const step = usualStep(shown), x = (t) => ((t - start) / (end - start)) * width;
  const some = shown.filter((p) => p.mid !== null);
  const least = Math.min(...some.map((p) => p.low)), most = Math.max(...some.map((p) => p.high));
  const y = (v) => 2 + (floor - 6) * (1 - (v - least) / Math.max(most - least, 1e-6));
  const lost = shown.filter((p) => p.missing > 0).length;
  const range = some.length ? `${milliseconds(least)}–${milliseconds(most)} ms` : "no replies";
  const label = (some.length ? `Round-trip time of the last ${minutes} minutes: ${milliseconds(least)} to ${milliseconds(most)} ms` : `No round-trip times in the last ${minutes} minutes`) +
    (shown.length ? `; loss in ${lost} of ${shown.length} windows` : "");

  const path = (run, of) => run.map((p) => `${x(p.start).toFixed(1)},${y(of(p)).toFixed(1)}`);
  const drawn = runs(shown, (p) => p.mid !== null, (a, b) => b.start - a.start < 1.5 * step).flatMap((run) => {
    const whole = run.length > 1 ? run : [run[0], { ...run[0], start: run[0].start + step }];
    return [
      svg("polygon", { class: "band", points: [...path(whole, (p) => p.high), ...path(whole, (p) => p.low).reverse()].join(" ") }),
      svg("polyline", { class: "line", points: path(whole, (p) => p.mid).join(" ") }),
    ];
  });
  const losses = shown.filter((p) => p.missing > 0).map((p) => {
    const h = 1.5 + 4.5 * p.missing;
    return svg("rect", { class: "loss", x: x(p.start).toFixed(1), y: height - h, width: Math.max((step / (end - start)) * width - 0.5, 1).toFixed(1), height: h });
  });
  const drawing = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("line", { class: "base", x1: 0, x2: width, y1: floor, y2: floor }), drawn, losses);
  return { drawing, range };
}

// usualStep is how far apart points lie as a rule, in seconds.
function usualStep(points) {
  const steps = points.slice(1).map((p, i) => p.start - points[i].start).sort((a, b) => a - b);
  return steps.length ? steps[Math.floor(steps.length / 2)] : 10;
}
