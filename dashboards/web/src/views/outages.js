import { el } from "../lib/dom.js";

export const outages = {
  id: "outages",
  title: "Outages",
  draw({ root }) {
    root.append(el("h2", {}, "Outages"));
    return {};
  },
};
