// Listens to what the monitor stores, as it does.

import { base } from "./lib/api.js";

const kinds = ["sample", "throughput", "outage", "gap"];
const again = 30_000; // milliseconds until a stream that was refused is tried again

// listen returns an object whose follow(true) opens the event stream, unless it is open;
// the browser connects again by itself where it broke. on.opened(bool) is told whether it
// is open, on.event(kind, body) what came, on.refused() that there is none.
export function listen(on) {
  let events = null, notBefore = 0;
  return {
    follow(measures) {
      if (events || !measures || performance.now() < notBefore) return;
      events = new EventSource(base + "/live");
      events.onopen = () => on.opened(true);
      events.onerror = () => {
        on.opened(false);
        if (events.readyState !== EventSource.CLOSED) return;
        events = null;
        notBefore = performance.now() + again;
        on.refused();
      };
      for (const kind of kinds) events.addEventListener(kind, (e) => on.event(kind, JSON.parse(e.data)));
    },
  };
}
