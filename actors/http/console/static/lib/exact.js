// JSON whose integers keep all their digits. A browser reads 9007199254740993 as a double, and writes ...992 back: a value that was
// only looked at would change. Integers that a double cannot hold are read as BigInt, and written as they were.

const MAYBE_LONG = /\d{16}/;
const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d+$/;

/** A prefix that no text of users has. */
const MARK = `integer ${crypto.getRandomValues(new Uint32Array(4)).join("-")} `;

/**
 * A number as it is written: a BigInt where a double would be another integer.
 * @param {string} text
 * @returns {number | bigint}
 */
export function numberOf(text) {
  const number = Number(text);
  return INTEGER.test(text.trim()) && !Number.isSafeInteger(number) ? BigInt(text) : number;
}

/**
 * The value of a JSON text. Throws what `JSON.parse` throws.
 * @param {string} text
 * @returns {any}
 */
export function parseJson(text) {
  const value = JSON.parse(text); // also where it is read again: its errors are about the text as it was written
  if (!MAYBE_LONG.test(text)) return value;
  const marked = text.replace(STRINGS_AND_NUMBERS, (found) => (typeof numberOf(found) === "bigint" ? `"${MARK}${found}"` : found));
  return JSON.parse(marked, (_, part) => (typeof part === "string" && part.startsWith(MARK) ? BigInt(part.slice(MARK.length)) : part));
}

/**
 * A value as JSON; undefined for undefined, as `JSON.stringify` returns.
 * @param {unknown} value
 * @param {number} [indent]
 * @returns {string}
 */
export function printJson(value, indent) {
  let hasLong = false;
  const text = JSON.stringify(
    value,
    (_, part) => {
      if (typeof part !== "bigint") return part;
      hasLong = true;
      return MARK + part;
    },
    indent,
  );
  return hasLong ? text.replaceAll(new RegExp(`"${MARK}(-?\\d+)"`, "g"), "$1") : text;
}
