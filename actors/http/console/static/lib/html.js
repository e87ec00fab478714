// Templates: `html` makes Preact elements. An inserted value is text or an element, never markup.

import htm from "htm";
import { h } from "preact";

/** @typedef {import("preact").ComponentChildren} Children */
/** @typedef {import("preact").VNode} VNode */

/** @type {(strings: TemplateStringsArray, ...values: unknown[]) => VNode} */
export const html = /** @type {any} */ (htm.bind(/** @type {any} */ (h)));
