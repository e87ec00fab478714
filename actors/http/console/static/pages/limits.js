// Limits: how many invocations run at once and start in a period, how much they spend, and how many wait; set and deleted here.

import { useState } from "preact/hooks";
import { get, patch, pathOf } from "../lib/api.js";
import { amountsOf, budgetOrNone, spentOf } from "../lib/budgets.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { may } from "../lib/session.js";
import { Empty, ErrorBox, Loading, Section, Time } from "../ui/bits.js";
import { Dialog, Field } from "../ui/dialog.js";
import { visible } from "../ui/json.js";
import { toast } from "../ui/toast.js";

/**
 * @typedef {{ scope: string, concurrency: number | null, rate: number | null, period: number, since: number, by: string, reason: string,
 *   budget: Record<string, string> | null, spent: Record<string, string>, running: number, waiting: number, node: string }} Limit
 */

/** All limits, by scope. */
export function Limits() {
  const { data, error, reload } = useLive("limits", async (abort) => /** @type {Limit[]} */ ((await get("limits", {}, abort)).limits), {
    when: () => true, // the figures change with every invocation
    every: 2_000,
  });
  const [changing, setChanging] = useState(/** @type {Limit | "new" | null} */ (null));
  const [deleting, setDeleting] = useState(/** @type {Limit | null} */ (null));
  return html`<div class="page">
    <div class="page-head">
      <h1>Limits</h1>
      ${data ? html`<span class="faint num">${data.length}</span>` : null}
      <div class="actions">${may("control") ? html`<button type="button" onClick=${() => setChanging("new")}>Set a limit…</button>` : null}</div>
    </div>
    <${ErrorBox} error=${error} retry=${reload} />
    ${data === undefined
      ? error
        ? null
        : html`<${Loading} />`
      : data.length === 0
        ? html`<${Empty} title="No limits">
            <p>A limit says how many invocations of a scope run at once, or start in a period, and how much they spend. The others wait in the order in which they were accepted.</p>
            <pre>playhead limits set tag:user --concurrency 2 --rate 100/1m</pre>
          <//>`
        : html`<${Section} title="Limits in force">
            ${data[0]?.node ? html`<p class="faint">Each node of the cluster counts on its own, so concurrency and rate are those of one node. Running and waiting are those of ${visible(data[0].node)}.</p>` : null}
            <${List} limits=${data} onChange=${setChanging} onDelete=${setDeleting} /><//>`}
    ${changing ? html`<${SetLimit} limit=${changing === "new" ? null : changing} onDone=${reload} onClose=${() => setChanging(null)} />` : null}
    ${deleting ? html`<${DeleteLimit} limit=${deleting} onDone=${reload} onClose=${() => setDeleting(null)} />` : null}
  </div>`;
}

/** @param {{ limits: Limit[], onChange: (limit: Limit) => void, onDelete: (limit: Limit) => void }} props */
function List({ limits, onChange, onDelete }) {
  return html`<div class="scroll-x"><table class="plain">
    <thead><tr><th>Scope</th><th>At once</th><th>Starts</th><th>Spent</th><th>Running</th><th>Waiting</th><th>Set</th><th>Reason</th>${may("control") ? html`<th>Change</th>` : null}</tr></thead>
    <tbody>
      ${limits.map(
        (limit) => html`<tr key=${limit.scope}>
          <td class="mono">${visible(limit.scope)}</td>
          <td>${limit.concurrency === null ? "any number" : limit.concurrency.toLocaleString()}</td>
          <td>${limit.rate === null ? "any number" : `${limit.rate.toLocaleString()} in ${limit.period.toLocaleString()} s`}</td>
          <td>${spentOf(limit.budget, limit.spent)}</td>
          <td>${limit.running.toLocaleString()}</td>
          <td>${limit.waiting.toLocaleString()}</td>
          <td><${Time} at=${limit.since} /> by ${visible(limit.by)}</td>
          <td>${visible(limit.reason)}</td>
          ${may("control")
            ? html`<td>
                <button type="button" aria-label=${`Change the limit of ${visible(limit.scope)}`} onClick=${() => onChange(limit)}>Change…</button>
                <button type="button" aria-label=${`Delete the limit of ${visible(limit.scope)}`} onClick=${() => onDelete(limit)}>Delete…</button>
              </td>`
            : null}
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {Event} event */
function typed(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {string} text */
function numberOrNone(text) {
  return text.trim() === "" ? null : Number(text);
}

/** @param {{ limit: Limit | null, onDone: () => void, onClose: () => void }} props */
function SetLimit({ limit, onDone, onClose }) {
  const [scope, setScope] = useState(limit === null ? "" : limit.scope);
  const [concurrency, setConcurrency] = useState(String(limit?.concurrency ?? ""));
  const [rate, setRate] = useState(String(limit?.rate ?? ""));
  const [period, setPeriod] = useState(String(limit?.period ?? 60));
  const [budget, setBudget] = useState(amountsOf(limit?.budget ?? null));
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    try {
      const options = { concurrency: numberOrNone(concurrency), rate: numberOrNone(rate), period: numberOrNone(period) ?? 60, budget: budgetOrNone(budget), reason };
      const answer = await patch(pathOf("limits", scope, "set"), options);
      toast(answer.changed ? `The limit of ${visible(scope)} is set` : `The limit of ${visible(scope)} was the same already`);
      onDone();
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  }
  return html`<${Dialog} title=${limit === null ? "Set a limit" : `Change the limit of ${visible(limit.scope)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p class="faint">Invocations that run already are not stopped. A field that is left empty sets no bound.</p>
      ${limit === null
        ? html`<${Field} label="Scope" hint="everything, service:NAME, handler:NAME/HANDLER, key:NAME/KEY or tag:NAME=VALUE; key:NAME for each key on its own, tag:NAME for each value">
            <input data-first required value=${scope} onInput=${(/** @type {Event} */ e) => setScope(typed(e))} />
          <//>`
        : null}
      <${Field} label="How many run at once">
        <input data-first=${limit !== null} type="number" min="1" step="1" value=${concurrency} onInput=${(/** @type {Event} */ e) => setConcurrency(typed(e))} />
      <//>
      <${Field} label="How many start in a period">
        <input type="number" min="1" max="10000" step="1" value=${rate} onInput=${(/** @type {Event} */ e) => setRate(typed(e))} />
      <//>
      <${Field} label="Period in seconds">
        <input type="number" min="0" max="2678400" step="any" value=${period} onInput=${(/** @type {Event} */ e) => setPeriod(typed(e))} />
      <//>
      <${Field} label="Budget" hint="How much they may spend in all, as tokens=100000, euros=25. What has used it up is paused until there is more.">
        <input value=${budget} onInput=${(/** @type {Event} */ e) => setBudget(typed(e))} />
      <//>
      <${Field} label="Reason" hint="Kept in the audit.">
        <input value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(typed(e))} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${!scope}>Set the limit</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ limit: Limit, onDone: () => void, onClose: () => void }} props */
function DeleteLimit({ limit, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    try {
      await patch(pathOf("limits", limit.scope, "delete"), { reason });
      toast(`The limit of ${visible(limit.scope)} is deleted`);
      onDone();
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  }
  return html`<${Dialog} title=${`Delete the limit of ${visible(limit.scope)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>Invocations that wait for it start, unless another limit counts them.</p>
      <${Field} label="Reason" hint="Kept in the audit.">
        <input data-first value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(typed(e))} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="danger">Delete the limit</button>
      </footer>
    </form>
  <//>`;
}
