// The view Now: each link as it does at this moment.

import { el, replace } from "../lib/dom.js";
import { identify, stream } from "../lib/links.js";
import { card } from "./now/card.js";
import { choose, chooser, moreView } from "./now/choose.js";
import { history } from "./now/history.js";
import { measure } from "./now/measure.js";
import { recent } from "./now/recent.js";
import { transfers } from "./now/transfers.js";
import { usuals } from "./now/usual.js";

const drawEvery = 10; // seconds

export const now = {
  id: "now",
  title: "Now",
  draw({ root, parameters, state, signal, go }) {
    const box = el("div", { class: "cards" }), none = el("p", { class: "quiet", hidden: true });
    const choosing = chooser({ go }), more = moreView({ go }), slow = history({ signal });
    root.append(el("h2", { class: "unseen" }, "Links now"), choosing.root, none, box, more.root, slow.root);

    const cards = new Map(); // by link, those drawn
    const measuring = new Map(); // by link; they outlive what is drawn
    let links = [];
    const recently = recent({ signal, live: () => state().live, changed: drawStream });
    const usual = usuals({ signal, changed: (key) => drawCard(key) });
    const moved = transfers({ signal, changed: () => links.forEach((l) => drawCard(identify(l.site, l.link))) });

    // What takes an answer of its own is asked for cards within sight only.
    const sight = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const [key, c] = [...cards].find(([, c]) => c.root === entry.target) || [];
        if (!c) continue;
        c.seen = entry.isIntersecting;
        if (c.seen) ask(links.find((l) => identify(l.site, l.link) === key));
      }
    }, { rootMargin: "200px" });
    signal.addEventListener("abort", () => sight.disconnect());

    function ask(link) {
      if (!link || !state().answered) return;
      for (const s of link.last_minute) recently.want(stream(link.site, link.link, s), link, s);
      if (link.last_minute.length) usual.want(link);
    }

    function drawStream(key) {
      for (const c of cards.values()) if (c.keys().includes(key)) c.draw(key, recently.points(key));
    }

    function drawCard(key) {
      const c = cards.get(key), link = links.find((l) => identify(l.site, l.link) === key);
      if (!c || !link) return;
      const { sites, monitor } = state();
      if (monitor?.probes && !measuring.has(key)) measuring.set(key, measure(link.link, signal));
      c.update(link, {
        several: sites.length > 1, usual: (s) => usual.of(link, s),
        transfers: moved.of(link), budget: moved.budget(link), measure: monitor?.probes ? measuring.get(key) : null,
      });
      tick(c);
    }

    function tick(c) {
      const { at, answered } = state();
      c.tick((performance.now() - at) / 1000, answered);
    }

    function draw() {
      const { links: all, answered } = state();
      if (answered === null) return;
      const chosen = choose(all, parameters);
      links = chosen.shown;
      choosing.update(state(), parameters);
      more.update(chosen.more, links.length);
      none.hidden = links.length > 0;
      none.textContent = !answered && !all.length ? "" : all.length ? "No link is like that." : "No link is known yet.";
      const keys = links.map((l) => identify(l.site, l.link));
      for (const [key, c] of cards) {
        if (keys.includes(key)) continue;
        sight.unobserve(c.root);
        cards.delete(key);
      }
      for (const key of keys) {
        if (cards.has(key)) continue;
        const c = card();
        cards.set(key, c);
        sight.observe(c.root);
      }
      const order = keys.map((k) => cards.get(k).root);
      if (order.length !== box.childElementCount || order.some((r, i) => r !== box.children[i])) replace(box, order);
      keys.forEach(drawCard);
      for (const link of links) if (cards.get(identify(link.site, link.link)).seen) ask(link);
      if (answered) {
        moved.refresh(state());
        slow.refresh(state(), chosen.more ? chosen.matching : links);
      }
    }

    // What is drawn moves on even if nothing comes: silence shows.
    let ticks = 0;
    const ticking = setInterval(() => {
      cards.forEach(tick);
      if (++ticks % drawEvery) return;
      for (const c of cards.values()) if (c.seen) c.keys().forEach((key) => c.draw(key, recently.points(key)));
    }, 1000);
    draw();
    let live = state().live;
    return {
      update(now) { parameters = now; slow.soon(); draw(); },
      links() {
        if (state().live && !live) recently.missed();
        live = state().live;
        draw();
      },
      event(kind, body) {
        if (kind === "sample") recently.take(body);
        else if (kind === "throughput") moved.take(body);
        else slow.soon();
      },
      end() { clearInterval(ticking); },
    };
  },
};
