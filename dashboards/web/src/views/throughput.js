import { el } from "../lib/dom.js";

export const throughput = {
  id: "throughput",
  title: "Throughput",
  draw({ root }) {
    root.append(el("h2", {}, "Throughput"));
    return {};
  },
};
