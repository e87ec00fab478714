// Two runs compared: an original and its restart, or any other two.

import { useMemo, useState } from "preact/hooks";
import { get, pathOf } from "../lib/api.js";
import { concerns, useHistory } from "../lib/history.js";
import { printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { href } from "../lib/router.js";
import { length } from "../lib/time.js";
import { timelineOf } from "../lib/timeline.js";
import { ErrorBox, Facts, InvocationLink, Loading, Section, Status, Time } from "./bits.js";
import { Json, brief, visible } from "./json.js";
import { targetOf } from "./verbs.js";
import { Waterfall } from "./waterfall.js";

/** @typedef {import("../lib/timeline.js").Span} Span */

/** @param {{ original: string, again: string }} props */
export function Compare({ original, again }) {
  const left = useRun(original);
  const right = useRun(again);
  const [isByOrder, setByOrder] = useState(true);
  const isRestart = right.info?.restarts?.invocation_id === original;
  const [one, other] = isRestart ? ["The original", "The restart"] : ["The first", "The second"];
  const pairs = useMemo(() => paired(left.timeline.spans, right.timeline.spans), [left.timeline, right.timeline]);
  const differing = useMemo(() => new Set(pairs.filter((pair) => pair.difference).map((pair) => pair.step)), [pairs]);
  return html`<div class="page">
    <div class="page-head">
      <h1>Compare two runs</h1>
      <span class="faint">${differing.size} of ${pairs.length} operations differ</span>
      <div class="actions">
        <button type="button" class="chip" aria-pressed=${isByOrder} onClick=${() => setByOrder(!isByOrder)}>in order</button>
        <a class="button" href=${href(["invocations", again])}>Back to ${isRestart ? "the new one" : "the second"}</a>
      </div>
    </div>
    <div class="grid-2">
      <${Run} title=${one} run=${left} id=${original} isByOrder=${isByOrder} differing=${differing} />
      <${Run} title=${other} run=${right} id=${again} isByOrder=${isByOrder} differing=${differing} />
    </div>
    <${Section} title="Differences">
      ${differing.size === 0
        ? html`<p class="faint">No differences so far.</p>`
        : html`<div class="scroll-x">
            <table class="plain">
              <thead><tr><th>Step</th><th>Name</th><th>${one}</th><th>${other}</th><th></th></tr></thead>
              <tbody>
                ${pairs
                  .filter((pair) => pair.difference)
                  .map(
                    (pair) => html`<tr key=${pair.step}>
                      <td class="mono">${pair.step}</td>
                      <td>${visible(pair.right?.name ?? pair.left?.name ?? "")}</td>
                      <td>${spanWords(pair.left)}</td>
                      <td>${spanWords(pair.right)}</td>
                      <td class="faint">${pair.difference}</td>
                    </tr>`,
                  )}
              </tbody>
            </table>
          </div>`}
    <//>
  </div>`;
}

/** @param {string} id */
function useRun(id) {
  const info = useLive(`run ${id}`, (abort) => get(pathOf("invocations", id), {}, abort), { when: (c) => concerns(c, id) });
  const { entries, error } = useHistory(id);
  const timeline = useMemo(() => timelineOf(entries), [entries]);
  return { info: info.data, timeline, error: info.error ?? error };
}

/**
 * @param {{ title: string, run: ReturnType<typeof useRun>, id: string, isByOrder: boolean, differing: ReadonlySet<string> }} props
 */
function Run({ title, run, id, isByOrder, differing }) {
  const { info, timeline, error } = run;
  return html`<${Section} title=${title}>
    ${error ? html`<${ErrorBox} error=${error} />` : null}
    ${info
      ? html`<${Facts}
          rows=${[
            ["Invocation", html`<${InvocationLink} id=${id} /> ${visible(targetOf(info.target))}`],
            ["Status", html`<${Status} status=${info.status} outcome=${info.outcome?.kind} />`],
            ["Created", html`<${Time} at=${info.created_at} />`],
            ["Deployment", info.deployment ? html`<span class="mono">${info.deployment}</span>` : null],
            ["Result", info.outcome?.kind === "succeeded" ? html`<${Json} value=${info.outcome.value} label="result" />` : null],
            ["Error", info.outcome?.failure ? visible(`${info.outcome.failure.type}: ${info.outcome.failure.message}`) : null],
          ]}
        />`
      : error
        ? null
        : html`<${Loading} />`}
    <${Waterfall} timeline=${timeline} isByOrder=${isByOrder} differing=${differing} label=${title} />
  <//>`;
}

/**
 * Operations of both runs by where they were started, and in what they differ.
 * @param {Span[]} left
 * @param {Span[]} right
 */
export function paired(left, right) {
  /** @type {Map<string, { step: string, left: Span | null, right: Span | null, difference: string }>} */
  const pairs = new Map();
  for (const span of left) pairs.set(span.step, { step: span.step, left: span, right: null, difference: "only on the left" });
  for (const span of right) {
    const before = pairs.get(span.step)?.left ?? null;
    pairs.set(span.step, { step: span.step, left: before, right: span, difference: before ? difference(before, span) : "only on the right" });
  }
  return [...pairs.values()];
}

/** @param {Span} a @param {Span} b */
function difference(a, b) {
  if (a.kind !== b.kind || a.name !== b.name) return "another operation";
  if (a.state !== b.state) return "another outcome";
  if (printJson(a.input) !== printJson(b.input)) return "another input";
  if (printJson(a.output) !== printJson(b.output)) return "another output";
  return "";
}

/** @param {Span | null} span */
function spanWords(span) {
  if (!span) return html`<span class="faint">–</span>`;
  const took = span.to === null ? "" : `, ${length(span.to - span.from)}`;
  if (span.failure) return html`<span>${span.state}${took} <b class="bad">${visible(span.failure.message)}</b></span>`;
  return `${span.state}${took}${span.output === undefined ? "" : ` → ${brief(span.output)}`}`;
}
