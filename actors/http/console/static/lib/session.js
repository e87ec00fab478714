// The session: the token, kept for this tab and the tabs opened from it, and its scope.

import { signal } from "@preact/signals";

/**
 * @typedef {"observe" | "invoke" | "read" | "control" | "admin"} Scope
 * @typedef {{ name: string, scope: Scope, is_open: boolean, now: number }} Whoami
 */

/** @type {Scope[]} */
const SCOPES = ["invoke", "read", "control", "admin"];

/** The address of the API: the page is at `…/ui/`, the API beside it, under any prefix. */
export const API_BASE = new URL("../", document.baseURI);

const KEY = `playhead.token ${API_BASE.pathname}`;
const SIBLINGS_MS = 200;

/** What the server says of the token; null until it has. */
export const me = signal(/** @type {Whoami | null} */ (null));

/** Why the sign-in form is shown; null: it is not. */
export const signInBecause = signal(/** @type {string | null} */ (null));

/** Seconds to add to this machine's clock to have the server's. */
export const clockSkew = signal(0);

/** The token of this tab; null if it never had one, empty after it was signed out. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** @param {string} secret */
export function keepToken(secret) {
  sessionStorage.setItem(KEY, secret);
}

const siblings = new BroadcastChannel(KEY);

siblings.addEventListener("message", ({ data }) => {
  const secret = token();
  if (data.asks && secret && me.peek() !== null) siblings.postMessage({ answers: data.asks, secret });
});

/**
 * A tab that was opened from a link has no token yet: take that of another tab with this very page, if there is one. Nothing
 * but pages of this origin can read the question or the answer.
 * @returns {Promise<void>}
 */
export async function inheritToken() {
  if (token() !== null) return;
  const asks = Math.random();
  await new Promise((resolve) => {
    setTimeout(resolve, SIBLINGS_MS);
    siblings.addEventListener("message", ({ data }) => {
      if (data.answers !== asks || token() !== null) return;
      keepToken(data.secret);
      resolve(undefined);
    });
    siblings.postMessage({ asks });
  });
}

const IN_ADDRESS = /^#token=([^&]+)(?:&to=(.*))?$/;

/** The token that stood in the address. */
let given = /** @type {string | null} */ (null);

/**
 * Take a token out of the address (`#token=…`) before anything else sees it. A fragment is not sent to servers, and it is
 * taken from the address and from this entry of the history at once.
 */
function takeTokenFromAddress() {
  const found = IN_ADDRESS.exec(location.hash);
  if (!found) return;
  given = decoded(found[1]);
  keepToken(given);
  history.replaceState(null, "", found[2] ? `#${decoded(found[2])}` : location.pathname + location.search);
}

/**
 * Whether the token of this tab stood in the address that it was opened with: the author of that address may ask for what stands
 * in it. On an open server a token proves nothing.
 * @param {Whoami} answer
 */
export function wasGiven(answer) {
  return given !== null && given === token() && !answer.is_open;
}

/**
 * What is encoded in a part of an address; the part itself if it is not encoded as it should be.
 * @param {string} text
 */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

takeTokenFromAddress();

addEventListener("popstate", (event) => {
  if (!IN_ADDRESS.test(location.hash)) return;
  event.stopImmediatePropagation();
  location.reload(); // what was shown was shown to another user
});

/**
 * Whether this user may do what needs this scope. Buttons for what they may not do are not shown.
 * @param {Scope} needed
 */
export function may(needed) {
  if (me.value?.scope === "observe") return needed === "read";
  return me.value !== null && SCOPES.indexOf(me.value.scope) >= SCOPES.indexOf(needed);
}
