// Lets a person choose and move the range of time that a view shows.

import { bar, button, select } from "./controls.js";
import { el, setText } from "./dom.js";
import { at, between, range, seconds, words } from "./period.js";

// span returns the range that parameters name, else the last fallback: { from, to } in Unix
// seconds, moving if it ends now, and asked, as the interface is to be asked.
export function span(parameters, fallback) {
  const { moving, ...asked } = range(parameters, fallback);
  const to = known(asked.to && at(asked.to)) ?? Date.now() / 1000;
  return { from: known(at(asked.from)) ?? to - seconds(fallback), to, moving, asked };
}

const known = (time) => (Number.isFinite(time) ? time : null);

// periodControl offers periods ([duration, text] each): { node, set(parameters) }.
export function periodControl(periods, fallback, go) {
  let shown = {};
  const list = select("Period", (value) => value !== "other" && go({ period: value, from: null, to: null }, { step: true }));
  const move = (way) => () => {
    const { from, to } = span(shown, fallback), by = way * (to - from), over = Math.max(to + by - Date.now() / 1000, 0);
    go(between(from + by - over, to + by - over), { step: true });
  };
  const later = button("later ▶", move(+1)), text = el("span", { class: "quiet" });
  return {
    node: bar("Period", list.node, button("◀ earlier", move(-1)), later, text),
    set(parameters) {
      shown = parameters;
      const { from, to, moving } = span(parameters, fallback), length = moving ? Math.round(to - from) : 0;
      const period = periods.find(([p]) => seconds(p) === length)?.[0];
      list.set(period ? periods : [...periods, ["other", "another"]], period ?? "other");
      later.disabled = moving;
      setText(text, words(from, to));
    },
  };
}
