// Conditions: the text of `--where`, and the same condition as clickable parts. The text is authoritative; parts that this module
// does not understand are kept unchanged.

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

/**
 * The condition for the invocations that have a tag.
 * @param {string} name
 * @param {string} value
 */
export function withTag(name, value) {
  return `id in (select invocation_id from sys_tag where name = ${quoted(name)} and value = ${quoted(value)})`;
}

/** @param {string | undefined} one @param {string | undefined} several */
function texts(one, several) {
  return [...(one ?? several ?? "").matchAll(/'((?:[^']|'')*)'/g)].map((found) => found[1].replaceAll("''", "'"));
}

// What SQLite takes for one piece: space, comments, texts, quoted names, words, numbers, and any other sign for itself.
const PIECE =
  /(?<space>\s+)|(?<comment>--[^\n]*|\/\*[^]*?\*\/)|(?<text>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|\d[\w.]*|\/\*|[^]/gy;

// Beside `and` in the same brackets, these make more of it than conditions that are joined.
const LOOSE = new Set(["or", "between", "case", "union", "intersect", "except"]);

/**
 * @param {string} text
 * @returns {{ wrong: string, ands: [number, number][], isLoose: boolean, isWrapped: boolean, bare: string }} `wrong`: what of its
 *   quotes and brackets does not fit together; `ands`: where an `and` stands outside of brackets; `isLoose`: something else joins
 *   as well; `isWrapped`: one pair of brackets is around it all; `bare`: without comments
 */
function read(text) {
  /** @type {[number, number][]} */
  const ands = [];
  let wrong = "";
  let isLoose = false;
  let isWrapped = text.startsWith("(") && text.endsWith(")");
  let bare = "";
  let depth = 0;
  for (const found of text.matchAll(PIECE)) {
    const [piece] = found;
    const { comment, text: quote, word } = /** @type {Record<string, string | undefined>} */ (found.groups);
    bare += comment === undefined ? piece : " ";
    if (word !== undefined && depth === 0) {
      if (word.toLowerCase() === "and") ands.push([found.index, found.index + piece.length]);
      isLoose ||= LOOSE.has(word.toLowerCase());
    }
    if (comment !== undefined || quote !== undefined || word !== undefined) continue;
    if (piece === "(") depth++;
    if (piece === ")") depth--;
    if (depth < 0) wrong ||= `unmatched closing bracket at character ${found.index + 1}`;
    if (["'", '"', "`", "[", "/*"].includes(piece)) wrong ||= `${piece} is not closed, at character ${found.index + 1}`;
    if (depth === 0 && found.index + piece.length < text.length) isWrapped = false;
  }
  if (depth > 0) wrong ||= "a bracket is not closed";
  return { wrong, ands, isLoose, isWrapped, bare };
}

/**
 * The mismatch in a text's quotes and brackets, in words: joined with other conditions, it would change their meaning.
 * @param {string} text
 */
export function unbalanced(text) {
  return read(text).wrong;
}

/**
 * The conditions that are joined by `and`, in whichever brackets; the whole as one if it is anything more than that.
 * @param {string} text
 * @returns {string[]}
 */
function split(text) {
  const { wrong, ands, isLoose, isWrapped, bare } = read(text);
  if (wrong || isLoose || bare !== text) return [text];
  if (isWrapped && !BOTH_STATES.test(text)) return split(text.slice(1, -1).trim()); // the states are known with theirs
  if (ands.length === 0) return [text];
  const begins = [0, ...ands.map(([, end]) => end)];
  const ends = [...ands.map(([begin]) => begin), text.length];
  const parts = begins.flatMap((begin, index) => split(text.slice(begin, ends[index]).trim()));
  return parts.includes("") ? [text] : parts;
}

/**
 * The text in a form that keeps its meaning when it is joined with others.
 * @param {string} text
 */
function closed(text) {
  const { isLoose, bare } = read(text);
  return isLoose ? `(${bare.trim()})` : bare.trim();
}

/**
 * A condition as parts. What is said of one thing a second time stays as it was written: both must fit. The part is then the one
 * that a click puts there: states stand in front, a column's value at the end.
 * @param {string} text
 * @returns {Part[]}
 */
export function parse(text) {
  if (!text.trim()) return [];
  const written = split(text.trim());
  const parts = written.map(partOf);
  const about = parts.map((part) => (part.is === "equal" ? part.column : part.is));
  return parts.map((part, index) => {
    const of = about[index];
    const isIt = index === (part.is === "equal" ? about.lastIndexOf(of) : about.indexOf(of));
    return isIt ? part : { is: "raw", text: written[index] };
  });
}

/** @param {string} one @returns {Part} */
function partOf(one) {
  const equal = EQUAL.exec(one);
  if (equal) return /** @type {Part} */ ({ is: "equal", column: equal[1].toLowerCase(), value: texts(equal[2], undefined)[0] });
  const since = SINCE.exec(one);
  if (since) return { is: "since", seconds: Number(since[1]) };
  const states = ONE_STATE.exec(one);
  if (states) {
    const [open, ends] = states[1].toLowerCase() === "status" ? [texts(states[2], states[3]), []] : [[], texts(states[2], states[3])];
    return known(open, ends, one);
  }
  const both = BOTH_STATES.exec(one);
  if (both) return known(texts(both[1], both[2]), texts(both[3], both[4]), one);
  return { is: "raw", text: one };
}

/** @param {string[]} open @param {string[]} ends @param {string} text @returns {Part} */
function known(open, ends, text) {
  const areKnown = open.every((one) => OPEN.includes(one)) && ends.every((one) => ENDS.includes(one));
  return areKnown ? { is: "state", states: [...open, ...ends] } : { is: "raw", text };
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
  if (parts.length === 1 && parts[0].is === "raw") return parts[0].text;
  return parts
    .map((part) => {
      if (part.is === "equal") return `${part.column} = ${quoted(part.value)}`;
      if (part.is === "since") return `created_at > now() - ${part.seconds}`;
      if (part.is === "raw") return closed(part.text);
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
 * The condition, but not of these.
 * @param {string} where
 * @param {string[]} ids
 */
export function without(where, ids) {
  return ids.length === 0 ? where : `(${where}\n) and id not in (${ids.map(quoted).join(", ")})`; // the line ends a comment
}

/**
 * Which invocations something is asked of, as the server takes it: those that a condition fits, those selected one by
 * one, or those refused by a job.
 * @typedef {{ where: string } | { ids: string[] } | { refused_by: string }} Choice
 */

/**
 * The choice in words.
 * @param {Choice} choice
 */
export function wordsOf(choice) {
  if ("where" in choice) return choice.where;
  if ("ids" in choice) return `${choice.ids.length.toLocaleString()} selected`;
  return `those refused by ${choice.refused_by}`;
}

/**
 * The choice of a job that there is.
 * @param {{ where: string, named: number, refused_by: string }} job
 */
export function wordsOfJob(job) {
  return job.named ? `${job.named.toLocaleString()} selected` : job.refused_by ? wordsOf({ refused_by: job.refused_by }) : job.where;
}
