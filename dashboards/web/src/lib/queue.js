// Asks a few things at a time, so that a small monitor is not asked all at once.

// queue returns run(task), which calls task when it is its turn and returns its outcome.
export function queue(atOnce) {
  const waiting = [];
  let running = 0;
  const next = () => {
    if (running >= atOnce || !waiting.length) return;
    const { task, resolve, reject } = waiting.shift();
    running++;
    task().then(resolve, reject).finally(() => { running--; next(); });
  };
  return (task) => new Promise((resolve, reject) => { waiting.push({ task, resolve, reject }); next(); });
}
