// The colours that drawings are made in, from the style sheet, so that they follow light
// and dark.

const dark = matchMedia("(prefers-color-scheme: dark)");

// colour returns what a variable of the style sheet, like --ink, is at present.
export const colour = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

// tint returns a function that tells a colour as it is at present. A colour that is one of
// the series' is told anew after light has turned to dark, however it was named.
export function tint(named) {
  if (!named.startsWith("--")) {
    const variable = series.find((v) => colour(v) === named);
    if (!variable) return () => named;
    named = variable;
  }
  return () => colour(named);
}
const series = Array.from({ length: 8 }, (_, i) => "--series-" + i);

// faint returns a colour of the style sheet, which are written #rrggbb, as one to see
// through.
export const faint = (c, opacity) => (/^#[0-9a-f]{6}$/i.test(c) ? c + Math.round(opacity * 255).toString(16).padStart(2, "0") : c);

// turned calls f whenever light turns to dark or back. It returns what ends that.
export function turned(f) {
  dark.addEventListener("change", f);
  return () => dark.removeEventListener("change", f);
}
