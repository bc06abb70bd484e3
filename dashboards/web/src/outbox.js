// Says how forwarding to InfluxDB does: a quiet line, unless a person must act.

import { base, get } from "./lib/api.js";
import { byId, el, replace } from "./lib/dom.js";
import { moment } from "./lib/format.js";

const marks = { waiting: "▲ ", held: "▲ ", blocked: "■ " };

// drawOutbox asks and draws. It throws if the process that answers forwards nothing.
export async function drawOutbox(forwards) {
  if (!forwards) return draw(null);
  let outbox;
  try {
    outbox = await get("/outbox");
  } catch (error) {
    draw(error.status === 404 ? null : { state: "waiting", state_text: "how forwarding does is not known: " + error.message, problem: null, dead_letters: 0 });
    if (error.status === 404) throw error;
    return;
  }
  draw(outbox);
}

function draw(o) {
  const line = byId("outbox");
  line.hidden = o === null;
  if (o === null) return;
  line.className = "outbox " + o.state;
  const parts = [el("span", { class: "word" }, (marks[o.state] || "● ") + o.state_text)];
  if (o.problem) {
    const remedy = o.problem.remedy ? ". " + o.problem.remedy[0].toUpperCase() + o.problem.remedy.slice(1) : "";
    parts.push(`: ${o.problem.message}${remedy} (since ${moment(o.problem.since)})`);
  }
  if (o.dead_letters) {
    const them = o.dead_letters === 1 ? "1 result was" : o.dead_letters.toLocaleString("en") + " results were";
    parts.push(" · ", el("a", { class: "aside", href: base + "/outbox/dead-letters" }, them + " set aside, as InfluxDB does not take " + (o.dead_letters === 1 ? "it" : "them")));
  }
  // A status that is written anew is read out anew.
  const text = parts.map((p) => p.textContent ?? p).join("");
  if (line.textContent !== text) replace(line, ...parts);
}
