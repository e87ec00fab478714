// The first page for a person on call: what needs attention and why, what fails, which gates are closed, and the throughput.

import { useMemo, useState } from "preact/hooks";
import { get, patch, pathOf } from "../lib/api.js";
import { html } from "../lib/html.js";
import { heard, useLive } from "../lib/live.js";
import { beat, series } from "../lib/pulse.js";
import { href } from "../lib/router.js";
import { may } from "../lib/session.js";
import { length, now } from "../lib/time.js";
import { ENDS, OPEN, quoted } from "../lib/where.js";
import { Empty, ErrorBox, InvocationLink, Loading, Section, Status, Time } from "../ui/bits.js";
import { Chart } from "../ui/chart.js";
import { Dialog, Field } from "../ui/dialog.js";
import { visible } from "../ui/json.js";
import { toast } from "../ui/toast.js";
import { invocations, lastWord, refusedOf } from "../ui/verbs.js";

const MOST_GROUPS = 20;

/** @param {string} where */
function listed(where) {
  return href(["invocations"], { where });
}

const DAY = 86_400;

/** @type {{ counts: any[] | undefined, paused: any[], backing_off: any[], waiting: any[], failed: any[], failed_since: number }} */
const NOTHING = { counts: undefined, paused: [], backing_off: [], waiting: [], failed: [], failed_since: 0 };

export function Overview() {
  const touched = { when: (/** @type {import("../lib/live.js").Changes} */ changes) => changes.invocations.length > 0 || changes.gone.length > 0 };
  // One answer for all pages that are open, from counters; the server computes it again at most every two seconds.
  const overview = useLive("overview", (abort) => get("overview", {}, abort), {
    ...touched,
    every: 2_000,
    isBehind: (data) => data.position < (heard() ?? 0),
  });
  const gates = useLive("gates", (abort) => get("gates", {}, abort), { when: (changes) => changes.registry });
  const deployments = useLive("deployments", (abort) => get("deployments", {}, abort), {
    when: (changes) => changes.registry || changes.invocations.length > 0,
    every: 3_000,
  });
  // Reading a job is itself recorded and must not cause the next reading: only changes of users' invocations do.
  const jobs = useLive("recent jobs", (abort) => get("jobs", { limit: 5 }, abort), { ...touched, every: 10_000 });
  const [closing, setClosing] = useState(false);
  const [opening, setOpening] = useState(/** @type {string | null} */ (null));
  const closed = (gates.data?.gates ?? []).filter((/** @type {any} */ gate) => gate.state === "closed");
  const { counts, paused, backing_off: failing, waiting, failed, failed_since: failedSince } = overview.data ?? NOTHING;
  const isWholeDay = overview.data === undefined || overview.data.at - failedSince > DAY - 60;
  const error = overview.error ?? gates.error ?? deployments.error;

  return html`<div class="page">
    <div class="page-head">
      <h1>Overview</h1>
      <div class="actions">
        ${may("control") ? html`<button type="button" onClick=${() => setClosing(true)}>Close a gate…</button>` : null}
      </div>
    </div>
    <${ErrorBox} error=${error} />
    <${Strip} counts=${counts} />
    <${Section} title="Needs attention">
      ${overview.data === undefined
        ? error
          ? null
          : html`<${Loading} />`
        : paused.length === 0 && closed.length === 0 && waiting.length === 0
          ? html`<p class="calm-note"><span class="good" aria-hidden="true">✓</span> No invocation is paused or waits for a signal, and no gate is closed.</p>`
          : html`${closed.map(
              (/** @type {any} */ gate) => html`<div key=${gate.scope} class="alarm">
                <span class="status held"><span class="sign" aria-hidden="true">■</span>gate closed</span>
                <b class="mono">${visible(gate.scope)}</b>
                <span>${gate.reason ? visible(gate.reason) : html`<span class="faint">no reason was given</span>`}</span>
                <span class="faint">by ${visible(gate.by)}, <${Time} at=${gate.since} /></span>
                ${may("control") ? html`<button type="button" onClick=${() => setOpening(gate.scope)}>Open…</button>` : null}
              </div>`,
            )}
            ${paused.length > 0 ? html`<${Groups} label="Paused" status="paused" rows=${paused} />` : null}
            ${waiting.length > 0 ? html`<${Waiting} groups=${waiting} />` : null}`}
    <//>
    <div class="grid-2">
      <${Section} title="Failing, will be retried">
        ${failing.length === 0 ? html`<p class="calm-note">No invocation is backing off.</p>` : html`<${Groups} label="Failing" status="backing_off" rows=${failing} />`}
      <//>
      <${Section} title=${isWholeDay ? "Failed in the last 24 hours" : "Failed most recently"} extra=${isWholeDay ? null : html`since <${Time} at=${failedSince} />`}>
        ${overview.data === undefined
          ? html`<${Loading} />`
          : failed.length === 0
            ? html`<p class="calm-note">No invocation has failed.</p>`
            : html`<${Groups} label="Failed" status="failed" rows=${failed} since=${failedSince} />`}
      <//>
    </div>
    <${Pulse} />
    <div class="grid-2">
      <${Section} title="Services and objects"><${Services} counts=${counts} /><//>
      <div class="stack">
        <${Section} title="Deployments" extra=${html`<a href=${href(["deployments"])}>all</a>`}>
          ${deployments.data === undefined ? html`<${Loading} />` : html`<${Deployments} list=${deployments.data.deployments} />`}
        <//>
        <${Section} title="Latest jobs" extra=${html`<a href=${href(["jobs"])}>all</a>`}>
          ${jobs.data === undefined ? html`<${Loading} />` : html`<${LatestJobs} jobs=${jobs.data.jobs} />`}
        <//>
      </div>
    </div>
    ${closing ? html`<${CloseGate} onClose=${() => setClosing(false)} />` : null}
    ${opening !== null ? html`<${OpenGate} scope=${opening} onClose=${() => setOpening(null)} />` : null}
  </div>`;
}

