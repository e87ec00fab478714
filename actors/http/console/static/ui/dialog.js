// Dialogs: the browser's own, which keeps the focus inside, gives it back afterwards, and closes with Escape.

import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { holdPage } from "../lib/router.js";

/** @typedef {import("../lib/html.js").Children} Children */

/**
 * A modal dialog, for as long as it is rendered. The focus goes to what has `data-first`, or to the first button.
 * @param {{ title: string, onClose: () => void, children?: Children, wide?: boolean }} props
 */
export function Dialog({ title, onClose, children, wide = false }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const release = holdPage();
    const dialog = box.current;
    if (dialog && !dialog.open) dialog.showModal();
    /** @type {HTMLElement | null | undefined} */ (dialog?.querySelector("[data-first]"))?.focus();
    return () => {
      release();
      dialog?.close();
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
 * A labelled input of a form.
 * @param {{ label: string, hint?: Children, children: Children }} props
 */
export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}</span>${children}${hint ? html`<small>${hint}</small>` : null}</label>`;
}
