// One signal for many: its name, and its value in the form that the first of them waits for.

import { useEffect, useMemo, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { useHistory } from "../lib/history.js";
import { timelineOf } from "../lib/timeline.js";
import { Loading } from "./bits.js";
import { Field } from "./dialog.js";
import { visible } from "./json.js";
import { JsonField, SchemaForm, beginningOf } from "./schema.js";

/** @typedef {{ id: string, waits: { kind: string, name: string }[] }} Info */

/**
 * @param {{ sample: Info[], options: Record<string, any>, onChange: (options: Record<string, any>) => void }} props `options` has
 *   the `name` and the `value`
 */
export function SignalOptions({ sample, options, onChange }) {
  const [names] = useState(() => awaitedBy(sample)); // a form does not change under its reader
  const [isOther, setOther] = useState(names.length === 0);
  const name = options.name ?? "";
  const first = isOther ? undefined : sample.find((info) => waitsFor(info, name));
  useEffect(() => {
    if (name === "" && names.length > 0) onChange({ ...options, name: names[0] });
  }, []);

  /** @param {string} chosen */
  function choose(chosen) {
    setOther(chosen === "");
    onChange({ ...options, name: chosen, value: undefined });
  }

  return html`<div class="chips" role="group" aria-label="They wait for">
      ${names.map(
        (one) => html`<button key=${one} type="button" class="chip" aria-pressed=${!isOther && one === name} onClick=${() => choose(one)}>${visible(one)}</button>`,
      )}
      <button type="button" class="chip" aria-pressed=${isOther} onClick=${() => choose("")}>another…</button>
    </div>
    ${isOther
      ? html`<${Field} label="Name">
          <input value=${name} maxlength="256" onInput=${(/** @type {Event} */ e) => onChange({ ...options, name: /** @type {HTMLInputElement} */ (e.target).value })} />
        <//>`
      : null}
    ${first
      ? html`<${TypedValue} key=${name} id=${first.id} name=${name} value=${options.value} onChange=${(/** @type {unknown} */ value) => onChange({ ...options, value })} />`
      : html`<${JsonField} label="Value" value=${options.value} onChange=${(/** @type {unknown} */ value) => onChange({ ...options, value })} />`}`;
}

/**
 * The value in the form that an invocation waits for.
 * @param {{ id: string, name: string, value: unknown, onChange: (value: unknown) => void }} props
 */
function TypedValue({ id, name, value, onChange }) {
  const { entries, isWhole } = useHistory(id);
  const span = useMemo(() => timelineOf(entries).spans.find((one) => one.kind === "signal" && one.name === name && one.state === "open"), [entries]);
  const schema = span?.schema ?? null;
  useEffect(() => {
    if (isWhole && schema && value === undefined) onChange(beginningOf(schema));
  }, [isWhole]);
  if (!isWhole) return html`<${Loading} />`;
  return schema
    ? html`<${SchemaForm} schema=${schema} value=${value} onChange=${onChange} label="Value" isFirst=${false} />`
    : html`<${JsonField} label="Value" value=${value} onChange=${onChange} />`;
}

/** @param {Info} info @param {string} name */
function waitsFor(info, name) {
  return info.waits.some((wait) => wait.kind === "signal" && wait.name === name);
}

/** @param {Info[]} sample the names that it waits for, each once */
function awaitedBy(sample) {
  return [...new Set(sample.flatMap((info) => info.waits.filter((wait) => wait.kind === "signal").map((wait) => wait.name)))];
}
