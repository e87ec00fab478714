// Values of users, as text: never markup, control characters made visible, and what is long cut short until all is asked for.

import { useState } from "preact/hooks";
import { printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";

const MANY = 100;
const LONG = 2_000;

/** Characters that would hide or turn around what stands beside them, or that look like nothing. */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]/g;

/** White space in a name that is not one space between two words. */
const ODD_SPACE = /^ +| +$| {2,}|[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;

/** Joiners are part of emoji and of Persian words; beside a letter of ASCII, or at an end, they only hide. */
const LOOSE_JOINER = /(?<![^\u0000-\u007f])[\u200c\u200d]|[\u200c\u200d](?![^\u0000-\u007f])/gu;

/** @param {string} character */
function written(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * The text with what cannot be seen written out.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(INVISIBLE, written).replace(LOOSE_JOINER, written);
}

/**
 * The same for a name, which is one line: two that differ in their white space look different.
 * @param {string} text
 */
export function visibleName(text) {
  const spaced = text.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replace(ODD_SPACE, (spaces) => Array.from(spaces, written).join(""));
  return visible(spaced);
}

/**
 * A value in one line, cut off.
 * @param {unknown} value
 * @param {number} [most]
 */
export function brief(value, most = 80) {
  const text = value === undefined ? "" : visible(printJson(value));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/**
 * A value as a tree.
 * @param {{ value: unknown, label?: string }} props
 */
export function Json({ value, label = "value" }) {
  return html`<div class="json" role="group" aria-label=${label} tabindex="0"><${Node} value=${value} depth=${0} /></div>`;
}

/**
 * @param {{ value: unknown, depth: number }} props
 * @returns {import("../lib/html.js").VNode}
 */
function Node({ value, depth }) {
  if (typeof value === "string") return html`<${Text} text=${value} />`;
  if (value === null || typeof value !== "object") return html`<span class="atom">${String(value)}</span>`;
  const isList = Array.isArray(value);
  const entries = isList ? value.map((item, index) => /** @type {[string, unknown]} */ ([String(index), item])) : Object.entries(value);
  if (entries.length === 0) return html`<span class="atom">${isList ? "[]" : "{}"}</span>`;
  return html`<${Branch} entries=${entries} isList=${isList} depth=${depth} />`;
}

/** @param {{ entries: [string, unknown][], isList: boolean, depth: number }} props */
function Branch({ entries, isList, depth }) {
  const [isOpen, setOpen] = useState(depth < 2);
  const [most, setMost] = useState(MANY);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  return html`<span class="branch">
    <button type="button" class="twist" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span aria-hidden="true">${isOpen ? "▾" : "▸"}</span> ${size}
    </button>
    ${isOpen
      ? html`<ul>
          ${entries.slice(0, most).map(
            ([name, item]) => html`<li key=${name}>
              <span class=${isList ? "index" : "name"}>${visible(name)}</span> <${Node} value=${item} depth=${depth + 1} />
            </li>`,
          )}
          ${entries.length > most
            ? html`<li>
                <button type="button" class="plain" onClick=${() => setMost(entries.length)}>
                  show all ${entries.length.toLocaleString()}
                </button>
              </li>`
            : null}
        </ul>`
      : null}
  </span>`;
}

/** @param {{ text: string }} props */
function Text({ text }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? text : text.slice(0, LONG);
  return html`<span class="string">"${visible(shown)}"</span>${text.length > LONG
      ? html` <button type="button" class="plain" onClick=${() => setWhole(!isWhole)}>
          ${isWhole ? "show less" : `show all (${text.length.toLocaleString()} characters)`}
        </button>`
      : null}`;
}
