// Writes numbers as a person reads them. Base units come in, and null, which is undefined,
// is a dash.

export const none = "—";

// milliseconds writes seconds, without the unit.
export function milliseconds(seconds) {
  if (seconds === null) return none;
  const ms = seconds * 1000;
  return ms.toFixed(Math.abs(ms) < 10 ? 2 : Math.abs(ms) < 100 ? 1 : 0);
}

// percent writes a ratio, without the sign.
export function percent(ratio) {
  if (ratio === null) return none;
  if (ratio === 0) return "0";
  const p = ratio * 100;
  return Math.abs(p) < 0.1 ? "< 0.1" : p.toFixed(Math.abs(p) < 10 ? 1 : 0);
}

// availability writes a ratio close to one, without the sign.
export function availability(ratio) {
  if (ratio === null) return none;
  const p = ratio * 100;
  return p === 100 ? "100" : Math.min(p, 99.999).toFixed(p < 99 ? 1 : 3);
}

export function duration(seconds) {
  if (seconds === null) return none;
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " days";
}

// rate returns bits per second as a number and its unit.
export function rate(bits) {
  if (bits === null) return [none, ""];
  const [size, unit] = bits >= 1e9 ? [1e9, "Gbit/s"] : bits >= 1e6 ? [1e6, "Mbit/s"] : [1e3, "kbit/s"];
  const n = bits / size;
  return [n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0), unit];
}

export function bytes(n) {
  if (n === null) return none;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return (i ? n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0) : n) + " " + units[i];
}

// moment writes a time of day, with the date unless it is today.
export function moment(time) {
  const t = new Date(time), today = new Date().toDateString() === t.toDateString();
  const clock = t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return today ? clock : t.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" }) + " " + clock;
}

// plain writes a value of a unit of the interface: seconds, ratio or bits_per_second.
export function plain(value, unit) {
  if (value === null) return none;
  if (unit === "seconds") return milliseconds(value) + " ms";
  if (unit === "ratio") return percent(value) + " %";
  if (unit === "bits_per_second") return rate(value).join(" ");
  return String(value);
}
