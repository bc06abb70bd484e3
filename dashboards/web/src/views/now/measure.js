// Measures a link when a person asks for it, and shows how that does.

import { abandoned, get, post } from "../../lib/api.js";
import { el, setText } from "../../lib/dom.js";
import { bytes, milliseconds, percent, rate } from "../../lib/format.js";

const every = 1000; // milliseconds

// measure returns the element that does so for a link.
export function measure(link, signal) {
  const said = el("p", { class: "caption", role: "status" });
  const button = (method, text) => el("button", { type: "button", onclick: () => begin({ link, method }) }, text);
  const buttons = [button("icmp", "Measure latency"), button("transfer", "Measure throughput")];
  const root = el("div", { class: "measure" }, buttons, said);

  async function begin(request) {
    for (const b of buttons) b.disabled = true;
    try {
      let probe = await post("/probes", request);
      while (probe.state === "queued" || probe.state === "running") {
        setText(said, how(probe));
        await wait(every, signal);
        probe = await get("/probes/" + encodeURIComponent(probe.id), {}, signal);
      }
      setText(said, probe.state === "failed" ? `■ ${probe.problem.detail}. ${probe.problem.remedy}` : outcome(probe));
    } catch (error) {
      if (!abandoned(error)) setText(said, "■ " + error.message);
    } finally {
      for (const b of buttons) b.disabled = false;
    }
  }
  return root;
}

function wait(length, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, length);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

function how({ state, progress: p }) {
  if (state === "queued") return "waits for its turn: one link carries one transfer at a time";
  if (!p) return "is being measured …";
  const error = p.error_ratio === null ? "" : ` ± ${percent(p.error_ratio)} %`;
  return `${p.direction}, ${p.phase}: ${rate(p.bits_per_second).join(" ")}${error}, ${bytes(p.bytes)} in ${p.elapsed_seconds.toFixed(0)} s`;
}

function outcome({ samples, throughputs }) {
  const latency = samples.map((s) => {
    const q = s.rtt_seconds.quantiles;
    return `RTT to ${s.target}: ${q["0.5"] === null ? "no replies" : `median ${milliseconds(q["0.5"])} ms, p95 ${milliseconds(q["0.95"])} ms`}, loss ${percent(s.loss_ratio)} %, ${s.counts.sent} probes`;
  });
  const rates = throughputs.map((t) => `${t.direction} ${rate(t.bits_per_second).join(" ")}${t.error_ratio === null ? "" : ` ± ${percent(t.error_ratio)} %`}`);
  return [...latency, ...rates].join("; ") || "nothing was measured";
}
