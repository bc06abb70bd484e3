// Lists transfers, newest first.

import { button } from "../../lib/controls.js";
import { el, replace } from "../../lib/dom.js";
import { bytes, milliseconds, moment, none, rate } from "../../lib/format.js";
import { numbers, table } from "../../lib/table.js";
import { plusMinus, wayOf } from "./way.js";

const page = 24; // rows until more are asked for

// list shows transfers; address(t) is that of one, isChosen(t) tells which is shown.
export function list(transfers, { address, isChosen }) {
  const newest = [...transfers].reverse(), out = el("div");
  const more = button("", () => show(shown + 2 * page));
  let shown = 0;
  const show = (n) => {
    shown = Math.min(n, newest.length);
    replace(out, table("Newest first; choose a time to see the test", ["time", "link", "direction", "rate", "error", "steady", "made with", "payload", "RTT added", "far end", "warnings"], newest.slice(0, shown).map((t) => [
      el("a", { href: address(t), "aria-current": isChosen(t) ? "true" : null }, moment(t.time)), el("bdi", {}, t.link), t.direction, rate(t.bits_per_second).join(" "), plusMinus(t), t.steady ? "yes" : "no",
      wayOf(t), bytes(t.bytes), t.rtt_increase_seconds === null ? none : milliseconds(t.rtt_increase_seconds) + " ms", el("bdi", {}, t.server), t.warnings.length || none])));
    more.textContent = `show more (${(newest.length - shown).toLocaleString("en")} left)`;
    more.hidden = shown === newest.length;
  };
  show(page);
  return [out, more, numbers("All of these as a table", "throughput.csv",
    ["began (UTC)", "link", "direction", "bits per second", "error ratio", "steady", "streams", "congestion", "method", "server", "bytes", "wire bytes", "ramp, s", "length, s", "stop", "RTT p50 idle, s", "RTT p50 loaded, s", "RPM", "warnings"],
    newest.map((t) => [t.time, t.link, t.direction, t.bits_per_second, t.error_ratio, t.steady, t.streams, t.congestion, t.method, t.server, t.bytes, t.wire_bytes, t.ramp_seconds, t.length_seconds, t.stop,
      t.rtt_idle_seconds.p50, t.rtt_loaded_seconds.p50, t.rpm, t.warnings.join("; ")]))];
}
