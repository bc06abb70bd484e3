// The pictures of the README and the docs: what the page really looks like.
import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { open, scrollThrough, settled } from "../browser.mjs";

// pictures saves each of t.pictures: { name, address, scheme, screen, clip } in the
// directory t.into; clip is the selector of what is shown, the screen if absent.
export async function pictures(t) {
  mkdirSync(t.into, { recursive: true });
  for (const p of t.pictures) {
    const tab = await open(t.browser, t.url + p.address, { screen: p.screen, scheme: p.scheme });
    await settled(tab.page);
    await scrollThrough(tab.page);
    const path = join(t.into, p.name + ".png");
    if (p.clip) await tab.page.locator(p.clip).first().screenshot({ path });
    else await tab.page.screenshot({ path });
    for (const w of tab.wrong()) t.fail(`${p.name}: ${w}`);
    await tab.close();
  }
}
