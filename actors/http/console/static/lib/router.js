// The address is the state: `#/invocations?where=…`. What is in the fragment needs no path on the server, so the page works
// behind any prefix, and a link says exactly what its sender saw.

import { signal } from "@preact/signals";
import { decoded } from "./session.js"; // first: it takes a token out of the address

/** @typedef {{ path: string[], params: Record<string, string> }} Place */

/** @returns {Place} */
function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    params: Object.fromEntries(new URLSearchParams(query ?? "")),
  };
}

/** Where we are. */
export const place = signal(read());

addEventListener("hashchange", () => {
  place.value = read();
});

/**
 * The address of a place.
 * @param {string[]} path
 * @param {Record<string, string | number | null | undefined>} [params] empty ones are left out
 */
export function href(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/**
 * Go there.
 * @param {string} address as `href` makes it
 * @param {{ replace?: boolean }} [how] `replace`: without a new entry in the history
 */
export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  place.value = read();
}

/**
 * Change parameters of the place we are at, without a new entry in the history.
 * @param {Record<string, string | number | null | undefined>} changed
 */
export function setParams(changed) {
  const { path, params } = place.peek();
  go(href(path, { ...params, ...changed }), { replace: true });
}
