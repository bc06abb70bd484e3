// The controls of the view Compare. They write the address, and show what it says.

import { el, replace, setText } from "../../lib/dom.js";
import { swatch } from "../../lib/drawing.js";
import { duration } from "../../lib/format.js";
import { identify, orbitWords } from "../../lib/links.js";
import { periods, seconds } from "../../lib/period.js";
import { list } from "../../lib/route.js";
import { atSite, groupings, metrics } from "./question.js";

const many = 12; // links that are searched rather than looked through

// chooser returns { root, update(state, parameters), ranged(from, to) }; ranged tells what
// range, in Unix seconds, is shown.
export function chooser({ go }) {
  const fields = [], step = { step: true };
  const field = (label, input) => {
    const id = "compare-" + fields.length, root = el("div", { class: "field" }, el("label", { for: id }, label), input);
    input.id = id;
    fields.push(root);
    return root;
  };
  const select = (name, more = () => ({})) => el("select", { onchange: (e) => go({ [name]: e.target.value || null, ...more(e.target.value) }, step) });
  const metric = select("metric"), period = select("period", () => ({ from: null, to: null })), by = select("by", () => ({ timezone: null }));
  const quantile = select("quantile"), target = select("target"), baseline = select("baseline");
  options(metric, Object.entries(metrics).map(([name, m]) => [name === "rtt" ? "" : name, m.title]));
  options(by, [["", "not divided"], ...Object.entries(groupings)]);
  options(quantile, [["", "median"], ["0.95", "95 %"], ["0.99", "99 %"]]);
  const from = el("input", { type: "datetime-local", step: "1", onchange: () => ranged() }), to = el("input", { type: "datetime-local", step: "1", onchange: () => ranged() });
  const ranged = () => {
    const [a, b] = [from, to].map((i) => (i.value ? new Date(i.value).toISOString().replace(".000", "") : null));
    if (a) go({ period: null, from: a, to: b }, step);
  };
  const targetField = field("target", target), quantileField = field("quantile", quantile), baselineField = field("compare each with", baseline);
  const links = linkChooser({ go });
  const root = el("div", { class: "choose compare-choose" }, links.root,
    field("metric", metric), field("period", period), field("from", from), field("to", to), field("by", by), quantileField, targetField, baselineField);

  return {
    root,
    update(state, parameters) {
      links.update(state, parameters);
      const chosen = list(parameters.links), known = atSite(state, parameters).filter((l) => chosen.includes(l.link));
      const all = parameters.from || periods.some(([p]) => p === (parameters.period || "1h")) ? periods : [...periods, [parameters.period, duration(seconds(parameters.period))]];
      options(period, [...(parameters.from ? [["", "from – to"]] : []), ...all.map(([p, words]) => [p, "last " + words.replace(/^1 /, "")])]);
      const targets = [...new Set([...known.flatMap((l) => l.last_minute.map((s) => s.target)), parameters.target].filter(Boolean))].sort();
      options(target, [["", "the best for each pair"], ...targets.map((t) => [t, t])]);
      options(baseline, [["", "every other"], ...chosen.map((n) => [n, n])]);
      targetField.hidden = targets.length < 2 && !parameters.target;
      quantileField.hidden = !metrics[parameters.metric || "rtt"]?.quantiles;
      baselineField.hidden = chosen.length < 3;
      period.value = parameters.from ? "" : parameters.period || "1h";
      for (const [input, name] of [[metric, "metric"], [by, "by"], [quantile, "quantile"], [target, "target"], [baseline, "baseline"]]) input.value = parameters[name] === "rtt" ? "" : parameters[name] || "";
    },
    ranged(a, b) {
      for (const [input, t] of [[from, a], [to, b]]) if (document.activeElement !== input) input.value = local(t);
    },
  };
}

// local writes a moment as inputs have it: local time, to the second.
function local(t) {
  const d = new Date(Math.round(t) * 1000), two = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

// options puts [value, words] into a select, unless they are there already.
function options(select, all) {
  const key = JSON.stringify(all);
  if (select.dataset.options === key) return;
  select.dataset.options = key;
  replace(select, all.map(([value, words]) => el("option", { value }, words)));
}

// linkChooser chooses the site, where there are several, and the links of it.
function linkChooser({ go }) {
  const sites = el("datalist", { id: "compare-sites" }), site = el("input", { id: "compare-site", list: "compare-sites", autocomplete: "off" });
  const find = el("input", { type: "search", id: "compare-find", placeholder: "a part of a name", oninput: () => filter() });
  const boxes = el("ul", { class: "boxes" }), count = el("span", { class: "quiet" });
  const siteField = el("div", { class: "field" }, el("label", { for: "compare-site" }, "site"), site, sites);
  const findField = el("div", { class: "field" }, el("label", { for: "compare-find" }, "find"), find);
  const root = el("fieldset", { class: "links" }, el("legend", {}, "Links ", count), siteField, findField, boxes);
  let drawn = "", known = [];
  site.addEventListener("change", () => {
    if ([...sites.children].some((o) => o.value === site.value)) go({ site: site.value, links: null, target: null, baseline: null }, { step: true });
  });
  const chosen = () => [...boxes.querySelectorAll("input:checked")].map((i) => i.value);
  const filter = () => {
    const text = find.value.toLocaleLowerCase();
    for (const item of boxes.children) item.hidden = !item.querySelector("input").checked && !item.textContent.toLocaleLowerCase().includes(text);
  };
  const box = (l, look) => el("li", {}, el("label", {}, el("input", { type: "checkbox", value: l.link, onchange: () => change() }),
    look && swatch(look), el("bdi", {}, l.link), el("small", {}, [orbitWords(l.orbit), l.last === null ? "no data" : ""].filter(Boolean).join(", "))));
  function change() {
    const names = chosen();
    // The last one stays: a comparison of nothing would choose anew.
    if (!names.length) return mark(list(shown));
    go({ links: names.join(",") });
  }
  let shown = "";
  const mark = (names) => { for (const input of boxes.querySelectorAll("input")) input.checked = names.includes(input.value); };
  return {
    root,
    update(state, parameters) {
      known = atSite(state, parameters);
      shown = parameters.links || "";
      const key = JSON.stringify([known.map((l) => [l.link, l.orbit, l.last === null]), state.sites]);
      if (key !== drawn) {
        drawn = key;
        replace(boxes, known.map((l) => box(l, state.looks.get(identify(l.site, l.link)))));
        replace(sites, state.sites.map((s) => el("option", { value: s })));
      }
      siteField.hidden = state.sites.length < 2;
      findField.hidden = known.length <= many;
      if (document.activeElement !== site) site.value = known[0]?.site || "";
      mark(list(shown));
      setText(count, known.length > many ? `${list(shown).length} of ${known.length}` : "");
      filter();
    },
  };
}
