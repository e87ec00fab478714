// Edits of an object's fields: forms made from the types, a preview of the differences, and a refusal if another client changed
// the fields first.

import { useState } from "preact/hooks";
import { Problem, get, patch, pathOf, requestKey } from "../lib/api.js";
import { parseJson, printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { ErrorBox } from "./bits.js";
import { Dialog, Field } from "./dialog.js";
import { Diff, asText } from "./diff.js";
import { brief, visible, visibleName } from "./json.js";
import { SchemaForm, beginningOf } from "./schema.js";
import { toast } from "./toast.js";

/**
 * @typedef {import("../pages/objects.js").ObjectInfo} ObjectInfo
 * @typedef {import("../pages/objects.js").FieldInfo} FieldInfo
 * @typedef {{ set?: Record<string, any>, clear?: string[], items?: Record<string, Record<string, any>>, remove?: Record<string, string[]> }} Edit
 * @typedef {{ name: string, before: unknown, after: unknown, isCleared?: boolean }} Step
 */

/** @param {Event} event */
function value(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {unknown} a @param {unknown} b */
function isSame(a, b) {
  return printJson(a) === printJson(b);
}

/**
 * @param {{ info: ObjectInfo, fields: FieldInfo[], onDone: () => void, onClose: () => void }} props
 */
export function EditFields({ info, fields, onDone, onClose }) {
  const [base, setBase] = useState(info);
  const [typed, setTyped] = useState(/** @type {Record<string, any>} */ ({})); // what was not touched is as it is, also when read again
  const [cleared, setCleared] = useState(/** @type {string[]} */ ([]));
  const [isSure, setSure] = useState(false);
  /** @type {Record<string, any>} */
  const values = { ...base.fields, ...typed };
  const changed = fields.filter((field) => !cleared.includes(field.name) && !isSame(values[field.name], base.fields[field.name]));
  const reset = fields.filter((field) => cleared.includes(field.name) && !isSame(base.fields[field.name], field.default));
  /** @type {Edit} */
  const edit = { set: Object.fromEntries(changed.map((field) => [field.name, values[field.name]])), clear: reset.map((field) => field.name) };
  const steps = [
    ...changed.map((field) => ({ name: field.name, before: base.fields[field.name], after: values[field.name] })),
    ...reset.map((field) => ({ name: field.name, before: base.fields[field.name], after: field.default, isCleared: true })),
  ];
  if (isSure) {
    return html`<${Review}
      base=${base}
      edit=${edit}
      steps=${steps}
      onRead=${setBase}
      onBack=${() => setSure(false)}
      onDone=${onDone}
      onClose=${onClose}
    />`;
  }
  return html`<${Dialog} title=${`Edit ${info.service}/${visibleName(info.key)}`} onClose=${onClose} wide>
    <form
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        setSure(true);
      }}
    >
      <p class="faint">Fields after event ${base.fields_version}. Nothing is written until you have reviewed the changes.</p>
      ${fields.map((field) => {
        const isCleared = cleared.includes(field.name);
        return html`<div key=${field.name} class="edit-field">
          ${isCleared
            ? html`<p class="field"><span><b>${visible(field.name)}</b></span> <span class="mono faint">${brief(field.default)}</span></p>`
            : html`<${SchemaForm}
                schema=${field.value}
                label=${visible(field.name)}
                isFirst=${false}
                value=${values[field.name]}
                onChange=${(/** @type {unknown} */ now) => setTyped((all) => ({ ...all, [field.name]: now }))}
              />`}
          <label class="check faint"
            ><input
              type="checkbox"
              checked=${isCleared}
              onChange=${() => setCleared(isCleared ? cleared.filter((name) => name !== field.name) : [...cleared, field.name])}
            />
            its default, ${brief(field.default, 40)}</label
          >
        </div>`;
      })}
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${steps.length === 0}>
          ${steps.length === 0 ? "Nothing has been changed" : `Show what changes (${steps.length})`}
        </button>
      </footer>
    </form>
  <//>`;
}

/**
 * One item of a map: a new one, or one that is there, changed or removed.
 * @param {{ info: ObjectInfo, field: FieldInfo, item: string | null, held: any, onDone: () => void, onClose: () => void }} props
 */
export function EditItem({ info, field, item, held, onDone, onClose }) {
  const [base, setBase] = useState(info);
  const isText = field.key?.type === "string";
  const [key, setKey] = useState(/** @type {any} */ (item === null ? beginningOf(field.key) : parseJson(item)));
  const [now, setNow] = useState(item === null ? beginningOf(field.value) : held);
  const [step, setStep] = useState(/** @type {"" | "set" | "remove"} */ (""));
  const name = item ?? printJson(key);
  if (step) {
    /** @type {Edit} */
    const edit = step === "set" ? { items: { [field.name]: { [name]: now } } } : { remove: { [field.name]: [name] } };
    return html`<${Review}
      base=${base}
      edit=${edit}
      steps=${[{ name: `${field.name} ${name}`, before: item === null ? undefined : held, after: step === "set" ? now : undefined }]}
      onRead=${setBase}
      onBack=${() => setStep("")}
      onDone=${onDone}
      onClose=${onClose}
    />`;
  }
  return html`<${Dialog} title=${item === null ? `Add an item to ${visible(field.name)}` : `Edit ${visible(field.name)} ${visible(item)}`} onClose=${onClose}>
    <form
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        setStep("set");
      }}
    >
      ${item === null
        ? isText
          ? html`<${Field} label="Key"><input data-first=${true} required spellcheck=${false} value=${key} onInput=${(/** @type {Event} */ e) => setKey(value(e))} /><//>`
          : html`<${SchemaForm} schema=${field.key} label="Key" value=${key} onChange=${setKey} />`
        : null}
      <${SchemaForm} schema=${field.value} label="Value" value=${now} onChange=${setNow} isFirst=${false} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        ${item === null ? null : html`<button type="button" class="danger" onClick=${() => setStep("remove")}>Remove it…</button>`}
        <button type="submit" class="primary" disabled=${item !== null && isSame(now, held)}>Show what changes</button>
      </footer>
    </form>
  <//>`;
}

/**
 * What would change; and then, if nobody was there first, it does.
 * @param {{ base: ObjectInfo, edit: Edit, steps: Step[], onRead: (info: ObjectInfo) => void, onBack: () => void, onDone: () => void,
 *   onClose: () => void }} props
 */
function Review({ base, edit, steps, onRead, onBack, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [isQueued, setQueued] = useState(false);
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);
  const place = pathOf("objects", base.service, base.key);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const done = await patch(`${place}/fields`, { ...edit, if_version: base.fields_version, queue: isQueued, reason }, { key });
      toast(done.changed ? `${steps.length === 1 ? visible(steps[0].name) : `${steps.length} fields`} changed.` : "Nothing to change.");
      onDone();
      onClose();
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }

  async function readAgain() {
    setError(null);
    try {
      onRead(await get(place));
      onBack();
    } catch (failed) {
      setError(failed);
    }
  }

  const isConflict = error instanceof Problem && error.code === "version_conflict";
  return html`<${Dialog} title="Changes" onClose=${onClose} wide>
    <form onSubmit=${submit}>
      ${steps.map(
        (one) => html`<section key=${one.name} class="review" aria-label=${`change of ${one.name}`}>
          <h3><span class="mono">${visible(one.name)}</span>${one.isCleared ? " is reset to its default" : one.after === undefined ? " is removed" : one.before === undefined ? " is new" : ""}</h3>
          <${Diff} before=${asText(one.before)} after=${asText(one.after)} label=${`difference of ${one.name}`} />
        </section>`,
      )}
      <p class="faint">The edit is applied only if no event after ${base.fields_version} has changed the fields.</p>
      <${Field} label="Reason" hint="Kept in the history and in the audit.">
        <input data-first=${true} maxlength="1000" value=${reason} onInput=${(/** @type {Event} */ e) => setReason(value(e))} />
      <//>
      <label class="check"
        ><input type="checkbox" checked=${isQueued} onChange=${() => setQueued(!isQueued)} /> if a handler holds the key, wait for the turn instead of being refused</label
      >
      <${ErrorBox} error=${error} />
      ${isConflict
        ? html`<p><button type="button" onClick=${readAgain}>Reload the fields and keep my input</button></p>`
        : null}
      <footer>
        <button type="button" onClick=${onBack}>Back</button>
        <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Applying…" : "Apply"}</button>
      </footer>
    </form>
  <//>`;
}

