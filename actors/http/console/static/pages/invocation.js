// One invocation: its status and the reason, its timeline, and its verbs.

import { useMemo, useState } from "preact/hooks";
import { get, patch, pathOf, post, requestKey } from "../lib/api.js";
import { amountsOf, budgetOrNone, spentOf } from "../lib/budgets.js";
import { concerns, useHistory, useOutput } from "../lib/history.js";
import { html } from "../lib/html.js";
import { useShortcuts } from "../lib/keys.js";
import { useLive } from "../lib/live.js";
import { piecesOf } from "../lib/output.js";
import { goUp, href, setParams } from "../lib/router.js";
import { may } from "../lib/session.js";
import { exact, length } from "../lib/time.js";
import { timelineOf } from "../lib/timeline.js";
import { withTag } from "../lib/where.js";
import { Copy, Duration, Empty, ErrorBox, Facts, InvocationLink, Loading, LongText, Section, Status, Time } from "../ui/bits.js";
import { Check } from "../ui/check.js";
import { Compare } from "../ui/compare.js";
import { asCommand, asCurl, asDescription, asPython } from "../ui/copies.js";
import { Dialog, Field } from "../ui/dialog.js";
import { Json, visible, visibleName } from "../ui/json.js";
import { RestartDialog } from "../ui/restart.js";
import { SignalForm, useSignal } from "../ui/signals.js";
import { PANEL, Tabs, tabId } from "../ui/tabs.js";
import { toast } from "../ui/toast.js";
import { DeploymentChoice, VerbDialog, lastWord, targetOf, verbOf, verbsFor } from "../ui/verbs.js";
import { Waterfall, keyOf } from "../ui/waterfall.js";

/** @typedef {import("../lib/timeline.js").Span} Span */
/** @typedef {import("../lib/timeline.js").Entry} Entry */

const TABS = /** @type {const} */ ([
  ["timeline", "Timeline"],
  ["journal", "Journal"],
  ["lineage", "Lineage"],
  ["audit", "Audit"],
]);

