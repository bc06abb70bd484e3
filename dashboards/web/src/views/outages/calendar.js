// Draws the availability of each day of a year as a calendar: a column is a week. A day's
// grade is a shade and a letter.

import { el, setText } from "../../lib/dom.js";
import { availability, duration } from "../../lib/format.js";
import { rovingGrid } from "../../lib/roving.js";
import { scroller } from "../../lib/table.js";

const grades = [[1, "·", "up all day"], [0.999, "B", "99.9 % and more"], [0.99, "C", "99 % and more"], [0.95, "D", "95 % and more"], [-1, "E", "less"]];
const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const keyOf = (date) => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;

// calendar draws days (periods of /availability by day) that begin within [from, to], Unix
// seconds, in the browser's time zone, as those days are.
export function calendar(days, from, to) {
  const by = new Map(days.map((d) => [keyOf(new Date(d.from)), d]));
  const first = new Date(from * 1000), end = to * 1000, weeks = [];
  first.setHours(0, 0, 0, 0);
  const start = new Date(first);
  start.setDate(start.getDate() - ((start.getDay() + 6) % 7));
  for (const day = new Date(start); day < end;) {
    const week = [];
    for (let i = 0; i < 7; i++, day.setDate(day.getDate() + 1)) week.push(new Date(day));
    weeks.push(week);
  }
  const told = el("p", { class: "told", role: "status" }, "Choose a day, by pointer or by Tab and the arrow keys, to read its figures.");
  const table = el("table", { class: "calendar" },
    el("caption", {}, "Availability of each day"),
    el("thead", {}, el("tr", {}, el("td"), months(weeks).map(([label, span]) => (span < 2 ? el("td", { colspan: span }) : el("th", { scope: "colgroup", colspan: span }, label))))),
    el("tbody", {}, weekdays.map((name, i) => el("tr", {}, el("th", { scope: "row" }, name), weeks.map((week) => cell(week[i], by.get(keyOf(week[i])), week[i] >= first && week[i] < end))))));
  rovingGrid(table, "td[aria-label]", (item) => setText(told, item.getAttribute("aria-label") + "."));
  const box = scroller("Calendar of availability", table);
  requestAnimationFrame(() => { box.scrollLeft = box.scrollWidth; }); // the newest
  return [box, el("ul", { class: "key" }, grades.map(([, letter, words], i) => el("li", {}, el("span", { class: "day g" + i }, letter), words)),
    el("li", {}, el("span", { class: "day none" }), "not measured"), el("li", {}, el("span", { class: "day part" }), "less than half of the day measured")), told];
}

function cell(date, day, within) {
  if (!within) return el("td");
  const name = date.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  if (!day || day.availability === null) return el("td", { class: "day none", "aria-label": `${name}: not measured` });
  const grade = grades.findIndex(([least]) => day.availability >= least);
  const failures = day.failures ? `${day.failures} failure${day.failures === 1 ? "" : "s"}, down for ${duration(day.down_seconds)}, the longest ${duration(day.longest_seconds)}` : day.down_seconds ? `down for ${duration(day.down_seconds)} of a failure that began before` : "no failure";
  const excused = day.excused.reduce((n, e) => n + e.count, 0);
  return el("td", {
    class: `day g${grade}${day.planned_seconds < 43200 ? " part" : ""}`,
    "aria-label": `${name}: available ${availability(day.availability)} %, ${failures}${excused ? `; ${excused} not charged to the link` : ""}; measured for ${duration(day.planned_seconds)}`,
  }, grades[grade][1]);
}

// months returns [name, weeks] for the heading: a week belongs to the month of its Monday.
function months(weeks) {
  const list = [];
  for (const [monday] of weeks) {
    const label = monday.toLocaleDateString("en-GB", { month: "short" });
    if (list.at(-1)?.[0] === label) list.at(-1)[1]++;
    else list.push([label, 1]);
  }
  return list;
}

