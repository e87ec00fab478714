// Verbs on invocations: on one directly, on many by a job. A bulk verb is sent only after the user has seen the number of
// invocations and a sample.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Problem, get, patch, pathOf, post, requestKey, select } from "../lib/api.js";
import { useVersioned } from "../lib/changes.js";
import { useChecks } from "../lib/checks.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { go, href } from "../lib/router.js";
import { may } from "../lib/session.js";
import { wordsOf, wordsOfJob } from "../lib/where.js";
import { Empty, ErrorBox, InvocationLink, Loading, Status, Time, inWords } from "./bits.js";
import { Check } from "./check.js";
import { Dialog, Field } from "./dialog.js";
import { visible, visibleName } from "./json.js";
import { SignalForm, useSignal } from "./signals.js";
import { toast } from "./toast.js";

/** @typedef {import("../lib/session.js").Scope} Scope */
/** @typedef {import("../lib/where.js").Choice} Choice */

/**
 * @typedef {{ name: string, title: string, scope: Scope, does: string, key?: string, isFinal?: boolean,
 *   mustType?: boolean, options: ("kill_after" | "children" | "mode" | "deployment" | "from_step")[] }} Verb
 *   `isFinal`: it cannot be taken back; `mustType`: nor is anything left of it, so the user types of what. Those have no `key`
 */

/** @type {Verb[]} */
export const VERBS = [
  {
    name: "cancel",
    key: "c",
    title: "Cancel",
    scope: "control",
    does: "Stops the running step, then cancels the handler, which cleans up.",
    isFinal: true,
    options: ["children", "kill_after"],
  },
  {
    name: "pause",
    key: "p",
    title: "Pause",
    scope: "control",
    does: "Pauses it where it is; it keeps its key. Results and signals are still recorded.",
    options: ["mode"],
  },
  {
    name: "resume",
    key: "r",
    title: "Resume",
    scope: "control",
    does: "Continues where it stopped; an invocation that is backing off is retried now.",
    options: ["deployment"],
  },
  {
    name: "reschedule",
    title: "Start now",
    scope: "control",
    does: "Starts an invocation that waits for its time now, or after those that are before it.",
    options: [],
  },
  {
    name: "restart",
    key: "R",
    title: "Restart",
    scope: "control",
    does: "Runs again as a new invocation, from the beginning or from a step; earlier steps are kept.",
    options: ["from_step", "deployment"],
  },
  {
    name: "signal",
    title: "Signal",
    scope: "control",
    does: "Sends each the same value under the same name; it is buffered until awaited.",
    options: [],
  },
  {
    name: "kill",
    title: "Kill",
    scope: "admin",
    does: "Ends it now, with the invocations that it called. No compensations run.",
    isFinal: true,
    mustType: true,
    options: [],
  },
  {
    name: "purge",
    title: "Purge",
    scope: "admin",
    does: "Deletes the history and result of completed invocations; their changes to objects stay.",
    isFinal: true,
    mustType: true,
    options: [],
  },
];

/** @param {string} name */
export function verbOf(name) {
  return /** @type {Verb} */ (VERBS.find((verb) => verb.name === name));
}

/**
 * Which of the verbs make sense for a status; the others are not offered.
 * @param {string} status
 */
export function verbsFor(status) {
  const fitting =
    status === "completed"
      ? ["restart", "purge"]
      : status === "paused"
        ? ["resume", "cancel", "restart", "kill"]
        : status === "backing_off"
          ? ["resume", "pause", "cancel", "restart", "kill"]
          : status === "scheduled"
            ? ["reschedule", "pause", "cancel", "restart", "kill"]
            : ["pause", "cancel", "restart", "kill"];
  return fitting.map(verbOf).filter((verb) => may(verb.scope));
}

/** @param {number} count */
export function invocations(count) {
  return `${count.toLocaleString()} ${count === 1 ? "invocation" : "invocations"}`;
}

/**
 * The options of a verb, as a form.
 * @param {{ verb: Verb, options: Record<string, any>, onChange: (options: Record<string, any>) => void }} props
 */
