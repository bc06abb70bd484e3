import { el } from "../lib/dom.js";

export const compare = {
  id: "compare",
  title: "Compare",
  draw({ root }) {
    root.append(el("h2", {}, "Compare"));
    return {};
  },
};
