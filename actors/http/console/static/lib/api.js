// Requests to the public HTTP API. An error says what to do about it.

import { parseJson, printJson } from "./exact.js";
import { vouch } from "./router.js";
import { API_BASE, clockSkew, keepToken, me, signInBecause, token, wasGiven } from "./session.js";

/** A request that the server refused, or that never reached it. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, title?: string, code?: string, advice?: string, path?: string | null, details?: any, invocation?: string | null,
   *   outcome?: string | null }} [more] `invocation` is the one that the error is about, `outcome` how that ended
   */
  constructor(message, { status = 0, title = "", code = "", advice = "", path = null, details = null, invocation = null, outcome = null } = {}) {
    super(message);
    this.status = status;
    this.title = title;
    this.code = code;
    this.advice = advice;
    this.path = path;
    this.details = details;
    this.invocation = invocation;
    this.outcome = outcome;
  }
}

/** @type {Record<number, string>} */
const ADVICE = {
  401: "Sign in with a token: the server's own is in its data directory, 'playhead tokens create' makes others.",
  403: "The scope of your token does not allow this. 'playhead tokens create' makes a token with a wider scope.",
  404: "It may have been purged, or its retention has expired.",
  409: "It has changed in the meantime. Check it again before you continue.",
  410: "Its history is gone; only the fields of its object are left.",
  413: "The request is larger than this server accepts.",
  429: "The server is busy. The page retries soon.",
  503: "The server accepts no new work for now: its disk may be full, or it is stopping. The page retries.",
};

/**
 * @typedef {{
 *   query?: Record<string, string | number | boolean | string[] | null | undefined>,
 *   body?: unknown,
 *   headers?: Record<string, string>,
 *   abort?: AbortSignal,
 *   key?: string,
 * }} Asked `key`: an idempotency key, from `requestKey`
 */

/** @param {string[]} segments */
export function pathOf(...segments) {
  return segments.map(encodeURIComponent).join("/");
}

/** Browsers resolve these segments of a path, even percent-encoded ones; so neither can be a key or a name. */
const PATH_STEPS = [".", ".."];

/**
 * Send a request. Raises a `Problem` unless the response is a success.
 * @param {string} method
 * @param {string} path relative, as `pathOf` makes it
 * @param {Asked} [asked]
 */
export async function send(method, path, { query = {}, body, headers = {}, abort, key } = {}) {
  const step = path.split("/").find((segment) => PATH_STEPS.includes(segment));
  if (step !== undefined) {
    throw new Problem(`'${step}' cannot be used as a key or a name.`, { title: "not a key" });
  }
  const url = new URL(path, API_BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
  }
  /** @type {Record<string, string>} */
  const all = { accept: "application/json", ...headers }; // without it, what the server also streams would come as a stream
  const secret = token();
  if (secret) all.authorization = `Bearer ${secret}`;
  if (key) all["idempotency-key"] = key;
  if (body !== undefined) all["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: all,
      body: body === undefined ? undefined : printJson(body),
      signal: abort,
      cache: "no-store",
    });
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new Problem("The server does not answer.", {
      title: "no answer",
      advice: "It may be restarting, or the network is down. The page continues as soon as the server answers.",
    });
  }
  if (response.ok) return response;
  throw await problemIn(response, secret);
}

/** @param {Response} response @param {string | null} secret the token that it was asked with */
async function problemIn(response, secret) {
  /** @type {any} */
  let told = {};
  try {
    told = await jsonOf(response);
  } catch {
    // The answer came from a proxy.
  }
  const isRefusal = !told.outcome; // a handler's recorded failure may have any status, and says nothing about this request
  if (isRefusal && response.status === 401 && secret === token()) loseToken("This needs a token that the server knows.");
  return new Problem(told.detail || `the server answered ${response.status}`, {
    status: response.status,
    title: told.title || `${response.status}`,
    code: told.code ?? "",
    advice: (isRefusal && ADVICE[response.status]) || "",
    path: told.path ?? null,
    details: told.details ?? null,
    invocation: told.invocation_id ?? null,
    outcome: told.outcome ?? null,
  });
}

/**
 * Whether the same request gets the same answer until its subject changes. Too many requests, a request too early, and an unknown
 * token say nothing about the subject.
 * @param {unknown} error
 */
export function isFinal(error) {
  if (!(error instanceof Problem)) return false;
  if (error.outcome) return true;
  return error.status >= 400 && error.status < 500 && !PASSING.includes(error.status);
}

const PASSING = [401, 408, 425, 429];

/** @param {Response} response */
async function jsonOf(response) {
  return parseJson(await response.text());
}

/**
 * GET, decoded as JSON.
 * @param {string} path
 * @param {Asked["query"]} [query]
 * @param {AbortSignal} [abort]
 * @returns {Promise<any>}
 */
export async function get(path, query, abort) {
  return jsonOf(await send("GET", path, { query, abort }));
}

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Asked} [asked]
 * @returns {Promise<any>}
 */
export async function post(path, body, asked = {}) {
  return jsonOf(await send("POST", path, { ...asked, body }));
}

/**
 * An idempotency key, made once for each dialog: a retry after a lost answer is the same request.
 */
export function requestKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * PATCH: apply a verb to something.
 * @param {string} path
 * @param {unknown} [body]
 * @param {Asked} [asked]
 * @returns {Promise<any>}
 */
export async function patch(path, body = {}, asked = {}) {
  return jsonOf(await send("PATCH", path, { ...asked, body }));
}

/**
 * The rows of one SELECT, as objects by column.
 * @param {string} sql
 * @param {(string | number | boolean | null)[]} [parameters]
 * @param {AbortSignal} [abort]
 * @returns {Promise<Record<string, any>[]>}
 */
export async function select(sql, parameters = [], abort) {
  /** @type {{ columns: string[], rows: any[][] }} */
  const found = await post("query", { sql, parameters }, { abort });
  return found.rows.map((row) => Object.fromEntries(found.columns.map((name, index) => [name, row[index]])));
}

/**
 * The events of a stream, as they arrive.
 * @param {Response} response
 * @param {() => void} [onAnything] called for every chunk, keep-alives included
 * @returns {AsyncGenerator<any>}
 */
export async function* eventsOf(response, onAnything = () => {}) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onAnything();
    text += decoder.decode(value, { stream: true });
    const pieces = text.split("\n\n");
    text = pieces.pop() ?? "";
    for (const piece of pieces) {
      const data = piece.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield parseJson(data.slice(6));
    }
  }
}

/**
 * Ask the server whom the token belongs to. Asks to sign in if it is unknown.
 * @returns {Promise<import("./session.js").Whoami>}
 */
export async function identify() {
  const before = Date.now();
  const answer = await get("whoami");
  clockSkew.value = answer.now - (before + Date.now()) / 2000;
  return answer;
}

/**
 * Show the pages to the owner of the token.
 * @param {import("./session.js").Whoami} answer
 */
export function admit(answer) {
  const known = me.peek();
  if (known !== null && known.name !== answer.name) location.reload(); // what is shown was shown to another
  if (wasGiven(answer)) vouch();
  me.value = answer;
  signInBecause.value = null;
}

/** @param {string} because */
export function signOut(because) {
  if (token()) keepToken("");
  me.value = null;
  signInBecause.value = because;
}

/**
 * The token is not known any more: it was revoked, or is of another server. What is on the page stays, for the user who signs in again.
 * @param {string} because
 */
function loseToken(because) {
  if (token()) keepToken("");
  signInBecause.value = because;
}
