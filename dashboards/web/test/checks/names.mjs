// Names are text wherever they stand, in any script.
import { open, settled } from "../browser.mjs";

// names opens each of t.addresses and looks for each of t.names as text.
export async function names(t) {
  for (const address of t.addresses) {
    const tab = await open(t.browser, t.url + address);
    await settled(tab.page);
    const seen = await tab.page.evaluate(() => ({ text: document.body.innerText, scripts: document.querySelectorAll("#view script").length }));
    for (const name of t.names) if (!seen.text.includes(name)) t.fail(`${address} does not show ${name}`);
    if (seen.scripts) t.fail(`${address}: a name became an element`);
    for (const w of tab.wrong()) t.fail(`${address}: ${w}`);
    await tab.close();
  }
}
