// What a person chooses by. A control is left alone while nothing about it changes, so that
// it keeps the focus and an open list.

import { el } from "./dom.js";

// bar puts controls side by side.
export function bar(label, ...children) {
  return el("div", { class: "controls", role: "group", "aria-label": label }, children);
}

// select is a list to choose one of: { node, set(options, value) }. Options are [value, text]
// or { group, options }; chosen is told the value.
export function select(label, chosen) {
  const list = el("select", { onchange: () => chosen(list.value) });
  const node = el("label", {}, el("span", {}, label), list);
  let drawn = "";
  const option = ([value, text]) => el("option", { value, dir: "auto" }, text);
  return {
    node,
    set(options, value) {
      const now = JSON.stringify(options);
      if (now !== drawn) list.replaceChildren(...options.map((o) => (o.group === undefined ? option(o) : el("optgroup", { label: o.group }, o.options.map(option)))));
      drawn = now;
      if (list.value !== (value ?? "")) list.value = value ?? "";
    },
  };
}

// row puts bars side by side, where there is room.
export const row = (...bars) => el("div", { class: "bars" }, bars);

export const button = (text, pressed, attributes) => el("button", { type: "button", ...attributes, onclick: pressed }, text);
