// Conditions: the text of `--where`, and the same as parts that can be clicked. The text is the truth; parts that are not known
// here stay as they were written.

/**
 * @typedef {{ is: "state", states: string[] }
 *   | { is: "equal", column: "service" | "handler" | "key" | "last_error_type" | "deployment", value: string }
 *   | { is: "since", seconds: number }
 *   | { is: "raw", text: string }} Part
 */

export const OPEN = ["scheduled", "queued", "running", "suspended", "backing_off", "paused"];
export const ENDS = ["succeeded", "failed", "cancelled", "killed"];

const EQUAL = /^(service|handler|key|last_error_type|deployment)\s*=\s*('(?:[^']|'')*')$/i;
const SINCE = /^created_at\s*>\s*now\(\)\s*-\s*(\d+)$/i;
const LIST = String.raw`(?:=\s*('(?:[^']|'')*')|in\s*\(((?:\s*'(?:[^']|'')*'\s*,?)+)\))`;
const ONE_STATE = new RegExp(String.raw`^(status|outcome)\s*${LIST}$`, "i");
const BOTH_STATES = new RegExp(String.raw`^\(\s*status\s*${LIST}\s+or\s+outcome\s*${LIST}\s*\)$`, "i");

/**
 * A text as SQL has it.
 * @param {string} text
 */
export function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/** @param {string | undefined} one @param {string | undefined} several */
function texts(one, several) {
  return [...(one ?? several ?? "").matchAll(/'((?:[^']|'')*)'/g)].map((found) => found[1].replaceAll("''", "'"));
}

/**
 * The conditions that are joined by `and`; the whole as one if it is anything more than that.
 * @param {string} text
 */
function split(text) {
  /** @type {string[]} */
  const found = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "'" || c === '"') {
      const end = text.indexOf(c, i + 1);
      if (end < 0) return [text];
      i = end;
    } else if (c === "(") depth++;
    else if (c === ")") depth--;
    else if (depth === 0 && /\W/.test(c)) {
      const word = /^\W(and|or|between|case|union|--|\/\*)\b/i.exec(text.slice(i, i + 10))?.[1].toLowerCase();
      if (word && word !== "and") return [text];
      if (word === "and") {
        found.push(text.slice(start, i));
        start = i + 4;
        i += 3;
      }
    }
    if (depth < 0) return [text];
  }
  found.push(text.slice(start));
  return depth === 0 ? found.map((one) => one.trim()).filter(Boolean) : [text];
}

/**
 * A condition as parts.
 * @param {string} text
 * @returns {Part[]}
 */
export function parse(text) {
  if (!text.trim()) return [];
  return split(text.trim()).map((one) => {
    const equal = EQUAL.exec(one);
    if (equal) return /** @type {Part} */ ({ is: "equal", column: equal[1].toLowerCase(), value: texts(equal[2], undefined)[0] });
    const since = SINCE.exec(one);
    if (since) return { is: "since", seconds: Number(since[1]) };
    const states = ONE_STATE.exec(one);
    if (states) return known(texts(states[2], states[3]), one);
    const both = BOTH_STATES.exec(one);
    if (both) return known([...texts(both[1], both[2]), ...texts(both[3], both[4])], one);
    return { is: "raw", text: one };
  });
}

/** @param {string[]} states @param {string} text @returns {Part} */
function known(states, text) {
  return states.every((state) => OPEN.includes(state) || ENDS.includes(state)) ? { is: "state", states } : { is: "raw", text };
}

/** @param {string} column @param {string[]} values */
function among(column, values) {
  return values.length === 1 ? `${column} = ${quoted(values[0])}` : `${column} in (${values.map(quoted).join(", ")})`;
}

/**
 * Parts as a condition.
 * @param {Part[]} parts
 */
export function format(parts) {
  return parts
    .map((part) => {
      if (part.is === "equal") return `${part.column} = ${quoted(part.value)}`;
      if (part.is === "since") return `created_at > now() - ${part.seconds}`;
      if (part.is === "raw") return part.text;
      const open = part.states.filter((state) => OPEN.includes(state));
      const ends = part.states.filter((state) => ENDS.includes(state));
      if (open.length === 0) return ends.length === 0 ? "" : among("outcome", ends);
      return ends.length === 0 ? among("status", open) : `(${among("status", open)} or ${among("outcome", ends)})`;
    })
    .filter(Boolean)
    .join(" and ");
}

/**
 * The states that a condition asks for.
 * @param {Part[]} parts
 */
export function statesOf(parts) {
  return parts.flatMap((part) => (part.is === "state" ? part.states : []));
}

/**
 * The condition with another set of states.
 * @param {Part[]} parts
 * @param {string[]} states
 * @returns {Part[]}
 */
export function withStates(parts, states) {
  const others = parts.filter((part) => part.is !== "state");
  return states.length === 0 ? others : [{ is: "state", states }, ...others];
}

/**
 * @param {Part[]} parts
 * @param {string} column
 */
export function equalTo(parts, column) {
  const found = parts.find((part) => part.is === "equal" && part.column === column);
  return found?.is === "equal" ? found.value : "";
}

/**
 * The condition with another value of a column; none if it is empty.
 * @param {Part[]} parts
 * @param {"service" | "handler" | "key" | "last_error_type" | "deployment"} column
 * @param {string} value
 * @returns {Part[]}
 */
export function withEqual(parts, column, value) {
  const others = parts.filter((part) => part.is !== "equal" || part.column !== column);
  return value === "" ? others : [...others, { is: "equal", column, value }];
}

/**
 * These invocations and no others.
 * @param {Iterable<string>} ids
 */
export function ofIds(ids) {
  return `id in (${[...ids].map(quoted).join(", ")})`;
}