export function Options({ verb, options, onChange }) {
  const { data } = useLive("deployments for options", (abort) => get("deployments", {}, abort), { when: (c) => c.registry });
  /** @param {Event} event */
  const value = (event) => /** @type {HTMLInputElement} */ (event.target).value;
  return html`
    ${verb.options.includes("mode")
      ? html`<${Field} label="A step that is running" hint="Aborted ones begin again when they are resumed.">
          <select value=${options.mode ?? "drain"} onChange=${(/** @type {Event} */ e) => onChange({ ...options, mode: value(e) })}>
            <option value="drain">ends and is recorded first</option>
            <option value="now">is aborted</option>
          </select>
        <//>`
      : null}
    ${verb.options.includes("children")
      ? html`<${Field} label="Started by it">
          <select
            value=${options.children ?? "called"}
            onChange=${(/** @type {Event} */ e) => onChange({ ...options, children: value(e) })}
          >
            <option value="called">invocations that it called are cancelled first; sent ones continue</option>
            <option value="all">sent ones are cancelled too</option>
          </select>
        <//>`
      : null}
    ${verb.options.includes("kill_after")
      ? html`<${Field} label="Kill it after (seconds)" hint="If it has not ended by then. Empty: never.">
          <input
            type="number"
            min="0"
            step="any"
            value=${options.kill_after ?? ""}
            onInput=${(/** @type {Event} */ e) => onChange({ ...options, kill_after: value(e) === "" ? undefined : Number(value(e)) })}
          />
        <//>`
      : null}
    ${verb.options.includes("from_step")
      ? html`<${Field} label="From step" hint="Its name or its path; empty: from the beginning.">
          <input value=${options.from_step ?? ""} onInput=${(/** @type {Event} */ e) => onChange({ ...options, from_step: value(e) || undefined })} />
        <//>`
      : null}
    ${verb.options.includes("deployment")
      ? html`<${DeploymentChoice}
          deployments=${data?.deployments ?? []}
          value=${options.deployment ?? "keep"}
          onChange=${(/** @type {string} */ deployment) => onChange({ ...options, deployment })}
        />`
      : null}
  `;
}

/**
 * On which code.
 * @param {{ deployments: any[], value: string, onChange: (value: string) => void }} props
 */
export function DeploymentChoice({ deployments, value, onChange }) {
  return html`<${Field} label="Deployment">
    <select value=${value} onChange=${(/** @type {Event} */ e) => onChange(/** @type {HTMLSelectElement} */ (e.target).value)}>
      <option value="keep">the deployment that it runs on</option>
      <option value="latest">latest</option>
      ${deployments.map((one) => html`<option key=${one.id} value=${one.id}>${one.id}${one.is_latest ? " (latest)" : ""}</option>`)}
    </select>
  <//>`;
}

/**
 * Why: of every verb but purge, which leaves nothing that could keep it.
 * @param {{ verb: Verb, value: string, onChange: (reason: string) => void, many?: boolean }} props
 */
function Reason({ verb, value, onChange, many = false }) {
  if (verb.name === "purge") return null;
  return html`<${Field} label="Reason" hint=${`Kept in the history${many ? " of each," : ""} and in the audit.`}>
    <input value=${value} maxlength="1000" data-first=${verb.isFinal ? undefined : true} onInput=${(/** @type {Event} */ e) => onChange(/** @type {HTMLInputElement} */ (e.target).value)} />
  <//>`;
}

/**
 * Apply a verb to one invocation.
 * @param {{ verb: Verb, of: string, target: string, onClose: () => void, onDone: (answer: any) => void }} props
 */
