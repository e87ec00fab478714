// Exports the displayed rows as a file.

import { printJson } from "./exact.js";

/** The first characters of text that a spreadsheet would run as a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * CSV as in RFC 4180. Text that a spreadsheet would run as a formula gets an apostrophe before it, because its author is unknown.
 * @param {string[]} columns
 * @param {any[][]} rows
 */
export function asCsv(columns, rows) {
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** @param {unknown} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n']/.test(text) || text === "" ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * One object per line, as received.
 * @param {string[]} columns
 * @param {any[][]} rows
 */
export function asJsonLines(columns, rows) {
  const names = distinct(columns);
  return rows.map((row) => `${printJson(Object.fromEntries(names.map((name, index) => [name, row[index]])))}\n`).join("");
}

/**
 * Unique names: a second `n` becomes `n_2`, unless another column has that name.
 * @param {string[]} columns
 */
function distinct(columns) {
  const taken = new Set(columns);
  const seen = new Set();
  return columns.map((column) => {
    let name = column;
    for (let number = 2; seen.has(name) || (name !== column && taken.has(name)); number++) name = `${column}_${number}`;
    seen.add(name);
    return name;
  });
}

/**
 * Save a file with the browser.
 * @param {string} name
 * @param {string} type
 * @param {string} content
 */
export function download(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
