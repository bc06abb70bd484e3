// Asks a question of the interface for a part of a view, and says in words where there is
// no answer.

import { abandoned } from "./api.js";
import { button } from "./controls.js";
import { el, replace, setText } from "./dom.js";

// asker returns { ask(question, draw), again(), redraw(draw), answered(bool) } for a part of a view. A new
// question gives up the former one; what the former one drew stays, dimmed, until then.
export function asker(root, signal) {
  const status = el("p", { class: "quiet asking", role: "status" }), out = el("div", { class: "answer" });
  root.append(status, out);
  let running = null, last = null, failed = false;
  async function ask(question, draw) {
    running?.abort();
    const mine = running = new AbortController(), stop = () => mine.abort();
    signal.addEventListener("abort", stop, { once: true });
    last = [question, draw];
    failed = false;
    out.setAttribute("aria-busy", "true");
    setText(status, "asking …");
    try {
      const answer = await question(mine.signal);
      if (mine.signal.aborted) return;
      const asOf = new Date().toLocaleTimeString([], { hour12: false });
      replace(out, draw(answer, mine.signal));
      replace(status, `as of ${asOf} `, button("ask again", again));
    } catch (error) {
      if (abandoned(error) || mine.signal.aborted) return;
      failed = !error.status || error.status >= 500;
      setText(status, "");
      replace(out, complaint(error), button("ask again", again));
    } finally {
      signal.removeEventListener("abort", stop);
      if (running === mine) out.removeAttribute("aria-busy");
    }
  }
  const again = () => last && ask(...last);
  return {
    ask, again,
    // redraw draws what was answered once more; not while a question runs, which will.
    redraw(draw) { if (!out.hasAttribute("aria-busy") && !failed) replace(out, draw()); },
    // answered is told whether the monitor answers: what failed because it did not is asked again.
    answered(it) { if (it && failed) again(); },
  };
}

// complaint says why there is nothing to see, and what to do. That there is not enough
// data is nobody's fault.
export function complaint(error) {
  if (error.code === "not_enough_data") return note(sentence(error.message));
  const text = error.status ? error.message : `The monitor does not answer (${error.message}).`;
  return el("p", { class: "notice", role: "alert" }, sentence(text));
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

// note says something calmly.
export const note = (...text) => el("p", { class: "remark" }, text);
