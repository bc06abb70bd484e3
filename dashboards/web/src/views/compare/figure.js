// What the figures of the view Compare share: a heading with buttons, a place that shows
// whether it waits, and what went wrong.

import { abandoned } from "../../lib/api.js";
import { el, setText } from "../../lib/dom.js";

// figure returns { root, body, tools, note, wait(promise), show(bool) }. wait marks the
// body busy, keeping what it shows, until the promise is settled, and says why it failed.
export function figure(title, id) {
  const trouble = el("p", { class: "notice", role: "alert", hidden: true }), note = el("p", { class: "quiet note" });
  const body = el("div", { class: "body" }), tools = el("div", { class: "tools" });
  const root = el("section", { class: "figure", "aria-labelledby": id }, el("div", { class: "heading" }, el("h2", { id }, title), tools), note, trouble, body);
  let last = null;
  return {
    root, body, tools,
    note: (text) => { setText(note, text || ""); note.hidden = !text; },
    show: (shown) => { root.hidden = !shown; },
    async wait(promise) {
      last = promise;
      body.setAttribute("aria-busy", "true");
      try {
        const answer = await promise;
        if (last !== promise) return;
        trouble.hidden = true;
        return answer;
      } catch (error) {
        if (last !== promise || abandoned(error)) return;
        // What keeps all figures from being drawn is said by the first that knows.
        const said = [...document.querySelectorAll(".figure > .notice:not([hidden])")].some((e) => e !== trouble && e.textContent === error.message);
        trouble.hidden = said;
        setText(trouble, said ? "" : error.message);
      } finally {
        if (last === promise) body.removeAttribute("aria-busy");
      }
    },
  };
}

export const button = (text, onclick, attributes) => el("button", { type: "button", onclick, ...attributes }, text);

// table returns a table of rows, whose first cells head them; numbers are strings by then.
export function table(caption, heading, rows) {
  return el("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, heading.map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", {}, rows.map(([head, ...cells]) => el("tr", {}, el("th", { scope: "row" }, head), cells.map((c) => el("td", {}, c)))))));
}
