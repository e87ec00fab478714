// Schedules: when each runs next, what became of its runs, and the verbs.

import { useState } from "preact/hooks";
import { get, patch, pathOf } from "../lib/api.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { go, href } from "../lib/router.js";
import { may } from "../lib/session.js";
import { Duration, Empty, ErrorBox, Facts, InvocationLink, Loading, Section, Time } from "../ui/bits.js";
import { Dialog, Field } from "../ui/dialog.js";
import { Json, visible, visibleName } from "../ui/json.js";
import { Table } from "../ui/table.js";
import { toast } from "../ui/toast.js";

/**
 * @typedef {{ nominal: number, cause: string, invocation_id: string, started_at: number, ended_at: number | null, outcome: string,
 *   failure: string }} Run
 * @typedef {{ name: string, state: string, target: { service: string, key: string | null, handler: string }, argument: unknown,
 *   cron: string, every: number | null, zone: string, start_at: number | null, end_at: number | null, missed: string, overlap: string,
 *   note: string, next: number[], open: Run[], recent: Run[], waiting: number, counts: Record<string, number>, created_at: number,
 *   created_by: string, changed_at: number, changed_by: string, paused_at: number | null, paused_by: string, pause_reason: string,
 *   trouble: string }} Schedule
 * @typedef {{ name: string, title: string, does: string, done: (schedule: Schedule) => string, scope: "control" | "admin", isDanger?: boolean }} Verb
 */

const NEXT_SHOWN = 10;

/**
 * A schedule is an object: it may have changed whenever one has.
 * @param {import("../lib/live.js").Changes} changes
 */
function hasChanged(changes) {
  return Object.keys(changes.objects).length > 0;
}

/** @type {Verb[]} */
const VERBS = [
  { name: "trigger", title: "Trigger", does: "A run starts now. If an earlier one is open, the overlap policy applies.", done: ({ name }) => `A run of ${name} was requested.`, scope: "control" },
  { name: "pause", title: "Pause", does: "No run starts until it is resumed. Open runs continue.", done: ({ name }) => `${name} is paused.`, scope: "control" },
  { name: "resume", title: "Resume", does: "Runs start again, from the next nominal time on.", done: ({ name }) => `${name} is active.`, scope: "control" },
  { name: "delete", title: "Delete", does: "Open runs continue, and runs that wait are dropped. This cannot be undone.", done: ({ name }) => `${name} is deleted.`, scope: "admin", isDanger: true },
];

/** @param {{ target: Schedule["target"] }} schedule */
function targetOf({ target }) {
  return visibleName([target.service, target.key, target.handler].filter((part) => part !== null).join("/"));
}

/** @param {Schedule} schedule */
function timing({ cron, every, zone }) {
  return every === null ? html`<code>${visible(cron)}</code> <span class="faint">${visible(zone)}</span>` : `every ${every.toLocaleString()} s`;
}

/** @param {{ schedule: Schedule }} props */
function State({ schedule }) {
  return html`<span class=${`job-state ${schedule.state === "active" ? "running" : schedule.state}`}>${schedule.state}</span>${
    schedule.trouble ? html` <span class="bad" title=${visible(schedule.trouble)}>no times</span>` : null
  }`;
}

/** @param {{ run: Run | undefined }} props */
function Outcome({ run }) {
  if (run === undefined) return html`<span class="faint">–</span>`;
  return html`<a href=${href(["invocations", run.invocation_id])}>${run.outcome || "open"}</a>`;
}

/** @type {import("../ui/table.js").Column<Schedule>[]} */
const COLUMNS = [
  { name: "state", title: "State", width: "110px", cell: (one) => html`<${State} schedule=${one} />` },
  { name: "name", title: "Schedule", width: "minmax(140px, 1fr)", cell: (one) => html`<a href=${href(["schedules", one.name])}>${visibleName(one.name)}</a>` },
  { name: "times", title: "Times", width: "minmax(180px, 1.2fr)", cell: timing },
  { name: "target", title: "Calls", width: "minmax(160px, 1.2fr)", cell: targetOf },
  { name: "next", title: "Next", width: "110px", cell: (one) => (one.state === "active" ? html`<${Time} at=${one.next[0]} />` : html`<span class="faint">–</span>`) },
  { name: "last", title: "Last run", width: "110px", cell: (one) => html`<${Outcome} run=${one.open[0] ?? one.recent[0]} />` },
  { name: "started", title: "Runs", width: "80px", align: "right", cell: (one) => one.counts.started.toLocaleString() },
  { name: "failed", title: "Failed", width: "80px", align: "right", cell: (one) => one.counts.failed.toLocaleString() },
];