export function VerbDialog({ verb, of, target, onClose, onDone }) {
  const [options, setOptions] = useState(/** @type {Record<string, any>} */ ({}));
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);
  const [typed, setTyped] = useState("");
  const word = target.slice(target.lastIndexOf("/") + 1);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const path = pathOf("invocations", of, verb.name === "restart" ? "restart-as-new" : verb.name);
      const answer = await patch(path, verb.name === "purge" ? undefined : { ...options, reason }, { key });
      toast(
        answer.changed
          ? `${verb.title}: ${inWords(answer.before)} before, ${inWords(answer.after)} now`
          : `${verb.title}: nothing to change, it is ${inWords(answer.after)}`,
      );
      onDone(answer);
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }

  return html`<${Dialog} title=${`${verb.title} ${visible(target)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p class="faint">${verb.does}</p>
      <${Options} verb=${verb} options=${options} onChange=${setOptions} />
      <${Reason} verb=${verb} value=${reason} onChange=${setReason} />
      ${verb.mustType
        ? html`<${Field} label=${`This cannot be undone. Type ${word} to confirm`}>
            <input
              autocomplete="off"
              spellcheck=${false}
              value=${typed}
              onInput=${(/** @type {Event} */ e) => setTyped(/** @type {HTMLInputElement} */ (e.target).value)}
            />
          <//>`
        : null}
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" data-first=${verb.isFinal ? true : undefined} onClick=${onClose}>Do nothing</button>
        <button
          type="submit"
          class=${verb.isFinal ? "danger" : "primary"}
          disabled=${isBusy || (verb.mustType && typed.trim() !== word)}
        >
          ${verb.title}
        </button>
      </footer>
    </form>
  <//>`;
}

/**
 * Apply a verb to all selected invocations by a job in the server: preview, reason, then the result for each.
 * @param {{ verb: Verb, choice: Choice, onClose: () => void, onRetry: (verb: Verb, choice: Choice) => void, onAsked?: () => void }} props
 */
export function BulkDialog({ verb, choice, onClose, onRetry, onAsked }) {
  const [options, setOptions] = useState(/** @type {Record<string, any>} */ ({}));
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const [rate, setRate] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);
  const [job, setJob] = useState(/** @type {string | null} */ (null));
  const [isOver, setOver] = useState(false);
  const preview = useLive(`preview ${JSON.stringify(choice)}`, (abort) => post("jobs/preview", { ...choice, sample: 10 }, { abort }), {
    when: (changes) => job === null && changes.invocations.length > 0,
    every: 1_000,
  });
  const count = preview.data?.count;
  const isSignal = verb.name === "signal";
  const signal = useSignal(isSignal && count ? preview.data.sample : undefined);
  const states = useLive(`states ${JSON.stringify(choice)}`, (abort) => statesOfChoice(choice, abort), {
    when: (changes) => job === null && changes.invocations.length > 0,
    every: 1_000,
  });

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const given = verb.name === "purge" ? {} : isSignal ? { name: signal.name, value: signal.value ?? null } : { ...options, reason };
      const started = await post("jobs", { verb: verb.name, ...choice, options: given, ...(rate ? { rate: Number(rate) } : {}) }, { key });
      setJob(started.id);
      onAsked?.();
    } catch (refusal) {
      setError(refusal);
    }
    setBusy(false);
  }

  if (job !== null) {
    return html`<${Dialog} title=${`${verb.title}: progress and results`} onClose=${onClose} wide=${true}>
      <${JobProgress} id=${job} onRetry=${() => onRetry(verb, { refused_by: job })} onOver=${() => setOver(true)} />
      <footer>
        ${isOver ? null : html`<span class="faint">The job continues when you close this dialog.</span>`}
        <a class="button" href=${href(["jobs", job])}>Open the job</a>
        <button type="button" onClick=${onClose}>Close</button>
      </footer>
    <//>`;
  }
  return html`<${Dialog} title=${`${verb.title} ${count === undefined ? "…" : invocations(count)}`} onClose=${onClose} wide=${true}>
    <form onSubmit=${submit}>
      <p class="faint">${verb.does}</p>
      <p class="condition"><code>${visible(wordsOf(choice))}</code></p>
      <${ErrorBox} error=${preview.error} />
      ${preview.data === undefined
        ? preview.error
          ? null
          : html`<${Loading} />`
        : count === 0
          ? html`<${Empty} title="It matches none now"><p>They may have continued or completed in the meantime.</p><//>`
          : html`<${Affected} verb=${verb} states=${states.data ?? null} /><${Sample} rows=${preview.data.sample} count=${count} />`}
      <${Options} verb=${verb} options=${options} onChange=${setOptions} />
      ${isSignal && count ? html`<${SignalForm} signal=${signal} label="They wait for" />` : null}
      ${options.deployment && options.deployment !== "keep" ? html`<${Preflight} choice=${choice} deployment=${options.deployment} />` : null}
      ${isSignal ? null : html`<${Reason} verb=${verb} value=${reason} onChange=${setReason} many />`}
      ${count !== undefined && count > SLOWLY_FROM
        ? html`<${Field} label="At most per second" hint="Empty: no limit.">
            <input
              type="number"
              min="0.1"
              step="any"
              value=${rate}
              onInput=${(/** @type {Event} */ e) => setRate(/** @type {HTMLInputElement} */ (e.target).value)}
            />
          <//>`
        : null}
      ${verb.mustType && count
        ? html`<${Field} label=${`This cannot be undone. Type ${count} to confirm`}>
            <input
              inputmode="numeric"
              value=${typed}
              onInput=${(/** @type {Event} */ e) => setTyped(/** @type {HTMLInputElement} */ (e.target).value)}
            />
          <//>`
        : null}
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" data-first=${verb.isFinal ? true : undefined} onClick=${onClose}>Do nothing</button>
        <button
          type="submit"
          class=${verb.isFinal ? "danger" : "primary"}
          disabled=${isBusy || !count || (verb.mustType && typed.trim() !== String(count)) || (isSignal && (!signal.name || !signal.isKnown))}
        >
          ${verb.title} ${count === undefined ? "" : invocations(count)}
        </button>
      </footer>
    </form>
  <//>`;
}

