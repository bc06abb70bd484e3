// Asks for a token where the monitor wants one, and gives the session back that it is
// exchanged for. The token is sent once and kept nowhere; the session is in a cookie that
// no script sees.

import { base, get, whenUnauthenticated } from "./lib/api.js";
import { byId, el, setText } from "./lib/dom.js";

const limit = 10_000; // milliseconds

let form = null, who = null;

// guard has the form shown as soon as a question is refused for want of a token.
export function guard() {
  whenUnauthenticated(() => {
    if (form) return;
    form = signIn();
    byId("view").hidden = true;
    byId("view").before(el("main", {}, form)); // in the view's place
    form.querySelector("input").focus();
  });
}

function signIn() {
  const token = el("input", { id: "token", type: "password", autocomplete: "current-password", spellcheck: "false", required: true, "aria-describedby": "token-hint" });
  const said = el("p", { class: "said", role: "alert" });
  const begin = async (event) => {
    event.preventDefault();
    setText(said, "");
    try {
      await exchange(token.value.trim());
      location.reload(); // all that is shown is asked again
    } catch (error) {
      setText(said, error.message);
      token.select();
    }
  };
  return el("form", { class: "sign-in", onsubmit: begin },
    el("h2", {}, "Sign in"),
    el("label", { for: "token" }, "Token"), token, el("button", {}, "Sign in"),
    el("p", { id: "token-hint", class: "quiet" }, "It begins with pgt_. Whoever runs the monitor makes one with perigee token add."),
    said);
}

// exchange begins a session. It throws an Error that says why not.
async function exchange(token) {
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error("That is no token.");
  const response = await fetch(base + "/session", {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: "Bearer " + token }, body: "{}", signal: AbortSignal.timeout(limit),
  });
  if (response.ok) return;
  const problem = await response.json();
  throw new Error([problem.detail, problem.remedy].map((s) => s.replace(/\.?$/, ".")).join(" "));
}

// offerEnd shows whose session this is and a button that ends it, once, where monitor asks
// for tokens.
export async function offerEnd(monitor) {
  if (!monitor.tokens || who) return;
  who = await get("/session");
  const end = async () => {
    await fetch(base + "/session", { method: "DELETE", signal: AbortSignal.timeout(limit) }).catch(() => {}); // what cannot be reached shows nothing either
    location.reload();
  };
  byId("version").before(el("button", { type: "button", class: "sign-out", onclick: end }, "Sign out " + who.name));
}