/** All schedules, by name. */
export function Schedules() {
  const { data, error, reload } = useLive("schedules", async (abort) => /** @type {Schedule[]} */ ((await get("schedules", {}, abort)).schedules), {
    when: hasChanged,
    every: 2_000,
  });
  return html`<div class="page full">
    <div class="page-head"><h1>Schedules</h1>${data ? html`<span class="faint num">${data.length}</span>` : null}</div>
    ${error && !data ? html`<${ErrorBox} error=${error} retry=${reload} />` : null}
    ${data === undefined
      ? error
        ? null
        : html`<${Loading} />`
      : data.length === 0
        ? html`<${Empty} title="No schedules yet">
            <p>A schedule calls a handler at the times of a cron line, or at an interval. Create one from Python, HTTP or the command line:</p>
            <pre>playhead schedules create nightly Report/run --cron '0 2 * * *' --zone Europe/Berlin</pre>
          <//>`
        : html`<${Table}
            label="Schedules"
            columns=${COLUMNS}
            count=${data.length}
            rowAt=${(/** @type {number} */ index) => data[index]}
            keyOf=${(/** @type {Schedule} */ one) => one.name}
            onOpen=${(/** @type {Schedule} */ one) => go(href(["schedules", one.name]))}
          />`}
  </div>`;
}

/** @param {{ path: string[] }} props */
export function SchedulePage({ path }) {
  const name = path[1];
  const { data, error, reload } = useLive(
    `schedule ${name}`,
    async (abort) => /** @type {Schedule} */ (await get(pathOf("schedules", name), { count: NEXT_SHOWN }, abort)),
    { when: hasChanged, every: 2_000 },
  );
  if (data === undefined) return error ? html`<div class="page"><${ErrorBox} error=${error} retry=${reload} /></div>` : html`<${Loading} />`;
  return html`<div class="page">
    <div class="page-head">
      <h1>${visibleName(name)}</h1>
      <${State} schedule=${data} />
      <div class="actions"><${Actions} schedule=${data} onDone=${reload} /></div>
    </div>
    <${ErrorBox} error=${error} />
    ${data.trouble ? html`<p class="notice">It cannot compute its times: ${visible(data.trouble)}</p>` : null}
    ${data.paused_at === null
      ? null
      : html`<p class="notice">Paused by ${visible(data.paused_by)} <${Time} at=${data.paused_at} />${data.pause_reason ? `: ${visible(data.pause_reason)}` : ""}</p>`}
    <div class="grid-2">
      <${Section} title="Description">
        <${Facts}
          rows=${[
            ["calls", targetOf(data)],
            ["argument", html`<${Json} value=${data.argument} />`],
            ["times", timing(data)],
            ["from", data.start_at === null ? null : html`<${Time} at=${data.start_at} both />`],
            ["until", data.end_at === null ? null : html`<${Time} at=${data.end_at} both />`],
            ["missed times", data.missed],
            ["overlap", data.overlap],
            ["note", visible(data.note)],
            ["created", html`<${Time} at=${data.created_at} both /> by ${visible(data.created_by)}`],
            ["changed", html`<${Time} at=${data.changed_at} both /> by ${visible(data.changed_by)}`],
            ["runs", Object.entries(data.counts).filter(([, count]) => count > 0).map(([kind, count]) => `${count.toLocaleString()} ${kind}`).join(", ")],
            ["waiting", data.waiting ? data.waiting.toLocaleString() : null],
          ]}
        />
      <//>
      <${Section} title="Next times">
        <div class="body">
          ${data.state !== "active" || data.next.length === 0
            ? html`<p class="faint">${data.state === "paused" ? "None until it is resumed." : "None."}</p>`
            : html`<ol class="plain">${data.next.map((at) => html`<li key=${at}><${Time} at=${at} both /></li>`)}</ol>`}
        </div>
      <//>
    </div>
    <${Section} title="Runs"><${Runs} runs=${[...data.open, ...data.recent]} /><//>
  </div>`;
}

/** @param {{ runs: Run[] }} props */
function Runs({ runs }) {
  if (runs.length === 0) return html`<p class="faint body">No run yet.</p>`;
  return html`<div class="scroll-x"><table class="plain">
    <thead><tr><th>Outcome</th><th>Invocation</th><th>Nominal time</th><th>Why</th><th>Took</th><th>Error</th></tr></thead>
    <tbody>
      ${runs.map(
        (run) => html`<tr key=${run.invocation_id}>
          <td>${run.outcome || "open"}</td>
          <td><${InvocationLink} id=${run.invocation_id} /></td>
          <td><${Time} at=${run.nominal} both /></td>
          <td>${run.cause}</td>
          <td><${Duration} from=${run.started_at} to=${run.ended_at} /></td>
          <td>${visible(run.failure)}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

/** @param {{ schedule: Schedule, onDone: () => void }} props */
function Actions({ schedule, onDone }) {
  const [asking, setAsking] = useState(/** @type {Verb | null} */ (null));
  const without = schedule.state === "paused" ? "pause" : "resume";
  return html`
    ${VERBS.filter((verb) => verb.name !== without && may(verb.scope)).map(
      (verb) => html`<button key=${verb.name} type="button" onClick=${() => setAsking(verb)}>${verb.title}</button>`,
    )}
    ${asking ? html`<${Ask} verb=${asking} schedule=${schedule} onDone=${onDone} onClose=${() => setAsking(null)} />` : null}
  `;
}

/** @param {{ verb: Verb, schedule: Schedule, onDone: () => void, onClose: () => void }} props */
function Ask({ verb, schedule, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await patch(pathOf("schedules", schedule.name, verb.name), { reason });
      toast(verb.done(schedule));
      onClose();
      if (verb.name === "delete") go(href(["schedules"]));
      else onDone();
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }
  return html`<${Dialog} title=${`${verb.title} ${visibleName(schedule.name)}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${verb.does}</p>
      <${Field} label="Reason" hint="Kept in the audit.">
        <input data-first=${true} maxlength="1000" value=${reason} onInput=${(/** @type {Event} */ e) => setReason(/** @type {HTMLInputElement} */ (e.target).value)} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class=${verb.isDanger ? "danger" : "primary"} disabled=${isBusy}>${verb.title}</button>
      </footer>
    </form>
  <//>`;
}
