// What links are called, and how they are told apart in drawings: by colour, by dash, and
// always by name as well.

import { el } from "./dom.js";

// Eight colours that people with any colour vision tell apart on either ground, as steps
// of the style sheet (--series-0 to --series-7).
const colours = 8;
const dashes = [[], [8, 4], [2, 3], [12, 4, 2, 4]];

// looks returns how the links named are drawn, in the order given: { colour, dash } each.
// The colours repeat after eight, with another dash.
export function looks(names) {
  const style = getComputedStyle(document.documentElement);
  return new Map(names.map((name, i) => [name, {
    index: i % colours,
    colour: style.getPropertyValue("--series-" + (i % colours)).trim(),
    dash: dashes[Math.floor(i / colours) % dashes.length],
  }]));
}

// identify is what tells a link of one site from that of another.
export const identify = (site, link) => JSON.stringify([site, link]);

// named returns what a link is called; among several sites, with its own.
export const named = (site, link, several) => (several ? site + " " : "") + (link === null ? "all links" : link);

// stream is what tells a stream from all others: s has target, method, family and load.
export const stream = (site, link, s) => JSON.stringify([site, link, s.target, s.method, s.family, s.load]);

// streamWords says what a stream is to.
export const streamWords = (s) => `to ${s.target}${s.family === "ipv6" ? " over IPv6" : ""}${s.load === "idle" ? "" : ", beside a transfer " + s.load}`;

const orbits = { starlink: "Starlink", leo: "LEO", meo: "MEO", geo: "GEO", cellular: "cellular", terrestrial: "terrestrial" };

// orbitWords names an orbit as people do; an orbit that is not known here by itself.
export const orbitWords = (orbit) => orbits[orbit] || orbit || "";

// States of links, with a mark each, so that colour is not all that tells.
export const stateWords = { up: "● up", degraded: "▲ degraded", down: "■ down", silent: "○ silent", unmeasured: "– unmeasured" };

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

// isolated returns a sentence of ours with those names in it that are written from right to
// left set apart, so that they do not turn what stands around them.
export function isolated(text, names) {
  let parts = [text];
  for (const name of new Set(names.filter((n) => rightToLeft.test(n)))) {
    parts = parts.flatMap((part) => (typeof part === "string" ? part.split(name).flatMap((piece, i) => (i ? [el("bdi", {}, name), piece] : [piece])) : [part]));
  }
  return parts;
}

// pairView names two links.
export const pairView = (a, b, between = " and ") => el("span", { class: "pair" }, el("bdi", {}, a), between, el("bdi", {}, b));