/** @param {{ path: string[], params: Record<string, string> }} props */
export function Invocation({ path, params }) {
  const id = path[1];
  const tab = TABS.some(([name]) => name === params.tab) ? params.tab : "timeline";
  const info = useLive(`invocation ${id}`, (abort) => get(pathOf("invocations", id), {}, abort), { when: (c) => c.registry || concerns(c, id) });
  const why = useLive(`why ${id}`, (abort) => get(`${pathOf("invocations", id)}/why`, {}, abort), { when: (c) => c.registry || concerns(c, id) });
  const { entries, error: historyError, isWhole } = useHistory(id);
  const timeline = useMemo(() => timelineOf(entries), [entries]);
  const output = useOutput(id);
  const pieces = useMemo(() => piecesOf(output.entries), [output.entries]);
  const [asking, setAsking] = useState(/** @type {string | null} */ (null));
  const [from, setFrom] = useState("");
  const [signal, setSignal] = useState(/** @type {string | null} */ (null));

  const one = info.data;
  const verbs = one ? verbsFor(one.status) : [];
  useShortcuts([
    ...verbs.flatMap((verb) => (verb.key ? [{ key: verb.key, does: verb.title.toLowerCase(), run: () => ask(verb.name) }] : [])),
    { key: "u", does: "back to the list", run: () => goUp("invocations") },
  ]);

  /** @param {string} name @param {string} [step] */
  function ask(name, step = "") {
    setFrom(step);
    setAsking(name);
  }
  function done() {
    setAsking(null);
    info.reload();
  }

  if (one === undefined) {
    return info.error
      ? html`<div class="page">
          <div class="page-head"><h1>Invocation</h1><span class="id faint">${visible(id)}</span></div>
          <${ErrorBox} error=${info.error} retry=${info.reload} />
          <p><a href=${href(["invocations"])}>All invocations</a></p>
        </div>`
      : html`<${Loading} />`;
  }
  if (params.compare) return html`<${Compare} original=${params.compare} again=${id} />`;
  const owner = params.of || null; // whose step is chosen, where it is one of an invocation that this one has called
  const chosen = owner === null ? timeline.spans.find((span) => span.step === params.step) : undefined;
  const isByOrder = (params.scale ?? (timeline.hasKept ? "order" : "time")) === "order";
  // Also if its status has changed and the verb would be refused: a dialog does not disappear while it is read.
  const verb = asking === null ? undefined : verbOf(asking);

  return html`<div class="page">
    <div class="page-head">
      <h1>${visible(targetOf(one.target))}</h1>
      <${Status} status=${one.status} outcome=${one.outcome?.kind} phase=${one.phase} />
      <span class="id faint">${one.id}</span> <${Copy} text=${one.id} />
      <div class="actions">
        ${may("control") && one.status !== "completed"
          ? html`<button type="button" onClick=${() => setSignal("")}>Signal…</button>`
          : null}
        ${verbs.map(
          (candidate) => html`<button key=${candidate.name} type="button" onClick=${() => ask(candidate.name)}>
            ${candidate.title}${candidate.name === "restart" ? "…" : ""}
          </button>`,
        )}
        <${CopyAs} info=${one} entries=${entries} isWhole=${isWhole} />
      </div>
    </div>
    <${Why}
      info=${one}
      reasons=${why.data?.reasons ?? []}
      onSignal=${may("control") ? setSignal : null}
    />
    <div class="grid-2">
      <${Section} title="Description"><${About} info=${one} entries=${entries} /><//>
      <${Section} title=${one.outcome ? "How it ended" : "So far"}><${Ending} info=${one} outputs=${pieces} isWhole=${output.isWhole} /><//>
    </div>
    <${Tabs}
      label="Parts"
      tabs=${TABS}
      chosen=${tab}
      onChoose=${(/** @type {string} */ name) => setParams({ tab: name === "timeline" ? "" : name })}
    />
    <div role="tabpanel" id=${PANEL} aria-labelledby=${tabId(tab)}>
    ${historyError ? html`<${ErrorBox} error=${historyError} />` : null}
    ${tab === "timeline"
      ? html`<div class=${chosen || owner ? "split" : ""}>
          <${Section}
            title="Timeline"
            extra=${html`<div role="group" aria-label="Scale">
              ${["time", "order"].map(
                (name) => html`<button
                  key=${name}
                  type="button"
                  class="chip"
                  aria-pressed=${isByOrder === (name === "order")}
                  onClick=${() => setParams({ scale: name })}
                >
                  ${name === "time" ? "by time" : "in order"}
                </button>`,
              )}
            </div>`}
          >
            ${entries.length === 0
              ? isWhole
                ? html`<${Empty} title="Its history is gone"><p>It was purged.</p><//>`
                : historyError
                  ? null
                  : html`<${Loading} />`
              : html`<${Waterfall}
                  timeline=${timeline}
                  isByOrder=${isByOrder}
                  chosen=${params.step ? keyOf(params.step, owner) : null}
                  onChoose=${(/** @type {Span} */ span, /** @type {string | null} */ of) => {
                    const isSame = span.step === params.step && of === owner;
                    setParams({ step: isSame ? "" : span.step, of: isSame ? "" : (of ?? "") });
                  }}
                />`}
          <//>
          ${chosen
            ? html`<${StepDetail}
                span=${chosen}
                onRestart=${may("control") ? () => ask("restart", chosen.step) : null}
                onSignal=${may("control") && chosen.kind === "signal" && chosen.state === "open" ? () => setSignal(chosen.name) : null}
              />`
            : owner
              ? html`<${NestedStep} key=${owner} id=${owner} step=${params.step ?? ""} />`
              : null}
        </div>`
      : tab === "journal"
        ? html`<${Journal} entries=${entries} />`
        : tab === "lineage"
          ? html`<${Lineage} info=${one} />`
          : html`<${Trail} id=${id} />`}
    </div>
    ${verb && verb.name === "restart"
      ? html`<${RestartDialog} info=${one} entries=${entries} timeline=${timeline} from=${from} onClose=${() => setAsking(null)} />`
      : verb && verb.name === "resume"
        ? html`<${ResumeDialog} info=${one} onClose=${() => setAsking(null)} onDone=${done} />`
        : verb
          ? html`<${VerbDialog} verb=${verb} of=${id} target=${targetOf(one.target)} onClose=${() => setAsking(null)} onDone=${done} />`
          : null}
    ${signal !== null
      ? html`<${SignalDialog} info=${one} name=${signal} onClose=${() => setSignal(null)} />`
      : null}
  </div>`;
}

