import { el } from "../lib/dom.js";

export const now = {
  id: "now",
  title: "Now",
  draw({ root }) {
    root.append(el("h2", {}, "Now"));
    return {};
  },
};
