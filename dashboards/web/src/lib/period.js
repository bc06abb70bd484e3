// Ranges of time, as they stand in addresses: a period up to now, which moves on, or a
// beginning and an end.

const units = { s: 1, m: 60, h: 3600, d: 86400 };

// periods are those to choose from, as the interface writes them, and in words.
export const periods = [["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["365d", "1 year"]];

// seconds reads a duration like 90m or 1d12h; null if it is none.
export function seconds(text) {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  if (!parts.length || parts.map((p) => p[0]).join("") !== text) return null;
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

// at reads a moment, as the interface does, as Unix seconds: RFC 3339, Unix seconds or a
// duration before now; NaN if it is none.
export function at(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const ago = seconds(text);
  return ago === null ? Date.parse(text) / 1000 : Date.now() / 1000 - ago;
}

// written writes a duration in the largest unit that divides it.
export function written(length) {
  const unit = ["d", "h", "m"].find((u) => length >= units[u] && length % units[u] === 0) || "s";
  return length / units[unit] + unit;
}

// range reads the parameters period, from and to of an address as what the interface is
// to be asked: { from, to, moving }. moving is whether it ends now.
export function range(parameters, otherwise = "1h") {
  if (parameters.from) return { from: parameters.from, to: parameters.to || null, moving: !parameters.to };
  return { from: parameters.period || otherwise, to: null, moving: true };
}

// between returns the parameters of the range between two moments, in Unix seconds. What
// ends now, or later, is a period, so that it moves on.
export function between(from, to) {
  const now = Date.now() / 1000, whole = (t) => new Date(Math.round(t) * 1000).toISOString().replace(".000", "");
  if (to < now - 2) return { period: null, from: whole(from), to: whole(to) };
  const length = now - from, unit = length > 600 ? 60 : 1; // seconds that it is rounded to
  return { period: written(Math.max(Math.round(length / unit) * unit, 60)), from: null, to: null };
}

// shifts are what a range can be changed by without a pointer: each tells the new range of
// an old one, in Unix seconds. Its end does not lie in the future.
export const shifts = {
  earlier: (from, to) => [from - (to - from) / 2, to - (to - from) / 2],
  later: (from, to) => clip(from + (to - from) / 2, to + (to - from) / 2),
  in: (from, to) => (to >= Date.now() / 1000 - (to - from) / 20 ? [to - (to - from) / 2, to] : [from + (to - from) / 4, to - (to - from) / 4]),
  out: (from, to) => clip(from - (to - from) / 2, to + (to - from) / 2),
};

function clip(from, to) {
  const over = Math.max(to - Date.now() / 1000, 0);
  return [from - over, to - over];
}

// words writes a range, both in Unix seconds.
export function words(from, to) {
  const options = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
  const [a, b] = [from, to].map((t) => new Date(t * 1000));
  const end = a.toDateString() === b.toDateString() ? { hour: "2-digit", minute: "2-digit", hour12: false } : options;
  return `${a.toLocaleString([], options)} – ${b.toLocaleString([], end)}`;
}
