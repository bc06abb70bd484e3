// What links are called, and how they are told apart in drawings: by colour, by dash, and
// always by name as well.

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
