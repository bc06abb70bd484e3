// Shows numbers as tables, and hands them out as files.

import { button } from "./controls.js";
import { csv } from "./csv.js";
import { download, el } from "./dom.js";

const mostRows = 300; // of a table on the page; the file has all

// scroller lets what is wider than the page be moved by finger and by keyboard.
export const scroller = (label, child) => el("div", { class: "scroller", role: "region", "aria-label": label, tabindex: 0 }, child);

// table makes a table of rows of text, numbers or elements. The first column names the row.
export function table(caption, head, rows) {
  return scroller(caption, el("table", { class: "numbers" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.map((c) => el("td", {}, c)))))));
}

// numbers is the way from a drawing to its numbers: a table that opens, and the same as a
// file. It is made when it is opened.
export function numbers(title, file, head, rows) {
  const box = el("details", { class: "unfold", ontoggle: () => {
    if (!box.open || box.children.length > 1) return;
    box.append(table(title, head, rows.slice(0, mostRows).map((r) => r.map((c) => c ?? "—"))));
    if (rows.length > mostRows) box.append(el("p", { class: "quiet" }, `The first ${mostRows} of ${rows.length.toLocaleString("en")} rows; the file has all.`));
    box.append(button("Download as CSV", () => download(file, "text/csv", csv(head, rows))));
  } }, el("summary", {}, title));
  return box;
}
