// Asks the interface that is served beside the page.

export const base = "/api/v1";
const limit = 40_000; // milliseconds; the monitor gives up a question after 30 s

// path writes the address of a question. What is null, undefined or "" is not asked.
export function path(where, parameters) {
  const asked = Object.entries(parameters || {}).filter(([, v]) => v !== null && v !== undefined && v !== "");
  const query = new URLSearchParams(asked.map(([k, v]) => [k, String(v)])).toString();
  return base + where + (query ? "?" + query : "");
}

// get returns the answer to a question. It throws an Error whose message a person can
// act on, with status, and code where the monitor gave one. signal gives it up.
export async function get(where, parameters, signal) {
  const signals = [AbortSignal.timeout(limit), ...(signal ? [signal] : [])];
  const response = await fetch(path(where, parameters), { signal: any(signals) });
  return answer(response);
}

// post sends a request that changes something.
export async function post(where, body) {
  const response = await fetch(base + where, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(limit),
  });
  return answer(response);
}

// whenUnauthenticated has f called whenever an answer is that a token is needed.
export function whenUnauthenticated(f) { unauthenticated = f; }
let unauthenticated = () => {};

async function answer(response) {
  if (response.status === 401) unauthenticated();
  let body;
  try {
    body = await response.json();
  } catch {
    throw Object.assign(new Error(`the monitor's answer (status ${response.status}) is not JSON`), { status: response.status });
  }
  if (response.ok) return body;
  const text = [body.detail, body.remedy].filter(Boolean).map((s) => s.replace(/\.?$/, ".")).join(" ");
  throw Object.assign(new Error(text || "status " + response.status), { status: response.status, code: body.code });
}

// any is AbortSignal.any, which browsers of 2023 lack.
function any(signals) {
  if (AbortSignal.any) return AbortSignal.any(signals);
  const all = new AbortController();
  for (const s of signals) {
    if (s.aborted) all.abort(s.reason);
    s.addEventListener("abort", () => all.abort(s.reason), { once: true });
  }
  return all.signal;
}

// abandoned reports whether an error only says that nobody waits for the answer.
export const abandoned = (error) => error.name === "AbortError";
