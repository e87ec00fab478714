// What is shown, as a file.

import { printJson } from "./exact.js";

/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * As RFC 4180 has it. Text that a spreadsheet would run as a formula gets an apostrophe before it: it may come from anybody.
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
 * One object a line, as it came.
 * @param {string[]} columns
 * @param {any[][]} rows
 */
export function asJsonLines(columns, rows) {
  const names = distinct(columns);
  return rows.map((row) => `${printJson(Object.fromEntries(names.map((name, index) => [name, row[index]])))}\n`).join("");
}

/**
 * Names of which none is there twice: a second `n` is `n_2`, as long as no other column has that name.
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
 * Have the browser keep it.
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
