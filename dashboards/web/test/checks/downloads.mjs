// What is drawn can be taken away: tables as CSV, pictures as PNG. And a range that is drawn
// with the pointer, or moved by keys, is the range of the address.
import { readFileSync } from "node:fs";
import { open, settled } from "../browser.mjs";

export async function downloads(t) {
  const tab = await open(t.browser, t.url + t.address), { page } = tab;
  await settled(page);
  await page.waitForLoadState("networkidle");
  const take = async (name, nth) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.locator("#view").getByRole("button", { name, exact: true }).nth(nth).click()]);
    return { name: file.suggestedFilename(), content: readFileSync(await file.path()) };
  };
  const csvs = await page.locator("#view").getByRole("button", { name: "CSV", exact: true }).count();
  const pngs = await page.locator("#view").getByRole("button", { name: "PNG", exact: true }).count();
  if (csvs < 2 || pngs < 2) t.fail(`${csvs} tables and ${pngs} pictures are offered, want 2 of each`);
  for (let i = 0; i < csvs; i++) {
    const { name, content } = await take("CSV", i), lines = content.toString().trimEnd().split("\r\n");
    const columns = lines[0].split(",").length;
    if (!name.endsWith(".csv") || lines.length < 2 || columns < 3) t.fail(`${name} has ${lines.length} lines of ${columns} columns`);
    t.note(`${name}: ${lines.length} lines: ${lines[0]}`);
  }
  for (let i = 0; i < pngs; i++) {
    const { name, content } = await take("PNG", i);
    const signature = content.subarray(0, 8).toString("hex");
    if (signature !== "89504e470d0a1a0a" || content.readUInt32BE(16) < 300) t.fail(`${name} begins with ${signature}`);
    t.note(`${name}: ${content.readUInt32BE(16)} x ${content.readUInt32BE(20)} pixels`);
  }

  const range = () => page.evaluate(() => location.hash);
  const plot = page.locator("#view .u-over").first(), before = await range();
  await plot.scrollIntoViewIfNeeded();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction((b) => location.hash !== b, before, { timeout: 10_000 });
  if (!/from=/.test(await range())) t.fail(`a range was drawn, and the address is ${await range()}`);
  await settled(page);
  const drawn = await range();
  await page.locator("#view").getByRole("button", { name: /earlier/i }).first().focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction((b) => location.hash !== b, drawn, { timeout: 10_000 });
  for (const w of tab.wrong()) t.fail(w);
  await tab.close();
}