/**
 * The obstacle, in words, and its remedy.
 * @param {{ info: any, reasons: any[], onSignal: ((name: string) => void) | null }} props
 */
function Why({ info, reasons, onSignal }) {
  if (info.status === "completed" || reasons.length === 0) return null;
  const isStuck = info.status === "paused" || reasons.some((reason) => reason.waits_for === "gate" || reason.waits_for === "retry");
  const waited = info.waits.filter((/** @type {any} */ wait) => wait.kind === "signal");
  return html`<div class=${isStuck ? "why stuck" : "why"} role="note" aria-label="Why it does not continue">
    <ul>
      ${reasons.map(
        (reason, index) => html`<li key=${index}>
          <b>${visible(reason.text)}</b>
          ${reason.because ? html` — ${visible(reason.because)}` : null}
          ${reason.waits_for === "retry" && info.last_failure && !reason.because
            ? html` <b class="bad">${visible(`${lastWord(info.last_failure.type)}: ${info.last_failure.message}`.slice(0, 300))}</b>`
            : null}
          ${reason.by ? html` <span class="faint">by ${visible(reason.by)}</span>` : null}
          <${Period} reason=${reason} />
          ${reason.invocation_id
            ? html` <${InvocationLink} id=${reason.invocation_id} /><${Deeper} id=${reason.invocation_id} depth=${1} />`
            : null}
        </li>`,
      )}
    </ul>
    ${onSignal && waited.length > 0
      ? html`<div class="actions">
          ${waited.map(
            (/** @type {any} */ wait) => html`<button key=${wait.step} type="button" class="primary" onClick=${() => onSignal(wait.name)}>
              Send ${visible(wait.name)}…
            </button>`,
          )}
        </div>`
      : null}
  </div>`;
}

/**
 * When that is over, or for how long it has lasted.
 * @param {{ reason: any }} props
 */
function Period({ reason }) {
  return html`${reason.until ? html`<span class="nowrap faint"> · <${Time} at=${reason.until} /></span>` : null}
    ${reason.since ? html`<span class="nowrap faint"> · for <${Duration} from=${reason.since} to=${null} /></span>` : null}`;
}

const DEEPEST = 4;

/**
 * Why the one that is waited for does not go on itself: the cause may lie several calls below.
 * @param {{ id: string, depth: number }} props
 * @returns {import("../lib/html.js").VNode | null}
 */
function Deeper({ id, depth }) {
  const { data } = useLive(`why ${id}`, (abort) => get(`${pathOf("invocations", id)}/why`, {}, abort), { when: (c) => c.registry || concerns(c, id) });
  const info = useLive(`invocation ${id}`, (abort) => get(pathOf("invocations", id), {}, abort), { when: (c) => concerns(c, id) });
  if (!data || !info.data || info.data.status === "completed") return null;
  const failure = info.data.last_failure;
  return html`<ul class="deeper">
    ${data.reasons.map(
      (/** @type {any} */ reason, /** @type {number} */ index) => html`<li key=${index}>
        <${Status} status=${info.data.status} phase=${info.data.phase} /> ${visible(targetOf(info.data.target))}: ${visible(reason.text)}
        ${reason.because ? html` — ${visible(reason.because)}` : null}
        ${failure && reason.waits_for === "retry" ? html` <b class="bad">${visible(`${lastWord(failure.type)}: ${failure.message}`.slice(0, 200))}</b>` : null}
        <${Period} reason=${reason} />
        ${reason.invocation_id
          ? html` <${InvocationLink} id=${reason.invocation_id} />${depth < DEEPEST ? html`<${Deeper} id=${reason.invocation_id} depth=${depth + 1} />` : null}`
          : null}
      </li>`,
    )}
  </ul>`;
}

/**
 * The tags, each a link to all invocations that have it.
 * @param {{ tags: Record<string, string> }} props
 * @returns {import("../lib/html.js").VNode}
 */
