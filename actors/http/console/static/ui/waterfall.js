// The waterfall: every operation of an invocation over time, one per row; calls unfold in place.

import { useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { useHistory } from "../lib/history.js";
import { length, now } from "../lib/time.js";
import { scaleOf, timelineOf } from "../lib/timeline.js";
import { ErrorBox, Loading } from "./bits.js";
import { brief, visible } from "./json.js";

/** @typedef {import("../lib/timeline.js").Span} Span */
/** @typedef {import("../lib/timeline.js").Timeline} Timeline */

/** @type {Record<string, string>} */
const KINDS = { step: "step", sleep: "sleep", deadline: "limit", call: "call", attach: "attach", send: "send", signal: "signal", verb: "verb", update: "update" };

const MANY = 400;

/**
 * @param {{
 *   timeline: Timeline,
 *   label?: string,
 *   isByOrder: boolean,
 *   chosen?: string | null,
 *   onChoose?: (span: Span, owner: string | null) => void,
 *   differing?: ReadonlySet<string>,
 * }} props `differing` are steps to mark. `chosen` is a step, or `keyOf` it where it is one of an invocation that was called;
 *   `owner` is the id of that one, null for the one that is shown
 */
export function Waterfall({ timeline, label = "Waterfall", isByOrder, chosen = null, onChoose, differing }) {
  const isOpen = timeline.to === null;
  const end = isOpen ? Math.max(now.value, timeline.times.at(-1) ?? 0) : /** @type {number} */ (timeline.to);
  const scale = useMemo(() => scaleOf(timeline.times, end, isByOrder), [timeline, end, isByOrder]);
  const [most, setMost] = useState(MANY);
  return html`<div class="waterfall" role="list" aria-label=${label}>
    <div class="wf-row wf-top" role="listitem">
      <span class="wf-name">${isByOrder ? "in order" : `${length(end - timeline.from)} in all`}</span>
      <span class="wf-bars">
        ${timeline.phases.map(
          (phase) => html`<${Bar}
            key=${phase.from + phase.state}
            scale=${scale}
            from=${phase.from}
            to=${phase.to ?? end}
            kind=${`phase-${phase.state}`}
            title=${`${phase.state}${phase.why ? `: ${visible(phase.why)}` : ""}, ${length((phase.to ?? end) - phase.from)}`}
          />`,
        )}
        ${timeline.marks.map(
          (mark) => html`<i
            key=${mark.at + mark.name}
            class=${`wf-mark ${mark.name}`}
            style=${{ left: `${scale(mark.at) * 100}%` }}
            title=${visible(`${mark.summary}, by ${mark.by}`)}
          ></i>`,
        )}
        ${isOpen ? html`<i class="wf-now" style=${{ left: `${scale(end) * 100}%` }} title="now"></i>` : null}
      </span>
    </div>
    ${timeline.spans
      .slice(0, most)
      .map(
        (span) =>
          html`<${Row}
            key=${`${span.step} ${span.first}`}
            span=${span}
            scale=${scale}
            end=${end}
            depth=${span.depth}
            chosen=${chosen}
            isDiffering=${differing?.has(span.step) ?? false}
            onChoose=${onChoose}
          />`,
      )}
    ${timeline.spans.length > most
      ? html`<button type="button" class="plain" onClick=${() => setMost(timeline.spans.length)}>
          show all ${timeline.spans.length.toLocaleString()} operations
        </button>`
      : null}
  </div>`;
}

/** @param {{ scale: (at: number) => number, from: number, to: number, kind: string, title: string }} props */
function Bar({ scale, from, to, kind, title }) {
  const left = scale(from);
  return html`<i class=${`wf-bar ${kind}`} style=${{ left: `${left * 100}%`, width: `${Math.max(0, scale(to) - left) * 100}%` }} title=${title}></i>`;
}

/**
 * What tells a step of one invocation from those of the others on the page.
 * @param {string} step
 * @param {string | null} owner
 */
export function keyOf(step, owner) {
  return owner === null ? step : `${owner} ${step}`;
}

/**
 * @param {{ span: Span, scale: (at: number) => number, end: number, depth: number, chosen: string | null, owner?: string | null,
 *   isDiffering?: boolean, onChoose?: (span: Span, owner: string | null) => void }} props
 */
function Row({ span, scale, end, depth, chosen, owner = null, isDiffering = false, onChoose }) {
  const [isUnfolded, setUnfolded] = useState(false);
  const isChosen = chosen === keyOf(span.step, owner);
  const to = span.to ?? end;
  const took = length(to - span.from);
  const words = `${KINDS[span.kind]} ${visible(span.name)}: ${span.state}${span.isKept ? ", kept" : ""}, ${took}`;
  return html`<div class="wf-item" role="listitem">
      <div class=${`wf-row ${isChosen ? "chosen" : ""} ${span.state} ${isDiffering ? "differing" : ""}`}>
        <span class="wf-name" style=${{ paddingLeft: `${depth * 14}px` }}>
          ${span.kind === "call" || span.kind === "send"
            ? html`<button
                type="button"
                class="twist"
                aria-expanded=${isUnfolded}
                aria-label=${`what ${span.name} did`}
                onClick=${() => setUnfolded(!isUnfolded)}
              >
                ${isUnfolded ? "▾" : "▸"}
              </button>`
            : html`<span class="no-twist"></span>`}
          <button type="button" class="wf-pick" aria-pressed=${isChosen} onClick=${() => onChoose?.(span, owner)}>
            <span class="wf-kind">${KINDS[span.kind]}</span>
            <span class="wf-title">${visible(span.name)}</span>
            ${span.isKept ? html`<span class="tag">kept</span>` : null}
            ${span.tries.length > 1 ? html`<span class="tag warn">${span.tries.length}×</span>` : null}
            <span class="visually-hidden">${span.state}, ${took}</span>
          </button>
        </span>
        <span class="wf-bars" onClick=${() => onChoose?.(span, owner)}>
          ${span.tries.length > 1 || (span.failure && span.state === "open")
            ? [...span.tries.map(
                (one, index) => html`<${Bar}
                  key=${one.number}
                  scale=${scale}
                  from=${one.from}
                  to=${one.to ?? end}
                  kind=${one.failure ? "failed try" : index === span.tries.length - 1 ? `${span.kind} ${span.state}` : "step"}
                  title=${visible(one.failure ? `try ${one.number}: ${one.failure.type}: ${one.failure.message}` : `try ${one.number}`)}
                />`,
              ), waiting(span) === null ? null : html`<${Bar} scale=${scale} from=${waiting(span)} to=${end} kind="pausing" title="waits for a retry" />`]
            : html`<${Bar}
                scale=${scale}
                from=${span.from}
                to=${to}
                kind=${`${span.kind} ${span.state} ${span.isKept ? "kept" : ""}`}
                title=${words}
              />`}
          <span ...${placed(waiting(span) !== null, scale(span.state === "open" ? (span.tries.at(-1)?.to ?? to) : to), scale(span.from))}>${note(span, took)}</span>
        </span>
      </div>
      ${isUnfolded && span.callee ? html`<${Nested} id=${span.callee} scale=${scale} end=${end} depth=${depth + 1} chosen=${chosen} onChoose=${onChoose} />` : null}
    </div>`;
}

/**
 * Since when it has failed and waits for its next try; null if it does not.
 * @param {Span} span
 */
function waiting(span) {
  return span.state === "open" && span.failure ? (span.tries.at(-1)?.to ?? null) : null;
}

/**
 * Where there is room for a word about a bar: behind it, before it, or on it.
 * @param {boolean} isOnLine whether a line runs behind it
 * @param {number} end
 * @param {number} begin
 */
function placed(isOnLine, end, begin) {
  if (end < 0.68) return { class: isOnLine ? "wf-note on" : "wf-note", style: { left: `calc(${end * 100}% + 6px)`, maxWidth: `calc(${(1 - end) * 100}% - 6px)` } };
  if (begin > 0.4) return { class: "wf-note", style: { right: `calc(${(1 - begin) * 100}% + 6px)`, maxWidth: `calc(${begin * 100}% - 6px)` } };
  return { class: "wf-note on", style: { left: `calc(${begin * 100}% + 10px)` } };
}

/** @param {Span} span @param {string} took */
function note(span, took) {
  if (span.failure && span.state !== "succeeded") {
    const type = span.failure.type.slice(span.failure.type.lastIndexOf(".") + 1);
    return html`<b class="bad">${visible(`${type}: ${span.failure.message}`.slice(0, 120))}</b>`;
  }
  if (span.state === "open") return html`<b>${span.kind === "signal" ? "waits" : "now"}, ${took}</b>`;
  if (span.state === "sent") return "sent";
  return `${took}${span.output === undefined || span.output === null ? "" : ` → ${brief(span.output, 60)}`}`;
}

/**
 * What was called, below the call.
 * @param {{ id: string, scale: (at: number) => number, end: number, depth: number, chosen: string | null,
 *   onChoose?: (span: Span, owner: string | null) => void }} props
 * @returns {import("../lib/html.js").VNode}
 */
function Nested({ id, scale, end, depth, chosen, onChoose }) {
  const { entries, error } = useHistory(id);
  const timeline = useMemo(() => timelineOf(entries), [entries]);
  const [most, setMost] = useState(MANY);
  if (error) return html`<${ErrorBox} error=${error} />`;
  if (entries.length === 0) return html`<${Loading} />`;
  return html`<div class="wf-nested" role="list" aria-label=${`what ${id} did`}>
    ${timeline.spans.length === 0 ? html`<p class="faint" role="listitem">no requests</p>` : null}
    ${timeline.spans
      .slice(0, most)
      .map(
        (span) =>
          html`<${Row} key=${span.step} span=${span} scale=${scale} end=${end} depth=${depth + span.depth} chosen=${chosen} owner=${id} onChoose=${onChoose} />`,
      )}
    ${timeline.spans.length > most
      ? html`<button type="button" class="plain" onClick=${() => setMost(timeline.spans.length)}>
          show all ${timeline.spans.length.toLocaleString()} operations
        </button>`
      : null}
  </div>`;
}