/** @param {{ counts: Record<string, any>[] | undefined }} props */
function Strip({ counts }) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const row of counts ?? []) {
    const state = row.outcome ?? row.status;
    sums[state] = (sums[state] ?? 0) + row.count;
  }
  return html`<nav class="strip" aria-label="Invocations by status">
    ${[...OPEN, ...ENDS].map((state) => {
      const where = OPEN.includes(state) ? `status = '${state}'` : `outcome = '${state}'`;
      const isLoud = (state === "paused" || state === "backing_off") && (sums[state] ?? 0) > 0;
      return html`<a key=${state} href=${listed(where)} class=${isLoud ? "loud" : sums[state] ? "" : "none"}>
        <b class="num">${counts === undefined ? "…" : (sums[state] ?? 0).toLocaleString()}</b> <${Status} status=${state} />
      </a>`;
    })}
  </nav>`;
}

/**
 * Invocations that are stuck for the same reason in one row, with a link to their list.
 * @param {{ label: string, status: "paused" | "backing_off" | "failed", rows: Record<string, any>[], since?: number }} props `since`: of those
 *   that have failed, only later ones are counted
 */
function Groups({ label, status, rows, since }) {
  return html`<div class="scroll-x">
    <table class="plain groups" aria-label=${label}>
      <thead><tr><th class="right">Count</th><th>Handler</th><th>Reason</th><th>Oldest</th><th>Newest</th></tr></thead>
      <tbody>
        ${rows.map((row) => {
          const where =
            `${status === "failed" ? "outcome" : "status"} = '${status}' and service = ${quoted(row.service)} and handler = ${quoted(row.handler)}` +
            (row.error_type ? ` and last_error_type = ${quoted(row.error_type)}` : "") +
            (since === undefined ? "" : ` and completed_at >= ${Math.floor(since)}`);
          return html`<tr key=${`${row.service} ${row.handler} ${row.error_type}`}>
            <td class="right"><a href=${listed(where)} aria-label=${`${invocations(row.count)} of ${row.service}/${row.handler}`}>${row.count.toLocaleString()}</a></td>
            <td><${Status} status=${status} /> ${visible(`${row.service}/${row.handler}`)}</td>
            <td>
              ${row.error_type ? html`<b class="bad">${visible(lastWord(row.error_type))}</b> ${visible(row.error ?? "")}` : null}
              ${row.reason && !(row.error && row.reason.includes(row.error.slice(0, 60)))
                ? html`<span class="faint">${row.error_type ? " — " : ""}${visible(row.reason)}</span>`
                : null}
            </td>
            <td class="nowrap">${row.oldest === null ? "" : html`<${Time} at=${row.oldest} />`}</td>
            <td class="nowrap">${row.newest === null ? "" : html`<${Time} at=${row.newest} />`}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

/**
 * Invocations that wait for a signal, by handler and name of the signal; the longest wait first.
 * @param {{ groups: Record<string, any>[] }} props
 */
function Waiting({ groups }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? groups : groups.slice(0, MOST_GROUPS);
  return html`<div class="scroll-x">
    <table class="plain groups" aria-label="Waiting for a signal">
      <thead><tr><th class="right">Count</th><th>Handler</th><th>Waiting for</th><th>Oldest</th><th>Invocation</th></tr></thead>
      <tbody>
        ${shown.map((row) => {
          const where = `awaited_signal = ${quoted(row.signal)} and service = ${quoted(row.service)} and handler = ${quoted(row.handler)}`;
          return html`<tr key=${where}>
            <td class="right"><a href=${listed(where)} aria-label=${`${invocations(row.count)} of ${row.service}/${row.handler}`}>${row.count.toLocaleString()}</a></td>
            <td>${visible(`${row.service}/${row.handler}`)}</td>
            <td>signal <b>${visible(row.signal)}</b></td>
            <td class="nowrap">${row.oldest === null ? "" : html`<${Time} at=${row.oldest} />`}</td>
            <td>${row.id === null ? "" : html`<${InvocationLink} id=${row.id} />`}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    ${groups.length > shown.length
      ? html`<p><button type="button" class="plain" onClick=${() => setWhole(true)}>show all ${groups.length.toLocaleString()} groups</button></p>`
      : null}
  </div>`;
}

/** Throughput and latency, by the second. */
function Pulse() {
  const tick = beat.value + Math.floor(now.value);
  const [times, good, bad, median, slow] = useMemo(series, [tick]);
  const throughput = useMemo(() => [times, good, bad], [times]);
  const latency = useMemo(() => [times, median, slow], [times]);
  const lastTen = (/** @type {(number | null)[]} */ values) => {
    const known = values.slice(-10).filter((value) => value !== null);
    return known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
  };
  const recent = median.slice(-60).findLast((value) => value !== null) ?? null;
  const recentSlow = slow.slice(-60).findLast((value) => value !== null) ?? null;
  return html`<div class="grid-2">
    <${Section} title="Throughput, live">
      <${Chart}
        label="Throughput"
        words=${`${lastTen(good).toFixed(1)}/s succeeded, ${lastTen(bad).toFixed(1)}/s not`}
        lines=${[
          { label: "succeeded", colour: "--bar-good", isFilled: true },
          { label: "failed, cancelled, killed", colour: "--bar-bad" },
        ]}
        data=${throughput}
        unit=${(/** @type {number} */ value) => `${value}/s`}
        least=${2}
      />
    <//>
    <${Section} title="Latency from accepted to completed, live">
      <${Chart}
        label="Latency"
        words=${recent === null ? "nothing completed in the last minute" : `p50 ${length(recent)}, p95 ${length(recentSlow ?? recent)}`}
        lines=${[
          { label: "p50", colour: "--bar-run", isFilled: true },
          { label: "p95", colour: "--bar-wait" },
        ]}
        data=${latency}
        unit=${(/** @type {number} */ value) => (value === 0 ? "0" : length(value))}
        least=${0.02}
      />
    <//>
  </div>`;
}

/** @param {{ counts: Record<string, any>[] | undefined }} props */
function Services({ counts }) {
  if (counts === undefined) return html`<${Loading} />`;
  if (counts.length === 0) {
    return html`<${Empty} title="Nothing has been called yet"><p>Call a handler, and its service appears here: <code>playhead call Service/key/handler</code></p><//>`;
  }
  /** @type {Map<string, { service: string, handler: string, open: number, stuck: number, succeeded: number, other: number }>} */
  const rows = new Map();
  for (const row of counts) {
    const name = `${row.service}/${row.handler}`;
    const found = rows.get(name) ?? { service: row.service, handler: row.handler, open: 0, stuck: 0, succeeded: 0, other: 0 };
    if (row.status === "paused" || row.status === "backing_off") found.stuck += row.count;
    else if (row.status !== "completed") found.open += row.count;
    else if (row.outcome === "succeeded") found.succeeded += row.count;
    else found.other += row.count;
    rows.set(name, found);
  }
  const sorted = [...rows.values()].sort((a, b) => b.stuck - a.stuck || b.open - a.open || (a.service + a.handler < b.service + b.handler ? -1 : 1));
  /** @param {any} row @param {number} n @param {string} where */
  const cell = (row, n, where) =>
    n === 0 ? html`<span class="faint">0</span>` : html`<a href=${listed(`${where} and service = ${quoted(row.service)} and handler = ${quoted(row.handler)}`)}>${n.toLocaleString()}</a>`;
  return html`<div class="scroll-x">
    <table class="plain">
      <thead><tr><th>Handler</th><th class="right">Stuck</th><th class="right">Open</th><th class="right">Succeeded</th><th class="right">Failed or stopped</th></tr></thead>
      <tbody>
        ${sorted.slice(0, 60).map(
          (row) => html`<tr key=${`${row.service}/${row.handler}`}>
            <td>${visible(`${row.service}/${row.handler}`)}</td>
            <td class=${`right ${row.stuck ? "bad" : ""}`}>${cell(row, row.stuck, "status in ('backing_off', 'paused')")}</td>
            <td class="right">${cell(row, row.open, "status in ('scheduled', 'queued', 'running', 'suspended')")}</td>
            <td class="right">${cell(row, row.succeeded, "outcome = 'succeeded'")}</td>
            <td class="right">${cell(row, row.other, "outcome in ('failed', 'cancelled', 'killed')")}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ list: any[] }} props */