function Tags({ tags }) {
  return html`${Object.entries(tags).map(
    ([name, value]) => html`<a key=${name} class="tag" href=${href(["invocations"], { where: withTag(name, value) })}>${visible(`${name}=${value}`)}</a> `,
  )}`;
}

/** @param {{ info: any, entries: Entry[] }} props */
function About({ info, entries }) {
  const accepted = entries.find((entry) => entry.name === "InvocationAccepted");
  const argument = accepted?.details.argument;
  return html`<${Facts}
    rows=${[
      ["Argument", accepted ? (argument === null ? html`<span class="faint">none</span>` : html`<${Json} value=${argument} label="argument" />`) : null],
      ["Created", html`<${Time} at=${info.created_at} both=${true} /> <span class="faint">by ${visible(info.created_by)}</span>`],
      ["Started", info.started_at === null ? null : html`<${Time} at=${info.started_at} both=${true} />`],
      ["Took", info.started_at === null ? null : html`<${Duration} from=${info.started_at} to=${info.completed_at} />`],
      ["Status text", info.status_text ? visible(info.status_text) : null],
      ["Spent", Object.keys(info.spent).length ? visible(amountsOf(info.spent)) : null],
      ["Budget", info.budget ? html`${visible(spentOf(info.budget, info.budget_spent))} <span class="faint">with what it calls</span>` : null],
      [
        "Limit",
        info.limit_wait
          ? html`<span class="mono">${visible(info.limit_wait.scope)}</span> ${limitOf(info.limit_wait)} <a href=${href(["limits"])}>all limits</a>`
          : null,
      ],
      ["Tags", Object.keys(info.tags).length ? html`<${Tags} tags=${info.tags} />` : null],
      ["Scheduled for", info.scheduled_for === null ? null : html`<${Time} at=${info.scheduled_for} both=${true} />`],
      [
        "Attempts failed",
        info.failed_attempts ? `${info.failed_attempts}${info.max_attempts === null ? "" : ` of ${info.max_attempts}`}` : null,
      ],
      ["Called by", info.caller ? html`<${InvocationLink} id=${info.caller.invocation_id} /> <span class="faint">at ${info.caller.step}</span>` : null],
      [
        "Object",
        info.target.key === null ? null : html`<a href=${href(["objects", info.target.service, info.target.key])}>${`${info.target.service}/${visibleName(info.target.key)}`}</a>`,
      ],
      ["Deployment", info.deployment ? html`<a class="mono" href=${href(["deployments", info.deployment])}>${info.deployment}</a>` : null],
      ["Repeats", info.restarts ? html`<${InvocationLink} id=${info.restarts.invocation_id} /> <a href=${href(["invocations", info.id], { compare: info.restarts.invocation_id })}>compare</a>` : null],
      [
        "Repeated by",
        info.successors.length
          ? info.successors.map((/** @type {string} */ of) => html`<span key=${of}><${InvocationLink} id=${of} /> <a href=${href(["invocations", of], { compare: info.id })}>compare</a> </span>`)
          : null,
      ],
      ["Idempotency key", info.idempotency_key ? visible(info.idempotency_key) : null],
      ["Forgotten", info.purge_at === null ? null : html`<${Time} at=${info.purge_at} />`],
    ]}
  />`;
}

