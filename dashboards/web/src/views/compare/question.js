// What is compared: read from the address, and from what is known of links where the
// address leaves it open.

import { identify } from "../../lib/links.js";
import { range } from "../../lib/period.js";
import { list } from "../../lib/route.js";

const first = 4; // links, if none are chosen

// metrics are those that links are compared by: which unit they have, whether a value per
// packet (quantiles), a series or a distribution.
export const metrics = {
  rtt: { title: "round-trip time", unit: "seconds", quantiles: true, series: true, distribution: true },
  loss_ratio: { title: "loss", unit: "ratio", series: true },
  jitter: { title: "jitter (RFC 3550)", unit: "seconds", series: true },
  pdv: { title: "PDV: round trip above the least", unit: "seconds", quantiles: true, series: true, distribution: true },
  availability: { title: "availability", unit: "ratio", series: true },
  throughput_down: { title: "throughput down", unit: "bits_per_second", transfers: (t) => (t.direction === "down" && t.steady ? t.bits_per_second : null) },
  throughput_up: { title: "throughput up", unit: "bits_per_second", transfers: (t) => (t.direction === "up" && t.steady ? t.bits_per_second : null) },
  rtt_loaded: { title: "round-trip time under load", unit: "seconds", quantiles: true, transfers: (t) => t.rtt_loaded_seconds.p50 },
};

// groupings are by what a comparison can be divided, and in words.
export const groupings = {
  hour: "hour of the day", weekday: "weekday", day: "day", phase: "second of Starlink's slots", load: "load", target: "target", family: "IP version",
};
const zoned = ["hour", "weekday", "day"];

export const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

// atSite returns the links of the site that the parameters name, or else of the first that
// has data.
export function atSite({ links, sites }, parameters) {
  const site = parameters.site || links.find((l) => l.last !== null)?.site || sites[0];
  return links.filter((l) => l.site === site);
}

// missing returns the parameters that the address leaves open though it must not, so that
// whoever opens it sees the same; null if there are none, or nothing is known to choose
// from.
export function missing(state, parameters) {
  const known = atSite(state, parameters), add = {};
  if (!known.length) return null;
  if (!parameters.links) add.links = defaults(known).join(",");
  if (!parameters.site && state.sites.length > 1) add.site = known[0].site;
  if (zoned.includes(parameters.by) && !parameters.timezone) add.timezone = browserZone();
  if (!zoned.includes(parameters.by) && parameters.timezone) add.timezone = null;
  return Object.keys(add).length ? add : null;
}

export function defaults(known) {
  const measured = known.filter((l) => l.last !== null);
  return (measured.length ? measured : known).slice(0, first).map((l) => l.link);
}

// question reads what is asked; null while there is nothing to ask of. key tells questions
// apart.
export function question(state, parameters) {
  const known = atSite(state, parameters), names = list(parameters.links);
  if (!known.length || !names.length) return null;
  const metric = parameters.metric || "rtt", { from, to, moving } = range(parameters);
  const shared = { site: known[0].site, target: parameters.target, family: parameters.family, load: parameters.load };
  const asked = {
    ...shared, links: names.join(","), metric, from, to, by: parameters.by, timezone: zoned.includes(parameters.by) ? parameters.timezone : null,
    quantile: metrics[metric]?.quantiles ? parameters.quantile : null, baseline: names.includes(parameters.baseline) ? parameters.baseline : null,
  };
  return {
    asked, shared, names, metric, from, to, moving, detail: parameters.detail, kind: metrics[metric] || { title: metric, unit: "seconds" },
    quantile: metrics[metric]?.quantiles ? parameters.quantile || "0.5" : "0.5",
    looks: new Map(names.map((n) => [n, state.looks.get(identify(shared.site, n)) || { index: 7, dash: [2, 3] }])),
    key: JSON.stringify([asked, parameters.detail]),
  };
}