function Deployments({ list }) {
  if (list.length === 0) return html`<p class="calm-note">No deployment is registered: the served code runs everything.</p>`;
  return html`<div class="scroll-x">
    <table class="plain">
      <thead><tr><th>Deployment</th><th class="right">Open invocations</th><th>Registered</th></tr></thead>
      <tbody>
        ${list.slice(0, 8).map(
          (one) => html`<tr key=${one.id}>
            <td><a class="mono" href=${href(["deployments", one.id])}>${one.id}</a> ${one.is_latest ? html`<span class="tag">latest</span>` : null}</td>
            <td class="right">
              ${one.open_invocations === 0
                ? html`<span class="faint">drained</span>`
                : html`<a href=${listed(`deployment = ${quoted(one.id)} and status <> 'completed'`)}>${one.open_invocations.toLocaleString()}</a>`}
            </td>
            <td><${Time} at=${one.registered_at} /></td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ jobs: any[] }} props */
function LatestJobs({ jobs }) {
  if (jobs.length === 0) return html`<p class="calm-note">No bulk job has been started.</p>`;
  return html`<div class="scroll-x">
    <table class="plain">
      <tbody>
        ${jobs.map(
          (job) => html`<tr key=${job.id}>
            <td><span class=${`job-state ${job.state}`}>${job.state}</span></td>
            <td><a href=${href(["jobs", job.id])}>${job.verb} ${invocations(job.total)}</a></td>
            <td>${job.changed.toLocaleString()} changed${refusedOf(job) ? html`, <b class="bad">${refusedOf(job)} refused</b>` : ""}</td>
            <td><${Time} at=${job.started_at} /></td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ onClose: () => void }} props */
