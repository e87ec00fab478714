// Two texts, or two values, one against the other. Signs and words say what is new and what is gone, not colours alone.

import { useMemo, useState } from "preact/hooks";
import { countsOf, diffLines, hunksOf, linesOf } from "../lib/diff.js";
import { printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { visible } from "./json.js";

const AROUND = 3;
const MANY = 400;
const SIGN = { same: " ", gone: "−", new: "+" };
const WORD = { same: "", gone: "gone", new: "new" };

/**
 * A value as text that can be compared line by line.
 * @param {unknown} value undefined: there is none
 */
export function asText(value) {
  return value === undefined ? "" : printJson(value, 2);
}

/**
 * @param {{ before: string, after: string, label: string, numbers?: boolean }} props `numbers`: lines have theirs beside them
 */
export function Diff({ before, after, label, numbers = false }) {
  const [isWhole, setWhole] = useState(false);
  const [isLong, setLong] = useState(false);
  const lines = useMemo(() => diffLines(linesOf(before), linesOf(after)), [before, after]);
  const hunks = isWhole ? [{ lines, left: 0 }] : hunksOf(lines, AROUND);
  let room = isLong ? Infinity : MANY;
  const drawn = hunks.flatMap((hunk, index) => {
    const shown = hunk.lines.slice(0, Math.max(0, room));
    room -= hunk.lines.length;
    const fold =
      hunk.left > 0
        ? [
            html`<tr key=${`fold ${index}`} class="fold">
              <td colspan=${numbers ? 4 : 2}>
                <button type="button" class="plain" onClick=${() => setWhole(true)}>${hunk.left.toLocaleString()} unchanged ${hunk.left === 1 ? "line" : "lines"}</button>
              </td>
            </tr>`,
          ]
        : [];
    return [
      ...fold,
      ...shown.map(
        (line, at) => html`<tr key=${`${index} ${at}`} class=${line.kind}>
          ${numbers ? html`<td class="ln">${line.before ?? ""}</td><td class="ln">${line.after ?? ""}</td>` : null}
          <td class="sign" aria-label=${WORD[line.kind]}>${SIGN[line.kind]}</td>
          <td class="line">${visible(line.text)}</td>
        </tr>`,
      ),
    ];
  });
  return html`<div class="scroll-x code-box" role="group" aria-label=${label} tabindex="0">
    <table class="code-diff">
      <tbody>${drawn}</tbody>
    </table>
    ${room < 0
      ? html`<button type="button" class="plain" onClick=${() => setLong(true)}>show all (${(-room).toLocaleString()} more lines)</button>`
      : null}
  </div>`;
}

/** @param {{ before: string, after: string }} props */
export function Counts({ before, after }) {
  const { added, removed } = useMemo(() => countsOf(diffLines(linesOf(before), linesOf(after))), [before, after]);
  return html`<span class="num"><span class="good">+${added}</span> <span class="bad">−${removed}</span></span>`;
}
