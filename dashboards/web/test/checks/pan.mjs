// How smoothly a chart pans: the same window drawn at each frame of the screen, moved a
// little each time, over few points and over many.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { open, settled } from "../browser.mjs";

const frames = 120;

// pan draws each of t.points in turn, with bands, and notes as JSON the median and the 95th
// percentile of the times between frames, and of the work of one, in milliseconds.
export async function pan(t) {
  const web = fileURLToPath(new URL("../..", import.meta.url));
  const bundle = await build({
    stdin: { contents: `export { timeChart } from "./src/lib/chart.js";`, resolveDir: web },
    bundle: true, write: false, format: "iife", globalName: "underTest",
  });
  const tab = await open(t.browser, t.url + "/#/outages");
  await settled(tab.page);
  await tab.page.evaluate(bundle.outputFiles[0].text + "; window.underTest = underTest; undefined");
  for (const points of t.points) {
    const took = await tab.page.evaluate(measure, { points, frames });
    if (!(took.coloured > 0.005)) t.fail(`${points} points: nothing is drawn`);
    t.note(JSON.stringify({ points, ...took }));
  }
  for (const w of tab.wrong()) t.fail(w);
  await tab.close();
}

// measure runs in the page.
async function measure({ points, frames }) {
  const root = document.createElement("div");
  document.getElementById("view").replaceChildren(root);
  const times = new Float64Array(points), values = new Array(points), low = new Array(points), high = new Array(points);
  let level = 0.04;
  for (let i = 0; i < points; i++) {
    times[i] = 1_700_000_000 + i;
    if (i % 15 === 0) level = 0.03 + 0.02 * ((i * 7919) % 101) / 101;
    const lost = i % 997 < 3;
    values[i] = lost ? null : level + 0.001 * ((i * 31) % 17);
    low[i] = lost ? null : level - 0.004;
    high[i] = lost ? null : level + 0.02;
  }
  const from = times[0], span = points, window = span * 0.9;
  const made = underTest.timeChart(root, { times, series: [{ label: "one", colour: "#0b6bb8", values, low, high }], unit: "seconds", from, to: from + window, label: "panned" });
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  const between = [], work = [];
  let before = await frame();
  for (let i = 0; i < frames; i++) {
    const at = from + (span - window) * (i / frames), began = performance.now();
    made.chart.setScale("x", { min: at, max: at + window });
    await Promise.resolve(); // where the drawing is done
    work.push(performance.now() - began);
    const now = await frame();
    between.push(now - before);
    before = now;
  }
  const canvas = root.querySelector("canvas"), pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let coloured = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 32 && Math.max(pixels[i], pixels[i + 2]) - Math.min(pixels[i], pixels[i + 2]) > 48) coloured++;
  made.end();
  const of = (list, q) => list.toSorted((a, b) => a - b)[Math.floor(q * (list.length - 1))];
  return {
    between: of(between, 0.5), between95: of(between, 0.95), work: of(work, 0.5), work95: of(work, 0.95),
    coloured: coloured / (canvas.width * canvas.height),
  };
}
