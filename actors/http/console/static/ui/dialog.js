// Dialogs: the browser's own, which keeps the focus inside, gives it back afterwards, and closes with Escape.

import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { holdPage } from "../lib/router.js";

/** @typedef {import("../lib/html.js").Children} Children */

/**
 * A modal dialog, for as long as it is rendered. The focus goes to what has `data-first`, or to the first button; also when that
 * comes later, unless the reader has moved the focus or typed by then; and again when what had the focus is taken away.
 * @param {{ title: string, onClose: () => void, children?: Children, wide?: boolean }} props
 */
export function Dialog({ title, onClose, children, wide = false }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const release = holdPage();
    const dialog = /** @type {HTMLDialogElement} */ (box.current);
    dialog.showModal();
    const leave = leadFocus(dialog);
    return () => {
      leave();
      release();
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return html`<dialog
    ref=${box}
    class=${wide ? "wide" : ""}
    aria-labelledby=${heading}
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      onClose();
    }}
  >
    <header>
      <h2 id=${heading}>${title}</h2>
      <button type="button" class="plain" aria-label="Close" onClick=${onClose}>✕</button>
    </header>
    ${children}
  </dialog>`;
}

/**
 * Focus what comes first in a dialog, now and whenever its content changes, until the function that is returned is called.
 * @param {HTMLDialogElement} dialog
 */
function leadFocus(dialog) {
  let focused = document.activeElement; // last: it may be gone by now
  let isTheirs = false; // the reader has gone there, or typed there

  function give() {
    const first = dialog.querySelector("[data-first]");
    const isGone = !focused?.isConnected;
    const isDue = first !== null && !isTheirs && !focused?.matches("[data-first]");
    if (!isGone && !isDue) return;
    focused = first ?? dialog.querySelector("button");
    /** @type {HTMLElement | null} */ (focused)?.focus();
    isTheirs = false;
  }

  /** @param {Event} event */
  function keep({ target }) {
    focused = /** @type {Element} */ (target);
    isTheirs = true;
  }

  const watch = new MutationObserver(give);
  watch.observe(dialog, { childList: true, subtree: true });
  dialog.addEventListener("focusin", keep);
  dialog.addEventListener("input", keep);
  give();
  return () => {
    watch.disconnect();
    dialog.removeEventListener("focusin", keep);
    dialog.removeEventListener("input", keep);
  };
}

/**
 * A labelled input of a form.
 * @param {{ label: string, hint?: Children, children: Children }} props
 */
export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}</span>${children}${hint ? html`<small>${hint}</small>` : null}</label>`;
}
