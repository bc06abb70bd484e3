// Runs checks of the page: node run.mjs, with what to do as JSON on standard input:
// { chromium, url, shots, checks: [{ name, … }] }. One JSON line a check comes out:
// { check, failures: [text], notes: [text] }. What a check needs from outside, as that the
// server be started again, it asks for by a line { check, ask } and goes on when a line
// comes in.

import { createInterface } from "node:readline";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { start } from "./browser.mjs";
import { checks } from "./checks/index.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const order = JSON.parse(await next());
const browser = await start(order.chromium);
for (const asked of order.checks) {
  const failures = [], notes = [];
  const t = {
    browser, url: order.url, ...asked,
    fail: (text) => failures.push(text),
    note: (text) => notes.push(text),
    ask: async (what) => { say({ check: asked.name, ask: what }); return next(); },
    shot: async (page, name, whole = true) => {
      if (!order.shots) return;
      mkdirSync(order.shots, { recursive: true });
      await page.screenshot({ path: join(order.shots, name + ".png"), fullPage: whole });
    },
  };
  try {
    const check = checks[asked.check || asked.name];
    if (!check) throw new Error("there is no such check");
    await check(t);
  } catch (error) {
    failures.push(error.stack || String(error));
  }
  say({ check: asked.name, failures, notes });
}
await browser.close();
process.exit(0);
