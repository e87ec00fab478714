// The address is the state: `#/invocations?where=…`. What is in the fragment needs no path on the server, so the page works
// behind any prefix, and a link says exactly what its sender saw.

import { signal } from "@preact/signals";
import { decoded } from "./session.js"; // first: it takes a token out of the address

/**
 * @typedef {{ path: string[], params: Record<string, string>, isOwn: boolean }} Place `isOwn`: this page has written the address. One
 *   that comes from elsewhere may be a stranger's: what stands in it is shown, and nothing long is asked for before its reader agrees
 */

/**
 * What an entry of the history knows beside its address: its place among the entries, the address from which one came to it,
 * whether this page has written it, and how far its list was scrolled. An entry that the browser has made, for a new address,
 * knows nothing yet.
 * @typedef {{ at: number, from: string, isOwn: boolean, top?: number }} Entry
 */

/** The address of a link that is about to be opened in another tab, which finds it here. */
const OPENED_KEY = "playhead.opened";

function isOpenedFromHere() {
  const isIt = location.hash !== "" && localStorage.getItem(OPENED_KEY) === location.hash;
  if (isIt) localStorage.removeItem(OPENED_KEY);
  return isIt;
}

/** @returns {Entry | null} */
const known = () => (typeof history.state?.at === "number" ? history.state : null);

/** @type {Entry} */
let entry = known() ?? { at: history.length, from: "", isOwn: isOpenedFromHere() };
let shown = location.hash;
history.replaceState(entry, "");

/** @returns {Place} */
function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    params: Object.fromEntries(new URLSearchParams(query ?? "")),
    isOwn: entry.isOwn,
  };
}

/** Where we are. */
export const place = signal(read());

/**
 * Write what the entry that is shown knows.
 * @param {Partial<Entry>} changed
 */
function note(changed) {
  entry = { ...entry, ...changed };
  history.replaceState(entry, "");
}

let held = 0;

/**
 * Stay on this page when Back or Forward is pressed, until the function that is returned is called: a dialog is open, and what was
 * typed into it would be gone. Links still lead away.
 */
export function holdPage() {
  held += 1;
  return () => {
    held -= 1;
  };
}

addEventListener("popstate", () => {
  scrolledTo = undefined; // it was another entry's
  const next = known();
  if (held > 0 && next !== null) {
    // Return to the entry that was left. A new one in its place would cost those after it.
    if (next.at !== entry.at) history.go(entry.at - next.at);
    return;
  }
  if (next !== null) entry = next;
  else if (location.hash === shown) note({}); // the browser has put another entry in the place of this one
  else note({ at: entry.at + 1, from: shown, isOwn: false, top: undefined });
  arrive();
});

/** @param {Event} event */
function linkOf({ target }) {
  return target instanceof Element ? target.closest("a[href^='#/']")?.getAttribute("href") : null;
}

addEventListener("click", (event) => {
  const address = linkOf(event);
  if (!address || event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return localStorage.setItem(OPENED_KEY, address);
  if (event.altKey) return; // it is downloaded
  event.preventDefault();
  go(address, { replace: address === location.hash });
});

for (const type of ["auxclick", "contextmenu"]) {
  addEventListener(type, (event) => {
    const address = linkOf(event);
    if (address) localStorage.setItem(OPENED_KEY, address);
  });
}

/** Take the address that is shown for one that this page has written. */
export function vouch() {
  note({ isOwn: true });
  arrive();
}

function arrive() {
  shown = location.hash;
  place.value = read();
}

const SETTLED_MS = 200; // browsers refuse to have an entry written at every frame

/** @type {number | undefined} */
let scrolledTo;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let settling;

function writeScroll() {
  clearTimeout(settling);
  if (scrolledTo !== undefined) note({ top: scrolledTo });
  scrolledTo = undefined;
}

addEventListener("click", writeScroll, true); // it may be a link away from here

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
  return entry.top ?? 0;
}

/**
 * Go to a list: back, if one came from it, so that it is as it was.
 * @param {string} name
 */
export function goUp(name) {
  const list = href([name]);
  if (entry.from.split("?")[0] === list) history.back();
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
  if (replace) {
    entry = { at: entry.at, from: entry.from, isOwn: true };
    history.replaceState(entry, "", address);
  } else {
    entry = { at: entry.at + 1, from: location.hash, isOwn: true };
    history.pushState(entry, "", address);
  }
  arrive();
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
