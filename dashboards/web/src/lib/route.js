// The address of what is shown: #/view?name=value. Whoever opens it sees the same.

// read returns the view and the parameters that the address names.
export function read() {
  const [name, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  let view = "";
  try { view = decodeURIComponent(name); } catch { /* not an address of ours */ }
  return { view, parameters: Object.fromEntries(new URLSearchParams(query || "")) };
}

// write returns the address of a view. What is null, undefined or "" is left out.
export function write(view, parameters) {
  const kept = Object.entries(parameters || {}).filter(([, v]) => v !== null && v !== undefined && v !== "");
  const query = new URLSearchParams(kept.map(([k, v]) => [k, String(v)])).toString();
  return "#/" + view + (query ? "?" + query : "");
}

// Names of links stand in lists, separated by commas.
export const list = (text) => (text ? text.split(",").filter(Boolean) : []);
