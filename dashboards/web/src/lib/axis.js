// Where axes have their ticks, and how these are written.

import { plain } from "./format.js";

// linear returns about count round numbers from low to high.
export function linear(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

// logarithmic returns 1, 2 and 5 times powers of ten from low to high.
export function logarithmic(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const m of [1, 2, 5]) {
      const v = Number(`${m}e${power}`);
      if (v >= low * 0.999 && v <= high * 1.001) ticks.push(v);
    }
  }
  return ticks;
}

const sizes = { seconds: () => [1000, " ms"], ratio: () => [100, " %"], bits_per_second: rateSize };

function rateSize(bits) {
  const size = Math.abs(bits);
  return size >= 1e9 ? [1e-9, " Gbit/s"] : size >= 1e6 ? [1e-6, " Mbit/s"] : size ? [1e-3, " kbit/s"] : [1, ""];
}

// tick writes a round number of a unit of the interface as short as it can be.
export function tick(value, unit) {
  if (!sizes[unit]) return plain(value, unit);
  const [size, name] = sizes[unit](value);
  return Number((value * size).toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "−") + name;
}
