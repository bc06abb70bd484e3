import { el } from "../lib/dom.js";

export const slots = {
  id: "slots",
  title: "Slots",
  draw({ root }) {
    root.append(el("h2", {}, "Slots"));
    return {};
  },
};
