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

/**
 * What an entry of the history knows beside its address: where one came from to it, and how far its list was scrolled.
 * @typedef {{ from?: string, top?: number }} Entry
 */

/** @returns {Entry} */
const entry = () => history.state ?? {};

if (history.state === null) history.replaceState({ from: "" }, "");

let held = 0;

/**
 * Stay on this page, whatever Back and Forward say, until the function that is returned is called: a dialog is open, and what was
 * typed into it would be gone. Links still lead away.
 */
export function holdPage() {
  held += 1;
  return () => {
    held -= 1;
  };
}

addEventListener("hashchange", (event) => {
  if (history.state === null) {
    history.replaceState({ from: new URL(event.oldURL).hash }, ""); // a link was followed
  } else if (held > 0) {
    history.pushState({ from: "" }, "", new URL(event.oldURL).hash); // the entry that was left is there again
    return;
  }
  place.value = read();
});

const SETTLED_MS = 200; // browsers refuse to have an entry written at every frame

/** @type {number | undefined} */
let scrolledTo;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let settling;

function writeScroll() {
  clearTimeout(settling);
  if (scrolledTo !== undefined) history.replaceState({ ...entry(), top: scrolledTo }, "");
  scrolledTo = undefined;
}

addEventListener("click", writeScroll, true); // it may be a link away from here
addEventListener("popstate", () => {
  scrolledTo = undefined; // it was another entry's
});

/**
 * Keep how far the list is scrolled with this entry of the history, for when one comes back to it.
 * @param {number} top
 */
export function keepScroll(top) {
  scrolledTo = top;
  clearTimeout(settling);
  settling = setTimeout(writeScroll, SETTLED_MS);
}

/** How far the list was scrolled when this entry of the history was left. */
export function keptScroll() {
  return entry().top ?? 0;
}

/**
 * Go to a list: back, if one came from it, so that it is as it was.
 * @param {string} name
 */
export function goUp(name) {
  const list = href([name]);
  if (entry().from?.split("?")[0] === list) history.back();
  else go(list);
}

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
  writeScroll();
  if (replace) history.replaceState({ from: entry().from }, "", address);
  else history.pushState({ from: location.hash }, "", address);
  place.value = read();
}

/**
 * Change parameters of the place we are at.
 * @param {Record<string, string | number | null | undefined>} changed
 * @param {{ push?: boolean }} [how] `push`: with a new entry in the history, so that Back takes it back
 */
export function setParams(changed, { push = false } = {}) {
  const { path, params } = place.peek();
  go(href(path, { ...params, ...changed }), { replace: !push });
}
