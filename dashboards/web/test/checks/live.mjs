// What the monitor stores shows without asking: the age of data falls when a window comes.
import { open, settled } from "../browser.mjs";

export async function live(t) {
  const tab = await open(t.browser, t.url + "/#/now");
  await settled(tab.page);
  await tab.page.waitForFunction(() => document.getElementById("connection").textContent === "live", undefined, { timeout: 30_000 });
  const before = await times(tab.page);
  if (!before) t.fail("no card tells up to when its data are");
  // Nothing is asked by this check: a window of ten seconds comes by the stream.
  await tab.page.waitForFunction((b) => [...document.querySelectorAll(".card")].map((c) => c.textContent.match(/data up to (\S+),/)?.[1]).join() !== b, before, { timeout: 45_000 });
  t.note(`data up to ${before}, then to ${await times(tab.page)}`);
  for (const w of tab.wrong()) t.fail(w);
  await tab.close();
}

// times returns up to when each card says that its data are.
const times = (page) => page.evaluate(() => [...document.querySelectorAll(".card")].map((c) => c.textContent.match(/data up to (\S+),/)?.[1]).join());