const IDS_AT_ONCE = 500;

/**
 * How the chosen stand, and how many so; null of those that refused a job, of which no condition tells.
 * @param {Choice} choice
 * @param {AbortSignal} abort
 * @returns {Promise<{ status: string, outcome: string | null, n: number }[] | null>}
 */
async function statesOfChoice(choice, abort) {
  if ("refused_by" in choice) return null;
  /** @param {string} where @param {string[]} ids @returns {Promise<any[]>} */
  const ask = (where, ids) => select(`select status, outcome, count(*) as n from sys_invocation where (${where}\n) group by 1, 2`, ids, abort);
  if ("where" in choice) return ask(choice.where, []);
  /** @type {Map<string, any>} */
  const sums = new Map();
  for (let begin = 0; begin < choice.ids.length; begin += IDS_AT_ONCE) {
    const ids = choice.ids.slice(begin, begin + IDS_AT_ONCE);
    for (const row of await ask(`id in (${ids.map(() => "?").join(", ")})`, ids)) {
      const name = row.outcome ?? row.status;
      sums.set(name, { ...row, n: row.n + (sums.get(name)?.n ?? 0) });
    }
  }
  return [...sums.values()];
}

/**
 * How the chosen stand, and how many of them the verb can change.
 * @param {{ verb: Verb, states: { status: string, outcome: string | null, n: number }[] | null }} props
 */
function Affected({ verb, states }) {
  if (states === null) return null;
  /** @param {typeof states} some */
  const sum = (some) => some.reduce((total, one) => total + one.n, 0);
  const all = sum(states);
  const fitting = sum(states.filter((one) => (verb.name === "signal" ? one.status !== "completed" : verbsFor(one.status).includes(verb))));
  return html`<div role="group" aria-label="Current statuses">
    <p class="counts">
      ${states.map((one) => html`<span key=${one.outcome ?? one.status} class="count">${one.n.toLocaleString()} <${Status} status=${one.status} outcome=${one.outcome} /></span>`)}
    </p>
    ${fitting < all
      ? html`<p class="bad">${verb.title} can change ${fitting.toLocaleString()} of these ${invocations(all)}; the others stay as they are.</p>`
      : null}
  </div>`;
}

/**
 * What code would make of the histories of all that are chosen: as many groups as there are ways, while they are replayed.
 * @param {{ choice: Choice, deployment: string }} props
 */
