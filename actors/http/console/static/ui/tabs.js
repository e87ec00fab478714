// Tabs, as WAI-ARIA has them: the chosen one is in the order of the keyboard, arrows go from one to the next, Home and End to the ends.

import { html } from "../lib/html.js";

/** The id of the panel that tabs belong to; a page has one set of them. */
export const PANEL = "tab-shown";

/** @param {string} name */
export function tabId(name) {
  return `tab-${name}`;
}

/**
 * @param {{ label: string, tabs: readonly (readonly [string, string])[], chosen: string, onChoose: (name: string) => void }} props `tabs`
 *   are names and titles
 */
export function Tabs({ label, tabs, chosen, onChoose }) {
  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const at = tabs.findIndex(([name]) => name === chosen);
    /** @type {Record<string, number>} */
    const places = { ArrowRight: (at + 1) % tabs.length, ArrowLeft: (at - 1 + tabs.length) % tabs.length, Home: 0, End: tabs.length - 1 };
    const place = places[event.key];
    if (place === undefined) return;
    event.preventDefault();
    onChoose(tabs[place][0]);
    document.getElementById(tabId(tabs[place][0]))?.focus();
  }
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${onKeyDown}>
    ${tabs.map(
      ([name, title]) => html`<button
        key=${name}
        type="button"
        role="tab"
        id=${tabId(name)}
        aria-selected=${name === chosen}
        aria-controls=${PANEL}
        tabindex=${name === chosen ? 0 : -1}
        onClick=${() => onChoose(name)}
      >
        ${title}
      </button>`,
    )}
  </div>`;
}
