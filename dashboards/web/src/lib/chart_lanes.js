// Draws below a chart, in a lane for each series, where probes had no answer: a gap of the
// line that is an outage, and one in which nothing was measured, would look the same.

import { colour } from "./ground.js";

const bar = 5, between = 2, above = 9; // pixels

// laneHeight is how much lanes take, in pixels.
const laneHeight = (n) => (n ? above + n * (bar + between) : 0);

// lanes returns { height, draw, set } for the series that tell what is missing.
export function lanes(series, tints) {
  let shares = pick(series);
  const colours = tints.filter((_, i) => series[i].missing);
  return {
    height: laneHeight(shares.length),
    set(series) { shares = pick(series); },
    draw(u) {
      if (!shares.length) return;
      const { ctx } = u, dpr = devicePixelRatio, { left, top, width, height } = u.bbox;
      ctx.save();
      ctx.font = `${11 * dpr}px system-ui, sans-serif`;
      ctx.fillStyle = colour("--quiet");
      ctx.textAlign = "right";
      ctx.textBaseline = "middle";
      ctx.fillText("loss", left - 8 * dpr, top + height + ((above + laneHeight(shares.length)) / 2 + 1) * dpr);
      ctx.beginPath();
      ctx.rect(left, top + height, width, laneHeight(shares.length) * dpr);
      ctx.clip();
      shares.forEach((missing, i) => {
        ctx.fillStyle = colours[i]();
        lane(u, missing, top + height + (above + i * (bar + between)) * dpr, bar * dpr);
      });
      ctx.restore();
    },
  };
}

const pick = (series) => series.filter((s) => s.missing).map((s) => s.missing);

// lane draws the worst of the steps that fall on a pixel, once. Steps are as wide as they
// are long, and at least two pixels, so that a loss is seen; bars are as high as the root
// of what is missing, so that one in ten is seen too.
function lane(u, missing, y, height) {
  const times = u.data[0], [first, last] = u.series[0].idxs || [0, times.length - 1];
  const { left, width } = u.bbox, { min, max } = u.scales.x;
  const perSecond = width / (max - min), step = times.length > 1 ? (times[1] - times[0]) * perSecond : width;
  const wide = Math.max(step, 2);
  let x = NaN, worst = 0;
  const flush = () => {
    if (!(worst > 0)) return;
    const h = height * Math.max(Math.sqrt(worst), 0.3);
    u.ctx.fillRect(x, y + height - h, wide, h);
  };
  for (let i = first; i <= last; i++) {
    if (!(missing[i] > 0)) continue;
    const at = Math.round(left + (times[i] - min) * perSecond);
    if (at !== x) { flush(); x = at; worst = 0; }
    worst = Math.max(worst, missing[i]);
  }
  flush();
}