export function Preflight({ choice, deployment }) {
  const { summary, error, isOver, isStopped, stop } = useChecks({ ...choice, deployment });
  return html`<div class="preflight" role="region" aria-label="Check on that code">
    <h3>Check their histories on that code, without effects</h3>
    <${ErrorBox} error=${error} />
    ${summary === undefined ? (error ? null : html`<${Loading} />`) : html`<${CheckProgress} summary=${summary} isOver=${isOver} isStopped=${isStopped} onStop=${stop} />
        ${summary.cohorts.map(
          (cohort) => html`<details key=${`${cohort.summary} ${cohort.samples[0]}`} open=${cohort.verdict !== "same"}>
            <summary><b class=${cohort.verdict === "same" ? "good" : "bad"}>${invocations(cohort.count)}</b> ${visible(cohort.summary)}</summary>
            <${Check} report=${cohort.example} />
            <p>${cohort.samples.map((id) => html`<${InvocationLink} key=${id} id=${id} /> `)}</p>
          </details>`,
        )}
        ${summary.skipped_count > 0 ? html`<p class="bad">${invocations(summary.skipped_count)} could not be checked: ${visible(summary.skipped[0][1])}</p>` : null}`}
  </div>`;
}

/**
 * How far a check has come, and a way to stop it.
 * @param {{ summary: import("../lib/checks.js").Summary, isOver: boolean, isStopped: boolean, onStop: () => void }} props
 */
export function CheckProgress({ summary, isOver, isStopped, onStop }) {
  const done = summary.checked + summary.skipped_count;
  return html`<p class="check-progress" role="status">
      ${done.toLocaleString()} of ${invocations(summary.wanted)} replayed${isStopped ? ", then it was stopped" : ""}
      ${summary.is_complete ? null : html` <b class="bad">— more match than can be replayed at once: narrow the condition to reach the others</b>`}
    </p>
    ${isOver || isStopped
      ? null
      : html`<p class="actions">
          <progress max=${Math.max(1, summary.wanted)} value=${done} aria-label="replayed"></progress>
          <button type="button" onClick=${onStop}>Stop the check</button>
        </p>`}`;
}

const SLOWLY_FROM = 20;