/** What runs and is spent under the limit that it waits for. @param {any} wait */
function limitOf(wait) {
  const used = wait.used_up;
  return [
    used
      ? `${used.spent} of ${used.budget} ${visible(used.quantity)} are spent`
      : wait.opens_at !== null && wait.rate !== null
        ? `${wait.rate.toLocaleString()} have started in ${wait.period.toLocaleString()} s`
        : `${wait.running.toLocaleString()}${wait.concurrency === null ? "" : ` of ${wait.concurrency.toLocaleString()}`} run`,
    wait.ahead ? `${wait.ahead.toLocaleString()} before it` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

/** @param {{ info: any, outputs: import("../lib/output.js").Piece[], isWhole: boolean }} props */
function Ending({ info, outputs: all, isWhole }) {
  const outputs = all.filter((piece) => !piece.isVoid);
  const outcome = info.outcome;
  const isFailing = info.status === "paused" || info.status === "backing_off" || info.waits.some((/** @type {any} */ wait) => wait.failed_attempts > 0);
  const failure = outcome?.failure ?? (outcome || !isFailing ? null : info.last_failure);
  return html`<div class="body ending">
    ${outcome && outcome.kind === "succeeded" ? html`<${Json} value=${outcome.value} label="result" />` : null}
    ${outcome?.reason ? html`<p>${visible(outcome.reason)}</p>` : null}
    ${failure ? html`<${FailureBox} failure=${failure} title=${outcome ? "" : "Its last error"} />` : null}
    ${outputs.length > 0 ? html`<${Output} outputs=${outputs} isWhole=${isWhole} />` : null}
    ${all.length > outputs.length
      ? html`<p class="faint">${(all.length - outputs.length).toLocaleString()} more ${all.length - outputs.length === 1 ? "piece" : "pieces"} of failed tries.</p>`
      : null}
    ${!outcome && !failure && outputs.length === 0
      ? html`<p class="faint">Nothing yet. Its output appears here as it is emitted, and its result at the end.</p>`
      : null}
  </div>`;
}

/**
 * What was emitted: pieces of text run on, as they would in a terminal.
 * @param {{ outputs: { at: number, value: unknown }[], isWhole: boolean }} props
 */
function Output({ outputs, isWhole }) {
  const isText = outputs.every((one) => typeof one.value === "string");
  return html`<div>
    <h3>Emitted, ${isWhole ? "" : "first "}${outputs.length.toLocaleString()} ${outputs.length === 1 ? "piece" : "pieces"}</h3>
    ${isText
      ? html`<${LongText} text=${visible(outputs.map((one) => one.value).join(""))} lines=${20} isTail />`
      : html`<${Json} value=${outputs.map((one) => one.value)} label="output" />`}
  </div>`;
}

/** @param {{ failure: any, title?: string }} props */
function FailureBox({ failure, title = "" }) {
  return html`<div class="failure">
    ${title ? html`<h3>${title}</h3>` : null}
    <p><b class="bad">${visible(lastWord(failure.type))}</b> ${visible(failure.message)}</p>
    ${failure.details === null || failure.details === undefined ? null : html`<${Json} value=${failure.details} label="details" />`}
    ${failure.traceback ? html`<${LongText} text=${visible(failure.traceback)} lines=${6} />` : null}
  </div>`;
}

/**
 * A step of an invocation that was called. What can be done about it is on that one's own page.
 * @param {{ id: string, step: string }} props
 */
function NestedStep({ id, step }) {
  const { entries, error } = useHistory(id);
  const timeline = useMemo(() => timelineOf(entries), [entries]);
  const span = timeline.spans.find((one) => one.step === step);
  if (error) return html`<${ErrorBox} error=${error} />`;
  return span ? html`<${StepDetail} span=${span} of=${id} onRestart=${null} onSignal=${null} />` : html`<${Loading} />`;
}

/** @param {{ span: Span, of?: string | null, onRestart: (() => void) | null, onSignal: (() => void) | null }} props */
function StepDetail({ span, of = null, onRestart, onSignal }) {
  return html`<${Section}
    title=${`${span.kind} ${visible(span.name)}`}
    extra=${html`<button type="button" class="plain" aria-label="Close" onClick=${() => setParams({ step: "", of: "" })}>✕</button>`}
  >
    <div class="body">
      <div class="actions">
        ${onRestart && span.kind !== "deadline" && span.kind !== "update" ? html`<button type="button" class="primary" onClick=${onRestart}>Restart from here…</button>` : null}
        ${onSignal ? html`<button type="button" class="primary" onClick=${onSignal}>Send it…</button>` : null}
      </div>
      <${Facts}
        rows=${[
          ["State", `${span.state}${span.isKept ? ", kept from the original" : ""}`],
          ["Of", of === null ? null : html`<${InvocationLink} id=${of} whole=${true} />`],
          ["Step", html`<span class="mono">${span.step}</span>`],
          ["Line", span.source ? html`<span class="mono">${visible(span.source)}</span>` : null],
          ["Began", html`<${Time} at=${span.from} both=${true} />`],
          ["Took", html`<${Duration} from=${span.from} to=${span.to} />`],
          ["Until", span.until === null ? null : html`<${Time} at=${span.until} both=${true} />`],
          ["Invocation", span.callee ? html`<${InvocationLink} id=${span.callee} whole=${true} />` : null],
          ["Input", span.inputBytes ? `${span.inputBytes.toLocaleString()} bytes of JSON, too large to be kept` : null],
          ["Input", span.input === undefined || span.input === null ? null : html`<${Json} value=${span.input} label="input" />`],
          ["Output", span.output === undefined || span.failure ? null : html`<${Json} value=${span.output} label="output" />`],
          ["Reason", span.reason ? visible(span.reason) : null],
        ]}
      />
      ${span.failure ? html`<${FailureBox} failure=${span.failure} title="Error" />` : null}
      ${span.tries.length > 1 || span.tries.some((one) => one.failure)
        ? html`<h3>Tries</h3>
            <table class="plain">
              <tbody>
                ${span.tries.map(
                  (one) => html`<tr key=${one.number}>
                    <td class="right">${one.number}</td>
                    <td>${one.to === null ? "runs" : length(one.to - one.from)}</td>
                    <td><${Time} at=${one.from} /></td>
                    <td>${one.failure ? visible(`${lastWord(one.failure.type)}: ${one.failure.message}`) : ""}</td>
                  </tr>`,
                )}
              </tbody>
            </table>`
        : null}
    </div>
  <//>`;
}

const JOURNAL_SHOWN = 300;

/** @param {{ entries: Entry[] }} props */
function Journal({ entries }) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(/** @type {number | null} */ (null));
  const [most, setMost] = useState(JOURNAL_SHOWN);
  const wanted = text.trim().toLowerCase();
  const shown = wanted ? entries.filter((entry) => `${entry.name} ${entry.summary} ${entry.by}`.toLowerCase().includes(wanted)) : entries;
  const first = entries[0]?.at ?? 0;
  return html`<${Section}
    title="Journal"
    extra=${html`<input
      data-filter
      aria-label="Filter the journal"
      placeholder="filter"
      value=${text}
      onInput=${(/** @type {Event} */ e) => setText(/** @type {HTMLInputElement} */ (e.target).value)}
    />`}
  >
    <div class="scroll-x">
      <table class="plain journal">
        <thead><tr><th class="right">#</th><th class="right">After</th><th>Event</th><th>What</th><th>By</th></tr></thead>
        <tbody>
          ${shown.slice(0, most).map(
            (entry) => html`<tr key=${entry.number}>
                <td class="right">${entry.number}</td>
                <td class="right" title=${exact(entry.at)}>+${length(entry.at - first)}</td>
                <td>
                  <button type="button" class="plain" aria-expanded=${open === entry.number} onClick=${() => setOpen(open === entry.number ? null : entry.number)}>
                    ${entry.name}
                  </button>
                </td>
                <td>
                  ${visible(entry.summary.slice(0, 300))}
                  ${open === entry.number ? html`<${Json} value=${entry.details} label="event" />` : null}
                </td>
                <td class="faint">${visible(entry.by)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${shown.length > most
      ? html`<p><button type="button" class="plain" onClick=${() => setMost(shown.length)}>show all ${shown.length.toLocaleString()}</button></p>`
      : null}
  <//>`;
}

/** @param {{ info: any }} props */
function Lineage({ info }) {
  const family = useLive(`family of ${info.id} ${info.successors.length}`, (abort) => familyOf(info, abort), {
    when: (changes) => changes.invocations.length > 0,
    every: 1_000,
  });
  if (family.data === undefined) return family.error ? html`<${ErrorBox} error=${family.error} />` : html`<${Loading} />`;
  return html`<${Section} title="Lineage">
    <div class="body">
      ${info.restarts === null && info.successors.length === 0
        ? html`<p class="faint">It is not a restart, and was not restarted. <b>Restart…</b> runs it again as a new invocation, from the beginning or from a step.</p>`
        : null}
      <ul class="tree"><${Kin} one=${family.data} current=${info.id} /></ul>
    </div>
  <//>`;
}

/** @typedef {{ info: any, children: Family[] }} Family */

/** @param {{ one: Family, current: string }} props @returns {import("../lib/html.js").VNode} */
function Kin({ one, current }) {
  const { info } = one;
  return html`<li>
    <span class=${info.id === current ? "current" : ""}>
      <${InvocationLink} id=${info.id} />
      <${Status} status=${info.status} outcome=${info.outcome?.kind} />
      <${Time} at=${info.created_at} />
      ${info.restarts
        ? html`<span class="faint"
              >from ${info.restarts.step ? `step ${info.restarts.step}` : "the beginning"} by ${visible(info.created_by)}</span
            >
            <a href=${href(["invocations", info.id], { compare: info.restarts.invocation_id })}>compare</a>`
        : html`<span class="faint">the original</span>`}
    </span>
    ${one.children.length > 0 ? html`<ul>${one.children.map((child) => html`<${Kin} key=${child.info.id} one=${child} current=${current} />`)}</ul>` : null}
  </li>`;
}

const MOST_KIN = 60;

/** @param {any} info @param {AbortSignal} abort @returns {Promise<Family>} */
async function familyOf(info, abort) {
  let root = info;
  for (let i = 0; i < MOST_KIN && root.restarts !== null; i++) {
    try {
      root = await get(pathOf("invocations", root.restarts.invocation_id), {}, abort);
    } catch {
      break; // it has been purged
    }
  }
  let left = MOST_KIN;
  /** @param {any} one @returns {Promise<Family>} */
  async function below(one) {
    /** @type {Family[]} */
    const children = [];
    for (const id of one.successors) {
      if (left-- <= 0) break;
      try {
        children.push(await below(await get(pathOf("invocations", id), {}, abort)));
      } catch {
        // It has been purged.
      }
    }
    return { info: one, children };
  }
  return below(root);
}

/** @param {{ id: string }} props */
function Trail({ id }) {
  const { data, error } = useLive(`audit of ${id}`, (abort) => get("audit", { target: id, limit: 200 }, abort), { when: (c) => concerns(c, id) });
  if (data === undefined) return error ? html`<${ErrorBox} error=${error} />` : html`<${Loading} />`;
  return html`<${Section} title="Audit">
    ${data.entries.length === 0
      ? html`<${Empty} title="No control requests"><p>Every cancel, pause, signal and other control request is listed here with requester, reason and result.</p><//>`
      : html`<div class="scroll-x">
          <table class="plain">
            <thead><tr><th>When</th><th>Verb</th><th>By</th><th>From</th><th>Reason</th><th>Result</th></tr></thead>
            <tbody>
              ${data.entries.map(
                (/** @type {any} */ entry) => html`<tr key=${`${entry.partition}/${entry.number}`}>
                  <td><${Time} at=${entry.at} both=${true} /></td>
                  <td>${entry.verb} ${visible(entry.detail)}</td>
                  <td>${visible(entry.by)}</td>
                  <td class="faint">${visible(entry.source)}</td>
                  <td>${visible(entry.reason)}</td>
                  <td>${entry.refusal ? html`<b class="bad">${visible(entry.refusal)}</b>` : entry.changed ? `${entry.before} → ${entry.after}` : "changed nothing"}</td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`}
  <//>`;
}

/**
 * Let it go on, on the code that it has or on other; that is looked at first, without effects.
 * @param {{ info: any, onClose: () => void, onDone: () => void }} props
 */
function ResumeDialog({ info, onClose, onDone }) {
  const [deployment, setDeployment] = useState("keep");
  const [reason, setReason] = useState("");
  const [more, setMore] = useState("");
  const [sureOf, setSureOf] = useState(/** @type {string | null} */ (null)); // the deployment that its reader has agreed to
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);
  const known = useLive("deployments", (abort) => get("deployments", {}, abort), { when: (c) => c.registry });
  const check = useLive(`check ${info.id} on ${deployment}`, (abort) => get(`${pathOf("invocations", info.id)}/check`, { deployment }, abort));
  const fits = check.data?.verdict === "same";
  const isSure = sureOf === deployment;

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    try {
      const budget = budgetOrNone(more);
      const answer = await patch(`${pathOf("invocations", info.id)}/resume`, { deployment, reason, ...(fits ? {} : { check: false }), ...(budget === null ? {} : { budget }) }, { key });
      toast(answer.changed ? `Resumed: it was ${answer.before}` : `Nothing to change: it is ${answer.after}`);
      onDone();
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }

  return html`<${Dialog} title=${`Resume ${visible(targetOf(info.target))}`} onClose=${onClose} wide=${true}>
    <form onSubmit=${submit}>
      <${DeploymentChoice} deployments=${known.data?.deployments ?? []} value=${deployment} onChange=${setDeployment} />
      ${info.budget
        ? html`<${Field} label="More budget" hint=${`Added to its budget, as usd=5, tokens=100000. Now ${spentOf(info.budget, info.budget_spent)} are spent.`}>
            <input value=${more} onInput=${(/** @type {Event} */ e) => setMore(/** @type {HTMLInputElement} */ (e.target).value)} />
          <//>`
        : null}
      <h3>Check of its history on that code</h3>
      ${check.error ? html`<${ErrorBox} error=${check.error} />` : check.data ? html`<${Check} report=${check.data} />` : html`<${Loading} />`}
      <${Field} label="Reason" hint="Kept in the history and in the audit.">
        <input data-first value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(/** @type {HTMLInputElement} */ (e.target).value)} />
      <//>
      ${check.data && !fits
        ? html`<label class="check">
            <input type="checkbox" checked=${isSure} onChange=${() => setSureOf(isSure ? null : deployment)} />
            Resume anyway; it will be paused again where the code differs
          </label>`
        : null}
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Do nothing</button>
        <button type="submit" class="primary" disabled=${isBusy || !(fits || isSure || check.error)}>Resume</button>
      </footer>
    </form>
  <//>`;
}

