// A real Chromium, and pages in it of which everything is known that a page should not do:
// what it asked of other hosts, what the console said, which answers were errors.

import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const screens = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 900 },
};

// start starts the browser. It finds no host by name, and asks nothing of its own accord.
export function start(executablePath) {
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
  });
}

// open opens address in a context of its own. What it returns says what is wrong with the
// page so far, when asked: { page, wrong(), expect(test), bytes(), close() }. Answers that
// are errors are no fault where allowed, a pattern of addresses, or expect's test says so.
export async function open(browser, address, { screen = "desktop", scheme = "light", timezone = "Australia/Sydney", allowed } = {}) {
  const context = await browser.newContext({ viewport: screens[screen], colorScheme: scheme, timezoneId: timezone, locale: "en-GB", reducedMotion: "reduce", acceptDownloads: true });
  const page = await context.newPage();
  const origin = new URL(address).origin, wrong = [];
  let bytes = 0, expected = (url) => allowed !== undefined && new RegExp(allowed).test(url);
  page.on("request", (r) => { if (!r.url().startsWith(origin + "/") && !r.url().startsWith("blob:" + origin)) wrong.push("asked " + r.url()); });
  page.on("response", (r) => { if (r.status() >= 400 && !expected(r.url(), r.status())) wrong.push(`${r.status()} of ${r.url()}`); });
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !expected(m.location().url, m.text())) wrong.push(`console ${m.type()}: ${m.text()}`); });
  page.on("pageerror", (e) => wrong.push("error: " + (e.stack || e.message)));
  const tools = await context.newCDPSession(page);
  await tools.send("Network.enable");
  tools.on("Network.loadingFinished", (e) => { bytes += e.encodedDataLength; });
  await page.goto(address, { waitUntil: "load" });
  return {
    page, context, origin,
    wrong: () => [...wrong],
    expect: (test) => { expected = test; },
    bytes: () => bytes,
    close: () => context.close(),
  };
}

// settled waits until the view that is shown has drawn what it asked for.
export async function settled(page, timeout = 30_000) {
  await page.waitForFunction(() => {
    const view = document.getElementById("view");
    return view && view.querySelector("h2") && !view.matches("[aria-busy=true]") && !view.querySelector("[aria-busy=true]");
  }, undefined, { timeout });
}

// scrollThrough shows all of a page once, and then its beginning: what is asked for as it
// comes into sight is asked for.
export async function scrollThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
      scrollTo(0, y);
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
    }
    scrollTo(0, 0);
  });
  await page.waitForLoadState("networkidle");
}

// accessible returns what axe finds wrong in the page.
export async function accessible(page) {
  await page.evaluate(axe + "; undefined");
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations
    .map((v) => `${v.impact}: ${v.id}: ${v.help} (${v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.any[0]?.message || "")).join("; ")})`);
}

// inked returns, for each canvas that is shown, which share of its pixels is of a colour
// with some chroma: axes and grids are grey, series are not.
export function inked(page) {
  return page.evaluate(() => [...document.querySelectorAll("#view canvas")].filter((c) => c.width && c.height && c.getClientRects().length).map((c) => {
    const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let coloured = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      const least = Math.min(pixels[i], pixels[i + 1], pixels[i + 2]), most = Math.max(pixels[i], pixels[i + 1], pixels[i + 2]);
      if (pixels[i + 3] > 32 && most - least > 48) coloured++;
    }
    return coloured / (c.width * c.height);
  }));
}

// malformed returns what drawings hold that is no number, and controls without a name.
export function malformed(page) {
  return page.evaluate(() => [...document.querySelectorAll("svg *")].flatMap((e) => [...e.attributes]
    .filter((a) => /NaN|undefined|Infinity|null/.test(a.value) && !["aria-label", "class"].includes(a.name))
    .map((a) => `<${e.tagName} ${a.name}="${a.value.slice(0, 60)}">`)).slice(0, 5));
}

// overflow returns by how many pixels the document is wider than the screen, and the
// widest element that is not in a box that scrolls.
export function overflow(page) {
  return page.evaluate(() => {
    const most = document.documentElement.clientWidth, over = document.documentElement.scrollWidth - most;
    if (over <= 0) return null;
    const wide = [...document.querySelectorAll("body *")].map((e) => [e.getBoundingClientRect().right, e]).filter(([r]) => r > most + 0.5)
      .sort((a, b) => b[0] - a[0]).slice(0, 3).map(([r, e]) => `${e.tagName}.${e.getAttribute("class") || ""} to ${Math.round(r)}`);
    return `${over} pixels too wide: ${wide.join(", ")}`;
  });
}
