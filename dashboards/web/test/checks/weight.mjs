// What a first view costs on the wire, and a year of it.
import { open, settled } from "../browser.mjs";

// weight opens each of t.addresses: [{ name, address, most }] once, without a cache, and
// holds the bytes that came against the most.
export async function weight(t) {
  for (const a of t.addresses) {
    const tab = await open(t.browser, t.url + a.address);
    await settled(tab.page);
    await tab.page.waitForLoadState("networkidle");
    const bytes = tab.bytes();
    t.note(`${a.name}: ${bytes} bytes`);
    if (!(bytes > 10_000 && bytes <= a.most)) t.fail(`${a.name}: ${bytes} bytes, want at most ${a.most}`);
    for (const w of tab.wrong()) t.fail(`${a.name}: ${w}`);
    await tab.close();
  }
}