/** @param {{ rows: any[], count: number }} props */
function Sample({ rows, count }) {
  return html`<div class="scroll-x sample">
    <table class="plain">
      <caption class="faint">${count > rows.length ? `the first ${rows.length} of ${count.toLocaleString()}` : "all of them"}</caption>
      <thead>
        <tr><th>Status</th><th>Target</th><th>Id</th><th>Created</th><th>Last error</th></tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr key=${row.id}>
            <td><${Status} status=${row.status} outcome=${row.outcome?.kind} phase=${row.phase} /></td>
            <td>${visible(targetOf(row.target))}</td>
            <td><${InvocationLink} id=${row.id} /></td>
            <td><${Time} at=${row.created_at} /></td>
            <td>${row.last_failure ? visible(`${lastWord(row.last_failure.type)}: ${row.last_failure.message}`.slice(0, 160)) : ""}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ service: string, key: string | null, handler: string }} target */
export function targetOf(target) {
  return [target.service, ...(target.key === null ? [] : [visibleName(target.key)]), target.handler].join("/");
}

/**
 * The name of a type without where it comes from.
 * @param {string} type
 */
export function lastWord(type) {
  return type.slice(type.lastIndexOf(".") + 1);
}

/** @param {any} job */
export function refusedOf(job) {
  return Object.values(job.refused).reduce((/** @type {number} */ sum, /** @type {any} */ count) => sum + count, 0);
}

const POLL_MS = 250;
const OUTCOMES_SHOWN = 200;

/**
 * The progress of a job, the result for each invocation, and the next actions.
 * @param {{ id: string, onRetry: () => void, onOver?: () => void }} props
 */
export function JobProgress({ id, onRetry, onOver }) {
  const [tick, setTick] = useState(0);
  const { data: job, error, reload } = useLive(`job ${id}`, (abort) => get(pathOf("jobs", id), {}, abort));
  const items = useItems(id, job);
  const isMissing = error instanceof Problem && error.status === 404;
  const isOver = isMissing || (job !== undefined && job.state !== "selecting" && job.state !== "running");
  useEffect(() => {
    if (isOver) {
      onOver?.();
      return undefined;
    }
    const timer = setTimeout(() => {
      reload();
      setTick(tick + 1);
    }, POLL_MS);
    return () => clearTimeout(timer);
  }, [tick, isOver]);
  if (job === undefined) return error ? html`<${ErrorBox} error=${error} />` : html`<${Loading} />`;
  const refused = items.filter((item) => item.result === "refused");
  const counts = [
    [`${job.changed.toLocaleString()} changed`, "good"],
    [`${job.unchanged.toLocaleString()} had nothing to change`, "calm"],
    ...Object.entries(job.refused).map(([type, count]) => [`${count} refused: ${lastWord(type)}`, "bad"]),
  ];

  async function stop() {
    try {
      await patch(pathOf("jobs", id, "cancel"), { reason: "stopped from the console" });
      toast("The job reaches no more of them.");
      reload();
    } catch (refusal) {
      toast(/** @type {Error} */ (refusal).message, "bad");
    }
  }

  return html`<div class="job">
    <div class="page-head">
      <span class=${`job-state ${job.state}`} role="status">${job.state}</span>
      <span>${job.verb} · ${job.done.toLocaleString()} of ${job.total.toLocaleString()}</span>
      <span class="faint">started <${Time} at=${job.started_at} /> by ${visible(job.started_by)}</span>
      <div class="actions">
        ${!isOver && may("control") ? html`<button type="button" onClick=${stop}>Stop the job</button>` : null}
        ${isOver && refusedOf(job) > 0 && may("admin")
          ? html`<button type="button" onClick=${onRetry}>Retry ${invocations(refusedOf(job))} that ${refusedOf(job) === 1 ? "was" : "were"} refused</button>`
          : null}
      </div>
    </div>
    <progress max=${Math.max(1, job.total)} value=${job.done} aria-label="processed"></progress>
    <p class="counts">${counts.map(([text, mood]) => html`<span key=${text} class=${`count ${mood}`}>${text}</span>`)}</p>
    ${job.failure ? html`<${ErrorBox} error=${job.failure} />` : null}
    <p class="condition faint"><code>${visible(wordsOfJob(job))}</code></p>
    ${items.length > 0
      ? html`<div class="scroll-x outcomes">
          <table class="plain">
            <thead><tr><th>Invocation</th><th>Result</th><th>Before</th><th>After</th><th>Reason of the refusal</th></tr></thead>
            <tbody>
              ${[...refused, ...items.filter((item) => item.result !== "refused")].slice(0, OUTCOMES_SHOWN).map(
                (item) => html`<tr key=${item.id}>
                  <td><${InvocationLink} id=${item.id} /></td>
                  <td>${item.result}</td>
                  <td>${item.before ? html`<${Status} status=${item.before} />` : ""}</td>
                  <td>
                    ${item.result === "changed" && item.before === item.after && item.after !== "completed"
                      ? "recorded, not yet seen"
                      : item.after
                        ? html`<${Status} status=${item.after} />`
                        : ""}
                  </td>
                  <td>${item.error ? lastWord(item.error) : ""}</td>
                </tr>`,
              )}
            </tbody>
          </table>
          ${items.length > OUTCOMES_SHOWN
            ? html`<p class="faint">${items.length.toLocaleString()} results; the first ${OUTCOMES_SHOWN} are shown, refused ones first.</p>`
            : null}
        </div>`
      : null}
  </div>`;
}

/**
 * The outcomes so far, read from where the last reading ended.
 * @param {string} id
 * @param {any} job
 * @returns {any[]}
 */
function useItems(id, job) {
  const kept = useMemo(() => ({ pages: new Map(), last: 0 }), [id]);
  /** @param {AbortSignal} abort */
  async function load(abort) {
    for (;;) {
      const page = await get(pathOf("jobs", id, "items"), { after: kept.last }, abort);
      kept.pages.set(kept.last, page.items);
      if (page.next === null) return [...kept.pages.values()].flat();
      kept.last = page.next;
    }
  }
  return useVersioned(`outcomes of ${id}`, `${job?.done} ${job?.state}`, load, POLL_MS).data ?? [];
}

/**
 * Leave for an invocation.
 * @param {string} id
 */
export function open(id) {
  go(href(["invocations", id]));
}
