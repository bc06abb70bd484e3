// The checks can fail: a page on which all is wrong is found out in each way.
import { accessible, inked, malformed, open, overflow, settled } from "../browser.mjs";

export async function detectors(t) {
  const tab = await open(t.browser, t.url + "/#/outages");
  await settled(tab.page);
  await tab.page.evaluate(() => {
    const add = (name, attributes, of = "http://www.w3.org/1999/xhtml") => {
      const e = document.createElementNS(of, name);
      for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
      document.getElementById("view").append(e);
      return e;
    };
    const svg = "http://www.w3.org/2000/svg";
    add("svg", {}, svg).append(add("path", { d: "M0,NaN L1,2" }, svg));
    add("canvas", { width: "50", height: "50" });
    add("img", { src: "http://192.0.2.1/x.png" });
    const wide = add("div", {});
    wide.style.width = "3000px";
    wide.textContent = "wide";
    add("button", {});
    console.error("wrong");
  });
  await tab.page.waitForTimeout(200);
  const wrong = tab.wrong().join("; ");
  const found = {
    "a request to another host": /192\.0\.2\.1|Content Security Policy/.test(wrong), "a complaint of the console": wrong.includes("console error: wrong"),
    "a button without a name": (await accessible(tab.page)).some((f) => f.includes("button-name")), "a path of no numbers": (await malformed(tab.page)).length > 0,
    "what is too wide": await overflow(tab.page) !== null, "an empty chart": (await inked(tab.page)).includes(0),
  };
  for (const [what, seen] of Object.entries(found)) if (!seen) t.fail(`${what} is not found; seen is ${wrong}`);
  await tab.close();
}
