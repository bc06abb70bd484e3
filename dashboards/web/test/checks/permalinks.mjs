// What a person chooses is shown, stands in the address, and whoever opens the address sees
// the same.
import { open, settled } from "../browser.mjs";

// permalinks does each of t.steps: { name, address, choose: [label, option], uncheck, hash,
// says, not }: chooses an option of the field with the label, or unchecks a box, then looks
// for hash in the address and reads the view. What it says must hold in a new window too.
export async function permalinks(t) {
  for (const s of t.steps) {
    const tab = await open(t.browser, t.url + s.address);
    await ready(tab.page);
    if (s.choose) await tab.page.locator("#view").getByRole("combobox", { name: new RegExp("^" + s.choose[0]) }).first().selectOption(s.choose[1]);
    if (s.uncheck) await tab.page.locator("#view").getByRole("checkbox", { name: new RegExp(s.uncheck) }).uncheck();
    await ready(tab.page);
    const hash = await tab.page.evaluate(() => location.hash);
    if (!hash.includes(s.hash)) t.fail(`${s.name}: the address is ${hash}, want ${s.hash} in it`);
    read(t, s, await look(tab.page), "after the choice");
    const other = await open(t.browser, t.url + "/" + hash);
    await ready(other.page);
    const [here, there] = [await look(tab.page), await look(other.page)];
    read(t, s, there, "opened anew");
    if (JSON.stringify(here.fields) !== JSON.stringify(there.fields)) t.fail(`${s.name}: opened anew the fields are ${JSON.stringify(there.fields)}, were ${JSON.stringify(here.fields)}`);
    await other.page.goBack().catch(() => {});
    for (const w of [...tab.wrong(), ...other.wrong()]) t.fail(`${s.name}: ${w}`);
    await tab.close();
    await other.close();
  }
}

async function ready(page) {
  await settled(page);
  await page.waitForLoadState("networkidle");
}

// look returns the fields of the view, but times, which run on, and what it says.
const look = (page) => page.evaluate(() => ({
  fields: [...document.querySelectorAll("#view select, #view input")].filter((f) => f.type !== "datetime-local" && f.getClientRects().length)
    .map((f) => [f.labels?.[0]?.textContent || f.name, f.type === "checkbox" ? f.checked : f.value]),
  text: document.getElementById("view").innerText,
}));

function read(t, s, seen, when) {
  for (const words of s.says || []) if (!new RegExp(words, "i").test(seen.text)) t.fail(`${s.name}, ${when}: it does not say ${words}`);
  for (const words of s.not || []) if (new RegExp(words, "i").test(seen.text)) t.fail(`${s.name}, ${when}: it says ${words}`);
}
