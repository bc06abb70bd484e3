// The page outlives the server: it says that nothing answers, keeps what it has, and goes
// on by itself when the server is back.
import { open, settled } from "../browser.mjs";

export async function restart(t) {
  const tab = await open(t.browser, t.url + "/#/now");
  await settled(tab.page);
  await tab.page.waitForFunction(() => document.querySelectorAll(".card").length > 0, undefined, { timeout: 30_000 });
  const cards = await tab.page.locator(".card").count();
  tab.expect(() => true); // connections that are refused, for a while
  await t.ask("stop");
  await tab.page.waitForFunction(() => document.getElementById("connection").textContent === "not connected", undefined, { timeout: 60_000 });
  if (await tab.page.locator("#trouble").isHidden()) t.fail("the page does not say that the monitor does not answer");
  if (await tab.page.locator(".card").count() !== cards) t.fail("the cards are gone");
  if (await tab.page.locator(".card.silent").count() !== cards) t.fail("cards of a monitor that does not answer do not look silent");
  await t.shot(tab.page, "not-connected");
  await t.ask("start");
  await tab.page.waitForFunction(() => document.getElementById("connection").textContent === "live", undefined, { timeout: 90_000 });
  if (await tab.page.locator("#trouble").isVisible()) t.fail("the page still says that the monitor does not answer");
  await tab.page.waitForFunction((n) => document.querySelectorAll(".card").length === n, cards, { timeout: 30_000 });
  for (const w of tab.wrong()) t.fail(w);
  await tab.close();
}
