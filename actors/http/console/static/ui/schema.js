// A form for a value, made from its JSON schema; values that the schema does not describe in full are entered as JSON.

import { useState } from "preact/hooks";
import { numberOf, parseJson, printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";

/** @typedef {{ [name: string]: any }} Schema */

/** @type {Record<string, string>} */
const FORMATS = {
  date: "2026-01-31",
  time: "12:30:00",
  "date-time": "2026-01-31T12:30:00Z",
  duration: "PT1H30M",
  uuid: "123e4567-e89b-12d3-a456-426614174000",
  byte: "bytes in base64, such as aGVsbG8=",
  decimal: "19.90",
};

/**
 * @param {any} schema
 * @param {Schema} root
 * @returns {Schema}
 */
function resolved(schema, root) {
  if (schema && typeof schema.$ref === "string") {
    const found = schema.$ref
      .replace(/^#\//, "")
      .split("/")
      .reduce((/** @type {any} */ part, /** @type {string} */ name) => part?.[name], root);
    return found ?? {};
  }
  if (schema?.anyOf?.length === 2 && schema.anyOf.some((/** @type {any} */ one) => one.type === "null")) {
    const [other] = schema.anyOf.filter((/** @type {any} */ one) => one.type !== "null");
    return { ...resolved(other, root), isOptional: true };
  }
  return schema ?? {};
}

/**
 * Where a form begins; undefined is still to be chosen.
 * @param {any} given
 * @param {Schema} [root]
 * @returns {any}
 */
export function beginningOf(given, root = given ?? {}) {
  const schema = resolved(given, root);
  if ("default" in schema) return schema.default;
  if (schema.isOptional) return null;
  if (schema.enum || schema.type === "boolean") return undefined; // the user must choose
  if (schema.type === "object" && schema.properties) {
    const required = schema.required ?? [];
    return Object.fromEntries(required.map((/** @type {string} */ name) => [name, beginningOf(schema.properties[name], root)]));
  }
  if (schema.type === "object") return {};
  const among = schema.anyOf ?? schema.oneOf;
  if (among) return beginningOf(among[0], root) ?? null;
  return { string: "", integer: 0, number: 0, array: [], null: null }[/** @type {string} */ (schema.type)] ?? null;
}

/**
 * @param {{ schema: any, value: any, onChange: (value: any) => void, label: string, root?: Schema, isFirst?: boolean, isRequired?: boolean }} props
 *   `isRequired`: its form is not sent before there is a value
 * @returns {import("../lib/html.js").VNode}
 */
export function SchemaForm({ schema: given, value, onChange, label, root = given ?? {}, isFirst = true, isRequired = true }) {
  const schema = resolved(given, root);
  /** @param {Event} event */
  const text = (event) => /** @type {HTMLInputElement} */ (event.target).value;
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
  if (schema.isOptional && !choices) {
    return html`<${Nullable} schema=${schema} value=${value} onChange=${onChange} label=${label} root=${root} isFirst=${isFirst} />`;
  }
  if (choices) {
    return html`<label class="field"
      ><span>${label}</span
      ><select
        data-first=${isFirst || undefined}
        required=${isRequired}
        value=${printJson(value) ?? ""}
        onChange=${(/** @type {Event} */ e) => onChange(text(e) === "" ? undefined : parseJson(text(e)))}
      >
        ${value === undefined ? html`<option value="">${isRequired ? "choose…" : "omitted"}</option>` : null}
        ${[...choices, ...(schema.isOptional && !choices.includes(null) ? [null] : [])].map(
          (/** @type {unknown} */ one) => html`<option key=${String(one)} value=${printJson(one)}>${String(one)}</option>`,
        )}
      </select></label
    >`;
  }
  if (schema.type === "string") {
    return html`<label class="field"
      ><span>${label}</span
      >${schema.format
        ? html`<input
            data-first=${isFirst || undefined}
            required=${isRequired}
            placeholder=${FORMATS[schema.format] ?? schema.format}
            value=${value ?? ""}
            onInput=${(/** @type {Event} */ e) => onChange(text(e) === "" && !isRequired ? undefined : text(e))}
          />`
        : html`<textarea
            data-first=${isFirst || undefined}
            rows=${Math.min(14, String(value ?? "").split("\n").length)}
            value=${value ?? ""}
            onInput=${(/** @type {Event} */ e) => onChange(text(e))}
          ></textarea>`}</label
    >`;
  }
  if (schema.type === "integer" || schema.type === "number") {
    return html`<label class="field"
      ><span>${label}</span
      ><input
        data-first=${isFirst || undefined}
        type="number"
        required=${isRequired}
        step=${schema.type === "integer" ? "1" : "any"}
        value=${value ?? ""}
        onInput=${(/** @type {Event} */ e) => onChange(text(e) !== "" ? numberOf(text(e)) : isRequired ? null : undefined)}
    /></label>`;
  }
  if (schema.type === "object" && schema.properties) {
    return html`<fieldset class="field">
      <legend>${label}</legend>
      ${Object.entries(schema.properties).map(
        ([name, part], index) => html`<${SchemaForm}
          key=${name}
          schema=${part}
          root=${root}
          label=${name + ((schema.required ?? []).includes(name) ? "" : " (optional)")}
          isFirst=${isFirst && index === 0}
          isRequired=${isRequired && (schema.required ?? []).includes(name)}
          value=${value?.[name] === undefined && (schema.required ?? []).includes(name) ? beginningOf(part, root) : value?.[name]}
          onChange=${(/** @type {unknown} */ changed) => onChange({ ...(value ?? {}), [name]: changed })}
        />`,
      )}
    </fieldset>`;
  }
  return html`<${JsonField} label=${label} value=${value} onChange=${onChange} isFirst=${isFirst} />`;
}

/**
 * A value that may be null instead.
 * @param {{ schema: Schema, value: any, onChange: (value: any) => void, label: string, root: Schema, isFirst: boolean }} props
 */
function Nullable({ schema, value, onChange, label, root, isFirst }) {
  const { isOptional: _, ...own } = schema;
  const isThere = value !== null && value !== undefined;
  return html`<div class="nullable">
    ${isThere
      ? html`<${SchemaForm} schema=${own} root=${root} label=${label} isFirst=${isFirst} value=${value} onChange=${onChange} />`
      : html`<p class="field"><span>${label}</span></p>`}
    <label class="check"
      ><input
        type="checkbox"
        data-first=${isFirst && !isThere || undefined}
        aria-label=${`${label} is null`}
        checked=${!isThere}
        onChange=${() => onChange(isThere ? null : firstOf(own, root))}
      />
      null</label
    >
  </div>`;
}

/**
 * A value where the schema's own default is none.
 * @param {Schema} schema @param {Schema} root
 */
function firstOf(schema, root) {
  const { default: _, ...own } = schema;
  return beginningOf(own, root) ?? "";
}

/**
 * A value as JSON, in a text that may be wrong for a while.
 * @param {{ label: string, value: any, onChange: (value: any) => void, isFirst?: boolean, rows?: number }} props
 */
export function JsonField({ label, value, onChange, isFirst = false, rows }) {
  const [text, setText] = useState(value === undefined ? "" : printJson(value, 2));
  const [wrong, setWrong] = useState("");
  return html`<label class="field"
    ><span>${label}</span
    ><textarea
      data-first=${isFirst || undefined}
      rows=${rows ?? Math.min(14, Math.max(3, text.split("\n").length))}
      spellcheck=${false}
      aria-invalid=${wrong !== ""}
      value=${text}
      onInput=${(/** @type {Event} */ event) => {
        const box = /** @type {HTMLTextAreaElement} */ (event.target);
        setText(box.value);
        let problem = "";
        try {
          onChange(box.value.trim() === "" ? undefined : parseJson(box.value));
        } catch (error) {
          problem = /** @type {Error} */ (error).message;
        }
        setWrong(problem);
        box.setCustomValidity(problem && `Not valid JSON: ${problem}`); // its form is not sent meanwhile
      }}
    ></textarea
    ><small>${wrong ? `Not valid JSON: ${wrong}` : "JSON; write text in quotes"}</small></label
  >`;
}
