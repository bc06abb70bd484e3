// Every view, on each screen and in each scheme, loads, draws, fits and is accessible.
import { accessible, inked, malformed, open, overflow, screens, scrollThrough, settled } from "../browser.mjs";

// views opens t.views: [{ name, address, canvases, drawings, says }]; canvases and drawings
// are how many there must be at least that show something, says what must be read, until
// [selector, n] what is waited for, and allowed is a pattern of addresses whose answer may be
// an error. t.on names the screens and schemes, all if it is absent.
export async function views(t) {
  const all = Object.keys(screens).flatMap((screen) => ["light", "dark"].map((scheme) => [screen, scheme]));
  for (const [screen, scheme] of t.on || all) {
    for (const v of t.views) await view(t, v, screen, scheme);
  }
}

async function view(t, v, screen, scheme) {
  const where = `${v.name}, ${screen}, ${scheme}`;
  const tab = await open(t.browser, t.url + v.address, { screen, scheme, allowed: v.allowed });
  try {
    await settled(tab.page);
    await tab.page.waitForLoadState("networkidle");
    await scrollThrough(tab.page);
    if (v.until) await tab.page.waitForFunction(([selector, n]) => document.querySelectorAll(selector).length >= n, v.until, { timeout: 60_000 });
    const drawn = (await inked(tab.page)).filter((share) => share > 0.0002).length;
    if (drawn < (v.canvases || 0)) t.fail(`${where}: ${drawn} charts show something, want ${v.canvases}`);
    const drawings = await tab.page.evaluate(() => [...document.querySelectorAll("#view svg")].filter((s) => s.getBoundingClientRect().width > 0 && s.querySelector("path, polyline, rect, circle, polygon")).length);
    if (drawings < (v.drawings || 0)) t.fail(`${where}: ${drawings} drawings, want ${v.drawings}`);
    const text = await tab.page.innerText("#view");
    for (const words of v.says || []) if (!new RegExp(words, "i").test(text)) t.fail(`${where}: it does not say ${words}; it says ${text.slice(0, 600)}`);
    for (const m of await malformed(tab.page)) t.fail(`${where}: ${m}`);
    const wide = await overflow(tab.page);
    if (wide) t.fail(`${where}: ${wide}`);
    for (const found of await accessible(tab.page)) t.fail(`${where}: axe: ${found}`);
    await t.shot(tab.page, `${v.name}-${screen}-${scheme}`);
  } catch (error) {
    await t.shot(tab.page, `failed-${v.name}-${screen}-${scheme}`);
    t.fail(`${where}: ${error.message}`);
  }
  for (const w of tab.wrong()) t.fail(`${where}: ${w}`);
  await tab.close();
}
