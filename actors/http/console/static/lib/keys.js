// Keyboard shortcuts of the current page, in one place, so that `?` can list them.

import { useLayoutEffect } from "preact/hooks";

/** @typedef {{ key: string, does: string, run: (event: KeyboardEvent) => void }} Shortcut `key` may be two: `g o` */

const PATIENCE_MS = 1_500;

/** @type {Set<Shortcut[]>} */
const active = new Set();

/** What the keys do now. */
export function shortcuts() {
  return [...active].flat();
}

/**
 * Register shortcuts while the component is mounted, from its first paint on, so that no key press is lost.
 * @param {Shortcut[]} list
 */
export function useShortcuts(list) {
  useLayoutEffect(() => {
    active.add(list);
    return () => {
      active.delete(list);
    };
  });
}

/** @param {EventTarget | null} target */
export function isTyping(target) {
  if (target instanceof HTMLInputElement && target.type === "range") return false; // nothing is written into a slider
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

let before = "";
let beforeAt = 0;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const known = [...active].reverse().flat();
  const isSecond = before !== "" && event.timeStamp - beforeAt < PATIENCE_MS;
  const pressed = isSecond ? `${before} ${event.key}` : event.key;
  const found = known.find((shortcut) => shortcut.key === pressed);
  before = known.some((shortcut) => shortcut.key.startsWith(`${pressed} `)) ? pressed : "";
  beforeAt = event.timeStamp;
  if (found || before) event.preventDefault();
  found?.run(event);
});
