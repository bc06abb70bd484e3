// Moves among many things with the arrow keys, of which Tab meets one: otherwise a calendar
// would be 365 stops.

// rovingRow is for things in a row: the elements of root that selector finds, in order.
export function rovingRow(root, selector, met) {
  roving(root, selector, met, (items, i, key) => {
    if (key === "ArrowRight" || key === "ArrowDown") return items[i + 1];
    if (key === "ArrowLeft" || key === "ArrowUp") return items[i - 1];
    return undefined;
  });
}

// rovingGrid is for cells of a table. Cells that selector does not find are passed over.
export function rovingGrid(table, selector, met) {
  const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  roving(table, selector, met, (items, i, key) => {
    if (!by[key]) return undefined;
    const [down, right] = by[key];
    let row = items[i].parentElement.rowIndex, column = items[i].cellIndex;
    for (;;) {
      row += down;
      column += right;
      const cell = table.rows[row]?.cells[column];
      if (!cell || cell.matches(selector)) return cell;
    }
  });
}

function roving(root, selector, met, next) {
  const all = () => [...root.querySelectorAll(selector)];
  let stop = null;
  const to = (item) => {
    stop?.setAttribute("tabindex", -1);
    stop = item;
    item.setAttribute("tabindex", 0);
  };
  const items = all();
  for (const item of items) item.setAttribute("tabindex", -1);
  if (items.length) to(items[items.length - 1]); // the newest
  root.addEventListener("keydown", (e) => {
    const items = all(), i = items.indexOf(e.target.closest(selector));
    if (i < 0) return;
    const item = e.key === "Home" ? items[0] : e.key === "End" ? items.at(-1) : next(items, i, e.key);
    if (!item) return;
    e.preventDefault();
    to(item);
    item.focus();
  });
  for (const kind of ["focusin", "pointerover", "click"]) {
    root.addEventListener(kind, (e) => {
      const item = e.target.closest(selector);
      if (!item) return;
      if (kind !== "pointerover") to(item);
      met(item, kind);
    });
  }
}
