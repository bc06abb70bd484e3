// What the page shows is what the interface says: figures and sentences, to the letter.
import { open, settled } from "../browser.mjs";

const ms = (s) => { const v = s * 1000; return v.toFixed(Math.abs(v) < 10 ? 2 : Math.abs(v) < 100 ? 1 : 0); };

export async function figures(t) {
  const ask = async (path) => (await fetch(t.url + "/api/v1" + path)).json();
  const see = async (address, then) => {
    const tab = await open(t.browser, t.url + address);
    await settled(tab.page);
    await tab.page.waitForLoadState("networkidle");
    const text = (await tab.page.locator("#view").innerText()).replace(/\s+/g, " ");
    await then(text, tab.page);
    for (const w of tab.wrong()) t.fail(`${address}: ${w}`);
    await tab.close();
  };
  const want = (text, words, what) => { if (!text.includes(words)) t.fail(`${what}: it does not say “${words}”`); };

  const links = await ask("/links");
  await see("/#/now", async (_, page) => {
    for (const link of links) {
      const text = (await page.locator(".card", { hasText: link.link }).first().innerText()).replace(/\s+/g, " ");
      const { rtt_seconds: rtt, jitter_seconds: jitter } = link.last_minute[0];
      for (const v of [rtt.quantiles["0.5"], rtt.quantiles["0.95"], jitter]) want(text, ms(v) + " ms", "now, " + link.link);
      const { streams } = await ask(`/links/${encodeURIComponent(link.link)}/usual`);
      want(text, "usually " , "now, " + link.link);
      t.note(`${link.link}: ${text.slice(0, 160)}; usual ${JSON.stringify(streams[0].rtt_seconds)}`);
    }
  });

  const range = `from=${t.from}&to=${t.to}`, names = links.map((l) => l.link).join(",");
  for (const metric of ["rtt", "loss_ratio", "jitter", "throughput_down"]) {
    const said = await ask(`/compare?links=${names}&metric=${metric}&${range}`);
    await see(`/#/compare?links=${names}&metric=${metric}&${range}`, (text) => said.pairs.forEach((p) => want(text, p.verdict.replace(/\s+/g, " "), "compare, " + metric)));
  }
  const slots = await ask(`/slots?link=starlink&${range}`);
  if (slots.detected !== true) t.fail("the interface finds no slots in what was made with slots: " + slots.verdict);
  await see(`/#/slots?link=starlink&${range}`, (text) => want(text, slots.verdict, "slots"));
  const disruptions = await ask(`/disruptions?${range}`), gaps = await ask(`/gaps?${range}`);
  if (disruptions.length < 2 || gaps.length < 1) t.fail(`${disruptions.length} disruptions and ${gaps.length} gaps are there to be shown`);
  await see(`/#/outages?${range}`, (text) => {
    want(text, `Disruptions ${disruptions.length}`, "outages");
    for (const d of disruptions) want(text, d.why, "outages");
  });
  const heat = await ask(`/heatmap?link=fibre&timezone=Australia/Sydney&${range}`);
  await see(`/#/heatmap?link=fibre&${range}`, (text) => want(text, `${heat.cells.length} of the week's 168 hours`, "heat map"));
  const tests = await ask(`/throughput?series=false&${range}`);
  await see(`/#/throughput?${range}`, (text) => want(text, `Tests ${tests.length}`, "throughput"));
}
