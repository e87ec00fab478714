// The audit log: every control request with its requester, time, reason and result, and the check of its hash chain.

import { useLayoutEffect, useState } from "preact/hooks";
import { get } from "../lib/api.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { href, setParams } from "../lib/router.js";
import { Copy, Empty, ErrorBox, Facts, InvocationLink, Loading, Time, inWords } from "../ui/bits.js";
import { Dialog } from "../ui/dialog.js";
import { visible, visibleName } from "../ui/json.js";
import { Table } from "../ui/table.js";

/**
 * @typedef {{ partition: number, number: number, at: number, by: string, source: string, verb: string, target: string,
 *   detail: string, reason: string, request: string | null, changed: boolean, before: string, after: string, refusal: string,
 *   dropped: number }} Entry
 */

const PAGE = 200;
const INVOCATION = /^inv_1[0-9A-Za-z]{33}$/;
const VERBS = [
  "cancel", "kill", "pause", "resume", "restart", "reschedule", "signal", "purge", "edit", "close-gate", "open-gate", "set-limit",
  "delete-limit", "register-deployment", "make-latest", "prune-deployment", "start-job", "create-token", "revoke-token",
];

/** @param {Entry} entry */
function keyOf(entry) {
  return `${entry.partition}-${entry.number}`;
}

/** @param {{ target: string }} props */
function Target({ target }) {
  if (INVOCATION.test(target)) return html`<${InvocationLink} id=${target} />`;
  if (target.startsWith("dep_")) return html`<a class="id" href=${href(["deployments", target])}>${visibleName(target)}</a>`;
  if (target.startsWith("job_")) return html`<a class="id" href=${href(["jobs", target])}>${visibleName(target)}</a>`;
  return html`<span title=${visibleName(target)}>${visibleName(target)}</span>`;
}

/** @param {{ entry: Entry }} props */
function Result({ entry }) {
  if (entry.refusal) {
    return html`<span class="status failed"><span class="sign" aria-hidden="true">✕</span>refused</span> <span class="faint">${visible(entry.refusal)}</span>`;
  }
  if (!entry.changed) return html`<span class="faint">nothing to change</span>`;
  return entry.before || entry.after
    ? html`<span>${inWords(visible(entry.before)) || "none"} <span class="faint" aria-label="became">→</span> ${inWords(visible(entry.after)) || "none"}</span>`
    : "done";
}

/** @type {import("../ui/table.js").Column<Entry>[]} */
const COLUMNS = [
  { name: "at", title: "When", width: "92px", cell: (entry) => html`<${Time} at=${entry.at} />` },
  { name: "by", title: "Who", width: "minmax(110px, .8fr)", cell: (entry) => visible(entry.by) },
  { name: "verb", title: "Verb", width: "160px", cell: (entry) => html`<b>${visible(entry.verb)}</b>` },
  { name: "target", title: "Target", width: "minmax(150px, 1.2fr)", cell: (entry) => html`<${Target} target=${entry.target} />` },
  { name: "result", title: "Result", width: "minmax(170px, 1.2fr)", cell: (entry) => html`<${Result} entry=${entry} />` },
  { name: "reason", title: "Reason", width: "minmax(140px, 1.4fr)", cell: (entry) => visible(entry.reason) },
  { name: "source", title: "From", width: "minmax(90px, .6fr)", cell: (entry) => html`<span class="faint">${visible(entry.source)}</span>` },
];

/** Nothing is read yet of what is older than the first page. */
const UNREAD = { entries: /** @type {Entry[]} */ ([]), next: /** @type {string | null} */ (null), isBusy: false, error: /** @type {unknown} */ (null) };

