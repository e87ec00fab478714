// Source code with its lines numbered. Python is highlighted a little; it is always inserted as text.

import { useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { visible } from "./json.js";

const MANY = 1_500;

const PYTHON =
  /(#[^\n]*)|([rbfRBF]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|(@[A-Za-z_][\w.]*)|\b(and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield|None|True|False)\b|\b(\d[\d_.]*)\b/g;
const CLASSES = ["", "c-comment", "c-string", "c-decorator", "c-word", "c-number"];

/**
 * The text in pieces, each with what it is, line by line.
 * @param {string} text
 * @returns {[string, string][][]}
 */
function pieces(text) {
  /** @type {[string, string][][]} */
  const lines = [[]];
  /** @param {string} part @param {string} kind */
  const add = (part, kind) => {
    part.split("\n").forEach((line, index) => {
      if (index > 0) lines.push([]);
      if (line) lines[lines.length - 1].push([line, kind]);
    });
  };
  let last = 0;
  for (const found of text.matchAll(PYTHON)) {
    add(text.slice(last, found.index), "");
    add(found[0], CLASSES[found.findIndex((group, index) => index > 0 && group !== undefined)]);
    last = found.index + found[0].length;
  }
  add(text.slice(last), "");
  return lines;
}

/**
 * @param {{ text: string, path: string }} props
 */
export function Code({ text, path }) {
  const [isWhole, setWhole] = useState(false);
  const lines = useMemo(() => {
    const whole = text.replace(/\n$/, "");
    return path.endsWith(".py") ? pieces(whole) : whole.split("\n").map((line) => /** @type {[string, string][]} */ ([[line, ""]]));
  }, [text, path]);
  const shown = isWhole ? lines : lines.slice(0, MANY);
  return html`<div class="scroll-x code-box" role="group" aria-label=${path} tabindex="0">
    <table class="code">
      <tbody>
        ${shown.map(
          (line, index) => html`<tr key=${index}>
            <td class="ln">${index + 1}</td>
            <td class="line">${line.map(([part, kind], at) => (kind ? html`<span key=${at} class=${kind}>${visible(part)}</span>` : visible(part)))}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${lines.length > shown.length
      ? html`<button type="button" class="plain" onClick=${() => setWhole(true)}>show all ${lines.length.toLocaleString()} lines</button>`
      : null}
  </div>`;
}
