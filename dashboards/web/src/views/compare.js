// The view Compare: how links compare over a range, and how sure that is.

import { abandoned, get } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { chooser } from "./compare/choose.js";
import { differences } from "./compare/differences.js";
import { distribution } from "./compare/distribution.js";
import { missing, question } from "./compare/question.js";
import { series } from "./compare/series.js";
import { verdicts } from "./compare/verdicts.js";

const again = 60_000, slow = 30; // milliseconds until a range that ends now is compared again; how many times as long as an answer took

export const compare = {
  id: "compare",
  title: "Compare",
  draw({ root, parameters, state, signal, go }) {
    const controls = chooser({ go }), empty = el("p", { class: "quiet", hidden: true });
    const over = series({ go, ranged: controls.ranged }), spread = distribution(), said = verdicts(), apart = differences();
    const parts = el("div", {}, over.root, said.root, apart.root, spread.root);
    root.append(el("h2", { class: "unseen" }, "Compare links"), controls.root, empty, parts);

    let asked = "", asking = new AbortController(), timer = 0;
    signal.addEventListener("abort", () => asking.abort());

    // comparing asks what takes the monitor longest, and again from time to time if the
    // range ends now and somebody looks.
    async function comparing(q, its) {
      clearTimeout(timer);
      apart.show(q.names.length > 1);
      if (q.names.length < 2) return said.alone();
      const began = performance.now(), answer = get("/compare", q.asked, its);
      answer.catch(() => {}); // is told where it is waited for
      const [got] = await Promise.all([said.wait(answer), apart.wait(answer.catch((error) => { if (abandoned(error)) throw error; }))]);
      if (its.aborted) return;
      if (got) {
        said.draw(q, got);
        apart.draw(q, got);
      }
      if (q.moving) timer = setTimeout(look, Math.max(again, slow * (performance.now() - began)));
      function look() {
        if (document.visibilityState !== "visible") return void (timer = setTimeout(look, again));
        comparing(q, its);
        spread.draw(q, its);
      }
    }

    function ask() {
      const add = missing(state(), parameters);
      // What is chosen here is written into the address, which draws again; not before the
      // frame knows of this view.
      if (add) return queueMicrotask(() => signal.aborted || go(add));
      const q = question(state(), parameters);
      empty.hidden = q !== null || state().answered === null;
      empty.textContent = state().answered ? "No link is known yet: there is nothing to compare." : "";
      controls.root.hidden = parts.hidden = q === null;
      if (q === null) return;
      controls.update(state(), parameters);
      over.show(parameters);
      if (q.key === asked) return;
      asked = q.key;
      asking.abort();
      asking = new AbortController();
      over.draw(q, asking.signal);
      spread.draw(q, asking.signal);
      comparing(q, asking.signal);
    }

    ask();
    return {
      update(now) { parameters = now; ask(); },
      links: ask,
      end() {
        clearTimeout(timer);
        for (const part of [over, spread, apart]) part.end();
      },
    };
  },
};