/**
 * Hand it a value under a name that it waits for, with a form made from the type; or under any other.
 * @param {{ info: any, name: string, onClose: () => void }} props
 */
function SignalDialog({ info, name: given, onClose }) {
  const signal = useSignal([info], given);
  const { name, value, isKnown } = signal;
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    try {
      const answer = await post(`${pathOf("invocations", info.id)}/${pathOf("signals", name)}`, value === undefined ? null : value, { key });
      toast(answer.changed ? `${visible(name)} is delivered` : `${visible(name)} changed nothing`);
      onClose();
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }

  return html`<${Dialog} title=${`Signal ${visible(targetOf(info.target))}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <${SignalForm} signal=${signal} label="It waits for" />
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Do nothing</button>
        <button type="submit" class="primary" disabled=${isBusy || !name || !isKnown}>Send</button>
      </footer>
    </form>
  <//>`;
}

/**
 * The same invocation asked for again, as a command, a request and a program.
 * @param {{ info: any, entries: Entry[], isWhole: boolean }} props
 */
function CopyAs({ info, entries, isWhole }) {
  const [isOpen, setOpen] = useState(false);
  const { target } = info;
  const accepted = entries.find((entry) => entry.name === "InvocationAccepted");
  const argument = accepted?.details.argument ?? undefined;
  // Without its argument it would be another invocation: the history may come later than this dialog, or be gone.
  const again = accepted ? [["Command line", asCommand(target, argument)], ["curl", asCurl(target, argument, { isSent: true })], ["Python", asPython(target, argument)]] : [];
  const texts = [...again, ["Details", asDescription(info.id)]];
  return html`<button type="button" onClick=${() => setOpen(true)}>Copy as…</button>
    ${isOpen
      ? html`<${Dialog} title="Run the same command elsewhere" onClose=${() => setOpen(false)} wide=${true}>
          <div>
            ${texts.map(([title, text]) => html`<div key=${title}><h3>${title} <${Copy} text=${text} /></h3><${LongText} text=${text} lines=${20} /></div>`)}
            ${accepted ? null : isWhole ? html`<p class="faint">Its history and its argument are gone.</p>` : html`<${Loading} />`}
          </div>
        <//>`
      : null}`;
}

