// The last minutes of streams, point by point: asked for once, then carried on by what the
// monitor tells as it stores it.

import { abandoned, get } from "../../lib/api.js";
import { stream } from "../../lib/links.js";
import { queue } from "../../lib/queue.js";

export const minutes = 15;
const askAgain = 20_000; // milliseconds, where nothing is told

// recent returns
//
//   want(key, link, s)  asks for a stream's points, unless they are known and told of
//   take(sample)        adds what the event stream told
//   missed()            says that something may not have been told
//   points(key)         what is known: { start, low, mid, high, missing } each
//
// changed(key) is called when a stream's points have changed.
export function recent({ signal, live, changed }) {
  const known = new Map(); // by stream: { points, at, whole }
  const run = queue(4);

  function want(key, link, s) {
    const k = known.get(key);
    if (k && (k.asking || (k.whole && live()) || performance.now() - k.at < askAgain)) return;
    const entry = { points: k?.points || [], at: performance.now(), whole: true, asking: true };
    known.set(key, entry);
    run(() => get("/series", { metric: "rtt", site: link.site, link: link.link, target: s.target, family: s.family, load: s.load, from: minutes + "m" }, signal))
      .then((answer) => {
        const told = entry.points, asked = answer.points.map((p) => point(p, p.start, p.quantiles));
        const last = asked.at(-1)?.start ?? -Infinity;
        entry.points = prune([...asked, ...told.filter((p) => p.start > last)]);
        changed(key);
      })
      .catch((error) => { if (!abandoned(error)) entry.whole = false; })
      .finally(() => { entry.asking = false; });
  }

  return {
    want,
    take(sample) {
      const entry = known.get(stream(sample.site, sample.link, sample));
      if (!entry) return;
      const added = point(sample, sample.start, sample.rtt_seconds.quantiles);
      const others = entry.points.filter((p) => p.start !== added.start);
      entry.points = prune([...others, added].sort((a, b) => a.start - b.start));
      changed(stream(sample.site, sample.link, sample));
    },
    missed() { for (const entry of known.values()) entry.whole = false; },
    points: (key) => known.get(key)?.points || [],
  };
}

// missing is the share of probes without an answer; what could not even be sent has none.
function point(statistics, start, quantiles) {
  const { sent, planned } = statistics.counts;
  return {
    start: Date.parse(start) / 1000, low: quantiles["0.05"], mid: quantiles["0.5"], high: quantiles["0.95"],
    missing: sent ? statistics.loss_ratio : planned ? 1 : 0,
  };
}

function prune(points) {
  const last = points.at(-1)?.start;
  return points.filter((p) => p.start > last - minutes * 60);
}