/** @param {{ params: Record<string, string> }} props */
export function Audit({ params }) {
  const by = params.by ?? "";
  const verb = params.verb ?? "";
  const target = params.target ?? "";
  const asked = { by, verb, target, limit: PAGE };
  const key = `audit ${JSON.stringify(asked)}`;
  const [open, setOpen] = useState(/** @type {Entry | null} */ (null));
  const [read, setRead] = useState({ ...UNREAD, key });
  const older = read.key === key ? read : { ...UNREAD, key };
  const { data, error, reload } = useLive(key, (abort) => get("audit", asked, abort), { when: () => true, every: 500 });

  async function readOlder() {
    if (data === undefined || older.isBusy) return;
    setRead({ ...older, isBusy: true, error: null });
    // What is answered when something else is asked for already belongs to nothing that is shown.
    const show = (/** @type {typeof older} */ found) => setRead((now) => (now.key === key ? found : now));
    try {
      const page = await get("audit", { ...asked, after: older.entries.length > 0 ? older.next : data.next });
      show({ key, entries: [...older.entries, ...page.entries], next: page.next, isBusy: false, error: null });
    } catch (failed) {
      show({ ...older, isBusy: false, error: failed });
    }
  }

  /** @type {Entry[]} */
  const first = data?.entries ?? [];
  const known = new Set(first.map(keyOf));
  const entries = [...first, ...older.entries.filter((entry) => !known.has(keyOf(entry)))];
  const next = older.entries.length > 0 ? older.next : data?.next;
  const isFiltered = Boolean(by || verb || target);
  return html`<div class="page full">
    <div class="page-head">
      <h1>Audit</h1>
      <span class="faint num" role="status">${data ? `${entries.length.toLocaleString()}${next ? ", the newest" : ""}` : ""}</span>
      <div class="actions"><${Chain} /></div>
    </div>
    <div class="filters">
      <form class="audit-filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()} aria-label="Filter">
        <${Filter} name="by" label="who" value=${by} isFirst />
        <${Filter} name="verb" label="verb" value=${verb} list="verbs" />
        <${Filter} name="target" label="target" value=${target} />
        <datalist id="verbs">${VERBS.map((one) => html`<option key=${one} value=${one}></option>`)}</datalist>
        ${isFiltered ? html`<button type="button" class="chip" onClick=${() => setParams({ by: null, verb: null, target: null })}>all</button>` : null}
      </form>
      <${ErrorBox} error=${error ?? older.error} retry=${reload} />
    </div>
    ${data === undefined
      ? error
        ? html`<span></span>`
        : html`<${Loading} />`
      : entries.length === 0
        ? html`<${Empty} title=${isFiltered ? "No requests match this filter" : "No control requests yet"}>
            <p>
              ${isFiltered
                ? "Names, verbs and targets must match exactly."
                : "Every verb, gate, edit, restart, job and change of deployments is recorded here, with the requester, source and reason, including refused requests."}
            </p>
          <//>`
        : html`<${Table}
            label="Audit"
            columns=${COLUMNS}
            count=${entries.length}
            rowAt=${(/** @type {number} */ index) => entries[index]}
            keyOf=${keyOf}
            onOpen=${setOpen}
            onSeen=${(/** @type {number} */ _, /** @type {number} */ last) => {
              if (last >= entries.length && next) void readOlder();
            }}
          />`}
    ${open ? html`<${OneEntry} entry=${open} onClose=${() => setOpen(null)} />` : null}
  </div>`;
}

/** @param {{ name: string, label: string, value: string, list?: string, isFirst?: boolean }} props */
function Filter({ name, label, value, list, isFirst = false }) {
  // What is being typed is the page's own until it is applied: the page is drawn again whenever anything happens.
  const [text, setText] = useState(value);
  useLayoutEffect(() => setText(value), [value]);
  return html`<label class="inline"
    >${label}
    <input
      data-filter=${isFirst ? true : undefined}
      list=${list}
      spellcheck=${false}
      value=${text}
      placeholder="anything"
      onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLInputElement} */ (event.target).value)}
      onChange=${(/** @type {Event} */ event) => setParams({ [name]: /** @type {HTMLInputElement} */ (event.target).value })}
  /></label>`;
}

/** @param {{ entry: Entry, onClose: () => void }} props */
function OneEntry({ entry, onClose }) {
  /** @param {string} text */
  const orNull = (text) => (text ? visible(text) : null);
  return html`<${Dialog} title=${`${visible(entry.verb)} by ${visible(entry.by)}`} onClose=${onClose}>
    <${Facts}
      rows=${[
        ["when", html`<${Time} at=${entry.at} both />`],
        ["who", visible(entry.by)],
        ["from", orNull(entry.source)],
        ["target", html`<${Target} target=${entry.target} /> <${Copy} text=${entry.target} />`],
        ["how", orNull(entry.detail)],
        ["reason", orNull(entry.reason)],
        ["result", html`<${Result} entry=${entry} />`],
        ["request", orNull(entry.request ?? "")],
        ["denied before this row", entry.dropped > 0 ? `${entry.dropped} denied requests without a row of their own: there were too many` : null],
        ["in the chain", `partition ${entry.partition}, row ${entry.number}`],
      ]}
    />
    <footer>
      <a class="button" href=${href(["audit"], { target: entry.target })} onClick=${onClose}>All of this target</a>
      <a class="button" href=${href(["audit"], { by: entry.by })} onClick=${onClose}>All by ${visible(entry.by)}</a>
    </footer>
  <//>`;
}

