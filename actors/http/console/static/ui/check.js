// The check of a history on other code: which operations are kept, changed or new, and the first difference.

import { html } from "../lib/html.js";
import { LongText } from "./bits.js";
import { Json, visible } from "./json.js";

/**
 * The name and the meaning of each verdict.
 * @type {Record<string, { mood: string, sign: string, word: string, meaning: string }>}
 */
export const VERDICTS = {
  same: { mood: "good", sign: "✓", word: "same", meaning: "The code replays the whole history." },
  diverges: { mood: "bad", sign: "≠", word: "diverges", meaning: "The code does something other than what is recorded: on this code the invocation would be paused." },
  raises: { mood: "bad", sign: "✕", word: "raises", meaning: "The code raises an error that is not recorded." },
  ends_otherwise: { mood: "warn", sign: "⇥", word: "ends otherwise", meaning: "The code replays the whole history, but ends differently." },
};

/** @param {{ report: any }} props */
export function Check({ report }) {
  const { mood, word, meaning } = VERDICTS[report.verdict];
  const at = report.divergence;
  return html`<div class="check-report">
    <p class=${`verdict ${mood}`}>
      <b>${word}</b> ${meaning}
      <span class="faint">${report.kept} kept, ${report.changed} changed, ${report.new} new; on <span class="mono">${report.deployment || "what is served"}</span></span>
    </p>
    ${at
      ? html`<table class="plain diff">
          <caption>after ${at.position} operations</caption>
          <tbody>
            <tr class="minus"><th scope="row">recorded</th><td>${visible(at.recorded)}</td><td class="mono">${visible(at.recorded_source)}</td></tr>
            <tr class="plus"><th scope="row">attempted</th><td>${visible(at.attempted)}</td><td class="mono">${visible(at.attempted_source)}</td></tr>
            ${at.fields.map(
              (/** @type {any} */ field) => html`<tr key=${field.field}>
                <th scope="row">${visible(field.field)}</th><td><${Json} value=${field.recorded} /></td><td><${Json} value=${field.attempted} /></td>
              </tr>`,
            )}
          </tbody>
        </table>`
      : null}
    ${report.failure
      ? html`<p><b class="bad">${visible(report.failure.type)}</b> ${visible(report.failure.message)}</p>
          ${report.failure.traceback ? html`<${LongText} text=${visible(report.failure.traceback)} lines=${8} />` : null}`
      : null}
    ${report.operations.some((/** @type {any} */ one) => one.fate !== "kept")
      ? html`<table class="plain">
          <tbody>
            ${report.operations
              .filter((/** @type {any} */ one) => one.fate !== "kept")
              .map(
                (/** @type {any} */ one) => html`<tr key=${one.step}>
                  <td><span class="tag">${one.fate}</span></td>
                  <td class="mono">${one.step}</td>
                  <td>${visible(one.recorded)}</td>
                  <td>${visible(one.attempted)} ${visible(one.differences.join(", "))}</td>
                </tr>`,
              )}
          </tbody>
        </table>`
      : null}
  </div>`;
}
