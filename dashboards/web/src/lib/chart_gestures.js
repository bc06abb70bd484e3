// Moves and stretches the range of a chart: with a finger, with two, or with the mouse
// while shift is held. The chart follows at once; whoever asks for data is told when the
// hand has left.

// gestures lets chart be moved, and tells moved(from, to) where it was left.
export function gestures(chart, moved) {
  const held = new Map(); // pointers, by identity: where they are
  let began = null;       // { at, min, max }: places and range when the present number of them began
  let first = null;       // { min, max } when the first of them came
  let frame = 0;

  const place = () => [...held.values()].sort((a, b) => a - b);
  const begin = () => { began = held.size ? { at: place(), min: chart.scales.x.min, max: chart.scales.x.max } : null; };

  // range is such that what was under the pointers when they began is under them now.
  function range() {
    const { at, min, max } = began, now = place(), width = chart.over.clientWidth;
    const value = (x) => min + ((max - min) * x) / width;
    const scale = at.length > 1 ? Math.max(at[1] - at[0], 10) / Math.max(now[1] - now[0], 10) : 1;
    const length = (max - min) * scale, from = value(at[0]) - (length * now[0]) / width;
    return [from, from + length];
  }

  function follow() {
    frame = 0;
    if (!began) return;
    const [min, max] = range();
    chart.setScale("x", { min, max });
  }

  chart.over.addEventListener("pointerdown", (e) => {
    if (e.pointerType === "mouse" && !(e.shiftKey && e.button === 0)) return;
    if (held.size > 1) return;
    if (!held.size) first = { min: chart.scales.x.min, max: chart.scales.x.max };
    held.set(e.pointerId, e.offsetX);
    chart.over.setPointerCapture(e.pointerId);
    begin();
  });
  chart.over.addEventListener("pointermove", (e) => {
    if (!held.has(e.pointerId)) return;
    held.set(e.pointerId, e.offsetX);
    frame ||= requestAnimationFrame(follow);
  });
  const left = (e) => {
    if (!held.has(e.pointerId)) return;
    const [from, to] = e.type === "pointerup" ? range() : [first.min, first.max]; // the page scrolls instead
    held.delete(e.pointerId);
    chart.setScale("x", { min: from, max: to });
    // uPlot sets scales later; what begins now begins there.
    began = held.size ? { at: place(), min: from, max: to } : null;
    if (held.size) return;
    const far = Math.max(Math.abs(from - first.min), Math.abs(to - first.max)) > (first.max - first.min) / 100; // a hand is not still
    if (far) moved(from, to);
    else chart.setScale("x", first);
  };
  chart.over.addEventListener("pointerup", left);
  chart.over.addEventListener("pointercancel", left);
  // What moves the range selects none.
  chart.over.addEventListener("mousedown", (e) => { if (e.shiftKey) e.stopImmediatePropagation(); }, { capture: true });
}
