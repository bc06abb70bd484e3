// Writes tables as CSV (RFC 4180).

// csv writes a heading and rows. What is null is an empty cell. A text that a spreadsheet
// would take for a formula begins with an apostrophe instead; numbers stay numbers.
export function csv(heading, rows) {
  return [heading, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = /^[=+\-@\t\r\n]/.test(value) ? "'" + value : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