function CloseGate({ onClose }) {
  const services = useLive("services of gates", (abort) => get("services", {}, abort));
  const [scope, setScope] = useState("everything");
  const [mode, setMode] = useState("drain");
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const known = [
    "everything",
    "backlog",
    ...(services.data?.services ?? []).flatMap((/** @type {any} */ one) => [
      `service:${one.name}`,
      ...one.handlers.map((/** @type {any} */ handler) => `handler:${one.name}/${handler.name}`),
    ]),
  ];
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    try {
      const answer = await patch(pathOf("gates", scope, "close"), { mode, reason });
      toast(answer.changed ? `The gate ${scope} is closed` : `The gate ${scope} was already closed`);
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  }
  /** @param {Event} event */
  const value = (event) => /** @type {HTMLInputElement} */ (event.target).value;
  return html`<${Dialog} title="Close a gate" onClose=${onClose}>
    <form onSubmit=${submit}>
      <p class="faint">Nothing in the scope of a closed gate starts or resumes. New calls are accepted and queued; signals, timers and cancels are still recorded.</p>
      <${Field} label="Scope" hint="everything, backlog (all that has been accepted by now), service:NAME, handler:NAME/HANDLER, key:NAME/KEY or deployment:ID">
        <input data-first list="scopes" value=${scope} onInput=${(/** @type {Event} */ e) => setScope(value(e))} />
        <datalist id="scopes">${known.map((one) => html`<option key=${one} value=${one}></option>`)}</datalist>
      <//>
      <${Field} label="A step that is running">
        <select value=${mode} onChange=${(/** @type {Event} */ e) => setMode(value(e))}>
          <option value="drain">finishes and is recorded first</option>
          <option value="now">is aborted, and runs again later</option>
        </select>
      <//>
      <${Field} label="Reason" hint="Shown on every invocation that waits for the gate, and kept in the audit.">
        <input value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(value(e))} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Do nothing</button>
        <button type="submit" class="danger" disabled=${!scope}>Close the gate</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ scope: string, onClose: () => void }} props */
function OpenGate({ scope, onClose }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    try {
      const answer = await patch(pathOf("gates", scope, "open"), { reason });
      toast(answer.changed ? `The gate ${scope} is open` : `The gate ${scope} was already open`);
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  }
  return html`<${Dialog} title=${`Open the gate ${visible(scope)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p class="faint">Everything in the scope resumes, except narrower scopes that were closed individually.</p>
      <${Field} label="Reason">
        <input data-first value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(/** @type {HTMLInputElement} */ (e.target).value)} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Do nothing</button>
        <button type="submit" class="primary">Open the gate</button>
      </footer>
    </form>
  <//>`;
}
