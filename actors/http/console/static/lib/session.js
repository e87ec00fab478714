// Who sits before this page: the token, kept for this tab alone, and what it is worth.

import { signal } from "@preact/signals";

/**
 * @typedef {"invoke" | "read" | "control" | "admin"} Scope
 * @typedef {{ name: string, scope: Scope, is_open: boolean, now: number }} Whoami
 */

/** @type {Scope[]} */
const SCOPES = ["invoke", "read", "control", "admin"];

/** Where the API lies: the page is at `…/ui/`, the API beside it, whatever the prefix. */
export const API_BASE = new URL("../", document.baseURI);

const KEY = `playhead.token ${API_BASE.pathname}`;

/** What the server says of the token; null until it has. */
export const me = signal(/** @type {Whoami | null} */ (null));

/** Why the sign-in form is shown; null: it is not. */
export const signInBecause = signal(/** @type {string | null} */ (null));

/** Seconds to add to this machine's clock to have the server's. */
export const clockSkew = signal(0);

/** The token of this tab, if it has one. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** @param {string | null} secret */
export function keepToken(secret) {
  if (secret) sessionStorage.setItem(KEY, secret);
  else sessionStorage.removeItem(KEY);
}

/**
 * Take a token out of the address (`#token=…`) before anything else sees it. A fragment is not sent to servers, and it is
 * taken from the address and from this entry of the history at once.
 */
function takeTokenFromAddress() {
  const found = /^#token=([^&]+)(?:&to=(.*))?$/.exec(location.hash);
  if (!found) return false;
  keepToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", found[2] ? `#${decodeURIComponent(found[2])}` : location.pathname + location.search);
  return true;
}

takeTokenFromAddress();

addEventListener("hashchange", (event) => {
  if (!takeTokenFromAddress()) return;
  event.stopImmediatePropagation();
  location.reload(); // whatever was shown was shown to somebody else
});

/**
 * Whether whoever sits here may do what needs this scope. Buttons for what they may not do are not shown.
 * @param {Scope} needed
 */
export function may(needed) {
  return me.value !== null && SCOPES.indexOf(me.value.scope) >= SCOPES.indexOf(needed);
}