/** Whether the chain of hashes is whole. */
function Chain() {
  const [state, setState] = useState(/** @type {{ check: any, error: unknown, isBusy: boolean, isOpen: boolean }} */ ({ check: null, error: null, isBusy: false, isOpen: false }));
  async function verify() {
    setState({ ...state, isBusy: true, error: null });
    try {
      setState({ check: await get("audit/check"), error: null, isBusy: false, isOpen: true });
    } catch (failed) {
      setState({ check: null, error: failed, isBusy: false, isOpen: true });
    }
  }
  const { check, error, isBusy, isOpen } = state;
  const rows = check?.heads.reduce((/** @type {number} */ sum, /** @type {any} */ head) => sum + head.number, 0);
  const isWhole = check && check.broken.length === 0;
  return html`
    ${check
      ? html`<span class=${`chain ${isWhole ? "good" : "bad"}`} role="status"
          ><span aria-hidden="true">${isWhole ? "✓" : "✕"}</span> ${isWhole ? `chain whole, ${rows.toLocaleString()} rows` : "chain broken"}</span
        >`
      : null}
    <button type="button" disabled=${isBusy} onClick=${verify}>${isBusy ? "Verifying the chain…" : "Verify the chain"}</button>
    ${isOpen
      ? html`<${Dialog} title="The audit chain" onClose=${() => setState({ ...state, isOpen: false })} wide>
          <${ErrorBox} error=${error} />
          ${check
            ? html`
                <p class=${`verdict ${isWhole ? "good" : "bad"}`}>
                  <b>${isWhole ? "Whole." : "Broken."}</b> ${isWhole
                    ? "Every row matches the hash of the row before it: no row was changed or removed in between."
                    : "The rows below are missing or were changed. Compare with a backup of the data directory."}
                </p>
                ${check.broken.map((/** @type {string} */ text) => html`<p key=${text} class="bad">${visible(text)}</p>`)}
                <p class="faint">Store these hashes elsewhere: a later check against them also shows that no row was cut off at the end.</p>
                <div class="scroll-x">
                  <table class="plain">
                    <thead><tr><th>Partition</th><th class="right">Rows</th><th>Hash of the last row</th></tr></thead>
                    <tbody>
                      ${check.heads
                        .filter((/** @type {any} */ head) => head.number > 0)
                        .map(
                          (/** @type {any} */ head) => html`<tr key=${head.partition}>
                            <td>${head.partition}</td><td class="right">${head.number.toLocaleString()}</td><td class="mono">${head.link}</td>
                          </tr>`,
                        )}
                    </tbody>
                  </table>
                </div>
                <footer><${Copy} text=${JSON.stringify(check, null, 2)} label="copy all" /></footer>
              `
            : null}
        <//>`
      : null}
  `;
}
