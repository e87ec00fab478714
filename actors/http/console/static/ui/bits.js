// Small components of all pages.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, isFinal } from "../lib/api.js";
import { html } from "../lib/html.js";
import { href } from "../lib/router.js";
import { exact, length, now, relative } from "../lib/time.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/html.js").Children} Children */

/** Statuses and outcomes: a sign beside the word, so that colour is never all there is. */
const SIGNS = /** @type {Record<string, string>} */ ({
  scheduled: "◷",
  queued: "≡",
  running: "▶",
  suspended: "◌",
  backing_off: "↻",
  paused: "‖",
  completed: "✓",
  succeeded: "✓",
  failed: "✕",
  cancelled: "⊘",
  killed: "☠",
  held: "■",
});

/** @param {string} word */
export function inWords(word) {
  return word.replaceAll("_", " ");
}

/**
 * The status of an invocation, or how it ended.
 * @param {{ status: string, outcome?: string | null, phase?: string }} props
 */
export function Status({ status, outcome, phase }) {
  const word = outcome || status;
  return html`<span class=${`status ${word}`}>
    <span class="sign" aria-hidden="true">${SIGNS[word] ?? "•"}</span>${inWords(word)}${
      phase ? html`<span class="phase">${phase}</span>` : null
    }</span
  >`;
}

/**
 * A moment: how long ago, and exactly when pointed at.
 * @param {{ at: number | null | undefined, both?: boolean }} props `both`: the exact time stands beside it
 */
export function Time({ at, both = false }) {
  if (at === null || at === undefined) return html`<span class="faint">–</span>`;
  const iso = new Date(at * 1000).toISOString();
  return html`<time datetime=${iso} title=${`${exact(at)}\n${iso}`}
    >${relative(at, now.value)}${both ? html` <span class="faint">${exact(at)}</span>` : null}</time
  >`;
}

/**
 * A length of time; one that has no end yet grows.
 * @param {{ from: number | null | undefined, to: number | null | undefined }} props
 */
export function Duration({ from, to }) {
  if (from === null || from === undefined) return html`<span class="faint">–</span>`;
  const end = to ?? Math.max(from, now.value);
  return html`<span title=${`${exact(from)} to ${to ? exact(to) : "now"}`}>${length(end - from)}</span>`;
}

/**
 * The middle of a long id left out.
 * @param {string} id
 */
export function short(id) {
  return id.length > 20 ? `${id.slice(0, 9)}…${id.slice(-7)}` : id;
}

/**
 * An invocation's id, as a link to it.
 * @param {{ id: string, whole?: boolean }} props
 */
export function InvocationLink({ id, whole = false }) {
  return html`<a class="id" href=${href(["invocations", id])} title=${id}>${whole ? id : short(id)}</a>`;
}

/**
 * A button that copies.
 * @param {{ text: string, label?: string }} props
 */
export function Copy({ text, label = "copy" }) {
  return html`<button
    type="button"
    class="plain"
    title=${`copy ${text.slice(0, 200)}`}
    onClick=${async () => {
      try {
        await navigator.clipboard.writeText(text);
        toast("copied");
      } catch {
        toast("This browser does not let the page copy; select the text instead.", "bad");
      }
    }}
  >
    ${label}
  </button>`;
}

/**
 * What is wrong, and what to do about it.
 * @param {{ error: unknown, retry?: (() => void) | null }} props
 */
export function ErrorBox({ error, retry = null }) {
  if (!error) return null;
  const problem = error instanceof Problem ? error : new Problem(String(error));
  return html`<div class="error-box" role="alert">
    <p>${problem.message}</p>
    ${problem.advice ? html`<p class="faint">${problem.advice}</p>` : null}
    ${retry && !isFinal(error) ? html`<button type="button" onClick=${retry}>Try again</button>` : null}
  </div>`;
}

/**
 * The placeholder of an empty list, with what would fill it.
 * @param {{ title: string, children?: Children }} props
 */
export function Empty({ title, children }) {
  return html`<div class="empty">
    <h2>${title}</h2>
    ${children}
  </div>`;
}

/** The placeholder of data that is loading. */
export function Loading() {
  return html`<p class="loading" role="status">Loading…</p>`;
}

/**
 * A part of a page with a heading.
 * @param {{ title: string, extra?: Children, children?: Children, id?: string }} props
 */
export function Section({ title, extra, children, id }) {
  return html`<section class="panel" aria-label=${title} id=${id}>
    <header><h2>${title}</h2>${extra ? html`<div class="extra">${extra}</div>` : null}</header>
    ${children}
  </section>`;
}

/**
 * Names and values, one below the other.
 * @param {{ rows: [string, Children][] }} props rows whose value is null are left out
 */
export function Facts({ rows }) {
  const there = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class="facts">
    ${there.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/**
 * Text that can be long: the first lines, or the last ones of a text that grows, and all of it on demand.
 * @param {{ text: string, lines?: number, isTail?: boolean }} props
 */
export function LongText({ text, lines = 12, isTail = false }) {
  const [isWhole, setWhole] = useState(false);
  const box = useRef(/** @type {HTMLPreElement | null} */ (null));
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (isTail && isAtEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, isWhole]);
  const all = text.split("\n");
  const fits = all.length <= lines && text.length <= lines * 200;
  const most = lines * 200;
  const part = isTail ? all.slice(-lines).join("\n").slice(-most) : all.slice(0, lines).join("\n").slice(0, most);
  const shown = fits || isWhole ? text : part;
  return html`<div class="long">
    <pre
      ref=${box}
      tabindex="0"
      onScroll=${(/** @type {Event} */ event) => {
        const { scrollTop, scrollHeight, clientHeight } = /** @type {HTMLElement} */ (event.currentTarget);
        isAtEnd.current = scrollTop + clientHeight > scrollHeight - 20;
      }}
    >${isTail && shown !== text ? "…" : ""}${shown}</pre>
    ${fits
      ? null
      : html`<button type="button" class="plain" onClick=${() => setWhole(!isWhole)}>
          ${isWhole ? "show less" : `show all (${text.length.toLocaleString()} characters)`}
        </button>`}
  </div>`;
}
