// The form of a signal, for one invocation or for many: its name, and its value by the type of the first wait for that name.

import { useMemo, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { useHistory } from "../lib/history.js";
import { timelineOf } from "../lib/timeline.js";
import { ErrorBox, Loading } from "./bits.js";
import { Field } from "./dialog.js";
import { visible } from "./json.js";
import { JsonField, SchemaForm, beginningOf } from "./schema.js";

/**
 * @typedef {{ id: string, waits: { kind: string, name: string, step: string }[] }} Info
 * @typedef {{ id: string, name: string, step: string }} Wait
 * @typedef {{ waits: Wait[], wait: Wait | undefined, name: string, schema: any, value: unknown, error: unknown, isKnown: boolean,
 *   choose: (name: string) => void, setName: (name: string) => void, setValue: (value: unknown) => void }} Signal `waits`: one for
 *   each name that is waited for; `wait`: the chosen one, undefined for any other name; `isKnown`: its form is known
 */

/**
 * A signal that is being written. What is waited for stays as it was in the first sample that there is: a form does not change
 * under its reader.
 * @param {Info[] | undefined} sample undefined until it is known
 * @param {string} [given] the name that is chosen at first
 * @returns {Signal}
 */
export function useSignal(sample, given = "") {
  const first = useRef(/** @type {Wait[] | undefined} */ (undefined));
  first.current ??= sample && awaitedBy(sample);
  const waits = first.current ?? [];
  const [chosen, setChosen] = useState(/** @type {{ name: string, isOther: boolean } | null} */ (null));
  const [typed, setTyped] = useState(/** @type {{ value: unknown } | null} */ (null));
  const name = chosen?.name ?? (given || waits[0]?.name || "");
  const wait = chosen?.isOther ? undefined : waits.find((one) => one.name === name);
  const { entries, error } = useHistory(wait?.id ?? null);
  // The history may be older than the sample, and then comes to it.
  const span = useMemo(() => wait && timelineOf(entries).spans.find((one) => one.kind === "signal" && one.step === wait.step), [entries, wait]);
  const schema = span?.schema ?? null;
  return {
    waits,
    wait,
    name,
    schema,
    value: typed === null ? (schema ? beginningOf(schema) : undefined) : typed.value,
    error,
    isKnown: first.current !== undefined && (wait === undefined || span !== undefined || Boolean(error)),
    choose: (other) => {
      setChosen({ name: other, isOther: other === "" });
      setTyped(null);
    },
    setName: (other) => setChosen({ name: other, isOther: true }),
    setValue: (value) => setTyped({ value }),
  };
}

/** @param {{ signal: Signal, label: string }} props `label`: of the names that are waited for */
export function SignalForm({ signal, label }) {
  const { waits, wait, name, schema, value, error, isKnown, choose, setName, setValue } = signal;
  return html`${waits.length > 0
      ? html`<div class="chips" role="group" aria-label=${label}>
          ${waits.map(
            (one) => html`<button key=${one.name} type="button" class="chip" aria-pressed=${one === wait} onClick=${() => choose(one.name)}>${visible(one.name)}</button>`,
          )}
          <button type="button" class="chip" aria-pressed=${wait === undefined} onClick=${() => choose("")}>another…</button>
        </div>`
      : html`<p class="faint">No signal is awaited now. A signal that is sent is buffered until the handler awaits it.</p>`}
    ${wait === undefined
      ? html`<${Field} label="Name">
          <input data-first value=${name} maxlength="256" onInput=${(/** @type {Event} */ e) => setName(/** @type {HTMLInputElement} */ (e.target).value)} />
        <//>`
      : null}
    <${ErrorBox} error=${error} />
    ${!isKnown
      ? html`<${Loading} />`
      : schema
        ? html`<${SchemaForm} key=${name} schema=${schema} value=${value} onChange=${setValue} label="Value" />`
        : html`<${JsonField} key=${wait?.name ?? ""} label="Value" value=${value} onChange=${setValue} isFirst=${wait !== undefined} />`}`;
}

/** @param {Info[]} sample @returns {Wait[]} the signals that they wait for, of each name the first */
function awaitedBy(sample) {
  /** @type {Map<string, Wait>} */
  const found = new Map();
  for (const { id, waits } of sample) {
    for (const { kind, name, step } of waits) if (kind === "signal" && !found.has(name)) found.set(name, { id, name, step });
  }
  return [...found.values()];
}
