import { el } from "../lib/dom.js";

export const heatmap = {
  id: "heatmap",
  title: "Heat map",
  draw({ root }) {
    root.append(el("h2", {}, "Heat map"));
    return {};
  },
};
