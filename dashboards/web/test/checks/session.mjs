// The page of a monitor that asks for tokens: it asks for one, keeps it nowhere, shows what
// there is once it has one, and ends the session. t.token is a good one.
import { accessible, open, overflow, settled } from "../browser.mjs";

export async function session(t) {
  for (const screen of ["phone", "desktop"]) {
    const tab = await open(t.browser, t.url + "/#/now", { screen, allowed: "." }); // 401 is no fault here, but see below
    const { page } = tab;
    await page.waitForSelector("form.sign-in input");
    if (await page.evaluate(() => document.activeElement.id) !== "token") t.fail("the form is not in focus");
    if (await page.locator("#view").isVisible() || await page.locator("#trouble").isVisible()) t.fail("more than the form is shown");
    for (const a of [...await accessible(page), await overflow(page)].filter(Boolean)) t.fail(`${screen}: ${a}`);
    await t.shot(page, "sign-in-" + screen);
    for (const wrong of ["x", "pgt_ü", t.token.slice(0, -1) + (t.token.endsWith("a") ? "b" : "a")]) {
      await page.fill("#token", wrong);
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector(".sign-in .said").textContent !== "");
    }
    await page.fill("#token", "  " + t.token + " ");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".sign-out");
    await settled(page);
    if (await page.locator(".card").count() === 0) t.fail("no link is shown");
    if (await page.locator("form.sign-in").count() > 0) t.fail("the form is still there");
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + document.cookie + location.href + document.documentElement.outerHTML);
    if (kept.includes(t.token.slice(13))) t.fail("the token is kept in the page");
    if (kept.includes("perigee_session")) t.fail("a script can see the session");
    const cookies = await tab.context.cookies();
    if (cookies.length !== 1 || !cookies[0].httpOnly || cookies[0].sameSite !== "Strict") t.fail("cookies " + JSON.stringify(cookies));
    const other = await tab.context.newPage(); // another tab has the session too
    await other.goto(t.url + "/#/compare");
    await settled(other);
    await other.close();
    await page.locator(".sign-out").click();
    await page.waitForSelector("form.sign-in input");
    if ((await tab.context.cookies()).length > 0) t.fail("the cookie is still there");
    for (const w of tab.wrong().filter((w) => !/^(401|console error: Failed to load resource)/.test(w))) t.fail(w);
    await tab.close();
  }
}
