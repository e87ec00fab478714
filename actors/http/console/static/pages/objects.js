// Keyed objects: found by key, with their fields now and as of any event, the invocation that holds them, and edits.

import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { get, patch, pathOf, select } from "../lib/api.js";
import { around, momentsOf, useChanges, useVersioned } from "../lib/changes.js";
import { printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { useShortcuts } from "../lib/keys.js";
import { useLive } from "../lib/live.js";
import { go, href, setParams } from "../lib/router.js";
import { may } from "../lib/session.js";
import { exact } from "../lib/time.js";
import { quoted } from "../lib/where.js";
import { Copy, Empty, ErrorBox, InvocationLink, Loading, Section, Time } from "../ui/bits.js";
import { Dialog, Field } from "../ui/dialog.js";
import { Diff, asText } from "../ui/diff.js";
import { EditFields, EditItem } from "../ui/fields.js";
import { Json, brief, visible, visibleName } from "../ui/json.js";
import { Table } from "../ui/table.js";
import { toast } from "../ui/toast.js";

/**
 * @typedef {{ service: string, key: string }} Name
 * @typedef {{ name: string, kind: "plain" | "log" | "map", value: any, key: any, default: any }} FieldInfo
 * @typedef {{ service: string, key: string, kind: string, version: number, fields_version: number, fields: Record<string, any>,
 *   logs: Record<string, number>, maps: string[], version_at: number | null, holder: string | null, waiting: string[], waiting_count: number,
 *   open_invocations: number }} ObjectInfo
 * @typedef {ReturnType<typeof useChanges>} Changed
 * @typedef {{ name: string, aliases: string[], kind: string, is_served: boolean, fields: FieldInfo[], doc: string }} Service
 */

const PAGE = 1_000;
const TOGETHER = 4;
const ITEMS = 100;
const SLIDE_MS = 60;
const LOOKED_AT_MS = 250;
const ITEMS_MS = 500;

/** @param {Event} event */
function value(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

/** @param {string} id */
function prefixOf(id) {
  return id.slice(0, 16);
}

function useKeyed() {
  return useLive("keyed services", async (abort) =>
    /** @type {Service[]} */ ((await get("services", {}, abort)).services).filter((one) => one.kind !== "service"),
  );
}

// The list.

/** @param {{ params: Record<string, string> }} props */
export function Objects({ params }) {
  const begin = params.key ?? "";
  const service = params.service ?? "";
  const after = params.after ?? "";
  const services = useKeyed();
  const { data: read, error, reload } = useLive(
    `objects ${service} ${after} ${begin}`,
    async (abort) => /** @type {{ objects: Name[], next: string | null }} */ (await get("objects", { service, begin, after, limit: PAGE }, abort)),
    { when: (changes) => Object.keys(changes.objects).length > 0, every: 1_000 },
  );
  const last = useRef(read); // kept until the next list arrives, so that the table does not flicker during typing
  if (read) last.current = read;
  const page = read ?? (error ? undefined : last.current);
  const data = page?.objects;
  const looks = useLooks();
  const known = services.data ?? [];
  const isExact = data?.some((one) => one.key === begin && (!service || one.service === service));
  if (services.data !== undefined && known.length === 0) {
    return html`<div class="page">
      <div class="page-head"><h1>Objects</h1></div>
      <${Empty} title="No class with keys is served">
        <p>An actor has a key: its fields are stored, and one handler at a time may change them. Services have neither keys nor fields.</p>
        <pre>${"class Counter(Actor):\n    value: int = 0\n\n    @handler\n    async def add(self, amount: int) -> int:\n        self.value += amount\n        return self.value"}</pre>
      <//>
    </div>`;
  }
  /** @type {import("../ui/table.js").Column<Name>[]} */
  const columns = [
    { name: "target", title: "Object", width: "minmax(160px, 1.2fr)", cell: (row) => html`<a href=${href(["objects", row.service, row.key])}><span class="faint">${visible(row.service)}/</span>${visibleName(row.key)}</a>` },
    {
      name: "holder",
      title: "Held by",
      width: "170px",
      cell: (row) => {
        const info = looks.of(row);
        return info?.holder ? html`<${InvocationLink} id=${info.holder} />` : info ? html`<span class="faint">free</span>` : "";
      },
    },
    { name: "waiting", title: "Waiting", width: "70px", align: "right", cell: (row) => looks.of(row)?.waiting_count || "" },
    { name: "open", title: "Open", width: "60px", align: "right", cell: (row) => looks.of(row)?.open_invocations || "" },
    { name: "version", title: "Events", width: "70px", align: "right", cell: (row) => looks.of(row)?.version ?? "" },
    {
      name: "fields",
      title: "Fields",
      width: "minmax(240px, 3fr)",
      cell: (row) => {
        const info = looks.of(row);
        return info ? html`<span class="mono faint">${fieldsInBrief(info)}</span>` : "";
      },
    },
  ];
  return html`<div class="page full">
    <div class="page-head">
      <h1>Objects</h1>
      <span class="faint num" role="status">${data === undefined ? "" : page?.next ? `the first ${PAGE.toLocaleString()}` : data.length.toLocaleString()}</span>
      ${after ? html`<button type="button" class="chip" onClick=${() => setParams({ after: null })}>first page</button>` : null}
      ${page?.next
        ? html`<button type="button" class="chip" onClick=${() => setParams({ after: page.next })}>the next ${PAGE.toLocaleString()}</button>`
        : null}
    </div>
    <div class="filters">
      <div class="where">
        <label for="key-begin">key begins with</label>
        <input
          id="key-begin"
          data-filter
          class="mono"
          spellcheck=${false}
          placeholder="alice"
          value=${begin}
          onInput=${(/** @type {Event} */ e) => setParams({ key: value(e), after: null })}
          onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
            const first = isExact ? data?.find((one) => one.key === begin) : data?.[0];
            if (event.key === "Enter" && first) go(href(["objects", first.service, first.key]));
          }}
        />
        ${service && begin && data !== undefined && !isExact
          ? html`<a class="button" href=${href(["objects", service, begin])}>Open ${visible(service)}/${visibleName(begin.slice(0, 40))} anyway</a>`
          : null}
      </div>
      <div class="chips" role="group" aria-label="Class">
        <button type="button" class="chip" aria-pressed=${service === ""} onClick=${() => setParams({ service: null, after: null })}>all</button>
        ${known.map(
          (one) => html`<button
            key=${one.name}
            type="button"
            class="chip"
            aria-pressed=${service === one.name}
            onClick=${() => setParams({ service: one.name, after: null })}
          >
            ${visible(one.name)}${one.is_served ? null : html` <span class="faint">not served</span>`}
          </button>`,
        )}
      </div>
      <${ErrorBox} error=${error ?? services.error} retry=${reload} />
    </div>
    ${data === undefined
      ? error
        ? html`<span></span>`
        : html`<${Loading} />`
      : data.length === 0
        ? html`<${Empty} title=${begin ? "No key begins with this text" : "No object has been used yet"}>
            ${begin
              ? html`<p>Keys are case-sensitive: <span class="mono">Alice</span> is not <span class="mono">alice</span>. ${service ? "" : "Choose a class to open a key that was never used."}</p>`
              : html`<p>An object exists as soon as one of its handlers is called. Call one:</p>
                  <p><a href=${href(["try"])}>Try it</a></p>`}
          <//>`
        : html`<${Table}
            label="Objects"
            columns=${columns}
            count=${data.length}
            rowAt=${(/** @type {number} */ index) => data[index]}
            keyOf=${(/** @type {Name} */ row) => `${row.service}/${row.key}`}
            onSeen=${(/** @type {number} */ first, /** @type {number} */ last) => looks.want(data.slice(first, last))}
            onOpen=${(/** @type {Name} */ row) => go(href(["objects", row.service, row.key]))}
          />`}
  </div>`;
}

/** @param {ObjectInfo} info */
function fieldsInBrief(info) {
  return [
    ...Object.entries(info.fields).map(([name, held]) => `${name} ${brief(held, 40)}`),
    ...Object.entries(info.logs).map(([name, length]) => `${name} [${length}]`),
  ].join("  ·  ");
}

/** Reads the objects that are on the screen, a few at a time, each once. */
function useLooks() {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const kept = useMemo(() => ({ found: /** @type {Map<string, ObjectInfo | null>} */ (new Map()), wanted: /** @type {Name[]} */ ([]), busy: 0, isOver: false }), []);
  useEffect(
    () => () => {
      kept.isOver = true;
    },
    [],
  );
  /** @param {Name} name */
  const keyOf = (name) => JSON.stringify([name.service, name.key]);

  async function work() {
    while (kept.wanted.length > 0 && !kept.isOver) {
      const name = /** @type {Name} */ (kept.wanted.shift());
      if (kept.found.has(keyOf(name))) continue;
      kept.found.set(keyOf(name), null);
      try {
        kept.found.set(keyOf(name), await get(pathOf("objects", name.service, name.key)));
      } catch {
        kept.found.delete(keyOf(name)); // asked again when it is seen again
      }
      redraw(0);
    }
    kept.busy--;
  }

  return {
    /** @param {Name} name */
    of: (name) => kept.found.get(keyOf(name)) ?? null,
    /** @param {Name[]} names */
    want: (names) => {
      kept.wanted = names.filter((name) => !kept.found.has(keyOf(name)));
      for (; kept.busy < Math.min(TOGETHER, kept.wanted.length); kept.busy++) void work();
    },
  };
}

// One object.

/** @param {{ path: string[], params: Record<string, string> }} props */
export function ObjectPage({ path, params }) {
  const [, service, key = ""] = path;
  const at = /^\d+$/.test(params.at ?? "") ? Number(params.at) : null;
  const place = pathOf("objects", service, key);
  const services = useKeyed();
  const own = useRef("");
  const isOurs = (/** @type {import("../lib/live.js").Changes} */ changes) => own.current !== "" && own.current in changes.objects;
  const now = useLive(`object ${place}`, async (abort) => /** @type {ObjectInfo} */ (await get(place, {}, abort)), {
    when: (changes) => isOurs(changes) || changes.invocations.some((one) => one.target.service === service && one.target.key === key),
    every: LOOKED_AT_MS,
  });
  const first = now.data?.holder ?? now.data?.waiting[0];
  if (first) own.current = prefixOf(first);
  const [editing, setEditing] = useState(/** @type {null | { field: FieldInfo | null, item: string | null, held: any }} */ (null));
  const known = services.data?.find((one) => one.is_served && (one.name === service || one.aliases.includes(service)));
  useShortcuts([
    ...(may("admin") && known ? [{ key: "e", does: "edit the fields", run: () => setEditing({ field: null, item: null, held: undefined }) }] : []),
    { key: "[", does: "previous change", run: () => document.getElementById("change-before")?.click() },
    { key: "]", does: "next change", run: () => document.getElementById("change-after")?.click() },
  ]);
  if (now.data === undefined || (services.data === undefined && !services.error)) {
    return now.error ? html`<${ErrorBox} error=${now.error} retry=${now.reload} />` : html`<${Loading} />`;
  }
  const info = now.data;
  const plain = known?.fields.filter((field) => field.kind === "plain") ?? [];
  return html`<div class="page">
    <div class="page-head">
      <h1><a href=${href(["objects"], { service })}>${visible(service)}</a><span class="faint"> / </span><bdi>${visibleName(key)}</bdi></h1>
      <span class="tag">${info.kind}</span>
      <${Copy} text=${`${service}/${key}`} />
      <div class="actions">
        <a class="button" href=${href(["invocations"], { where: `service = ${quoted(service)} and key = ${quoted(key)}` })}>Invocations</a>
        <${GateButton} service=${service} objectKey=${key} />
        ${may("admin") && known && plain.length > 0
          ? html`<button type="button" class="primary" onClick=${() => setEditing({ field: null, item: null, held: undefined })}>Edit fields</button>`
          : null}
      </div>
    </div>
    <${GateNotice} service=${service} objectKey=${key} />
    <${ErrorBox} error=${now.error ?? services.error} />
    ${services.data !== undefined && known === undefined
      ? html`<p class="notice">No class named ${visible(service)} is served: the fields can be read, but no code runs.</p>`
      : null}
    ${info.version === 0
      ? html`<p class="notice">This key was never used: these are the defaults. The first call creates the object.</p>`
      : null}
    <div class="split">
      <${InTime} info=${info} service=${known} at=${at} field=${params.field} onEdit=${setEditing} />
      <div class="page">
        <${Mailbox} info=${info} />
        ${known?.doc ? html`<p class="faint">${known.doc}</p>` : null}
      </div>
    </div>
    ${editing && known
      ? editing.field
        ? html`<${EditItem} info=${info} field=${editing.field} item=${editing.item} held=${editing.held} onDone=${now.reload} onClose=${() => setEditing(null)} />`
        : html`<${EditFields} info=${info} fields=${plain} onDone=${now.reload} onClose=${() => setEditing(null)} />`
      : null}
  </div>`;
}

/** @param {{ info: ObjectInfo }} props */
function Mailbox({ info }) {
  return html`<${Section} title="Holder">
    <div class="body mailbox">
      ${info.holder
        ? html`<p><${InvocationLink} id=${info.holder} /> <span class="faint">holds the key; no other exclusive handler can run.</span></p>`
        : html`<p class="faint">None. The next call starts at once.</p>`}
      <h3>Mailbox ${info.waiting_count > 0 ? html`<span class="num">(${info.waiting_count.toLocaleString()})</span>` : null}</h3>
      ${info.waiting.length === 0
        ? html`<p class="faint">Nothing waits for the key.</p>`
        : html`<ol>${info.waiting.map((id) => html`<li key=${id}><${InvocationLink} id=${id} /></li>`)}</ol>`}
      ${info.waiting_count > info.waiting.length ? html`<p class="faint">and ${(info.waiting_count - info.waiting.length).toLocaleString()} more</p>` : null}
      <p class="faint">${info.open_invocations.toLocaleString()} open ${info.open_invocations === 1 ? "invocation" : "invocations"}, shared handlers included.</p>
    </div>
  <//>`;
}

// Time.

/**
 * @param {{ info: ObjectInfo, service: Service | undefined, at: number | null, field: string | undefined,
 *   onEdit: (what: { field: FieldInfo | null, item: string | null, held: any }) => void }} props
 */
function InTime({ info, service, at, field, onEdit }) {
  const names = service?.fields.map((one) => one.name) ?? [...Object.keys(info.fields), ...Object.keys(info.logs), ...info.maps];
  const changed = useChanges(pathOf("objects", info.service, info.key), names, info.version);
  return html`<div class="page">
    ${info.version > 0 ? html`<${Slider} info=${info} names=${names} changed=${changed} at=${at} />` : null}
    <${Fields} info=${info} service=${service} changed=${changed} at=${at} field=${field} onEdit=${onEdit} />
  </div>`;
}

/** @param {{ info: ObjectInfo, names: string[], changed: Changed, at: number | null }} props */
function Slider({ info, names, changed, at }) {
  const { moments, from } = useMemo(() => momentsOf(changed.of ?? new Map()), [changed.of]);
  const [held, hold] = useState(/** @type {number | null} */ (null));
  const shown = held ?? at ?? info.version;
  useEffect(() => {
    if (held === null) return undefined;
    const timer = setTimeout(() => {
      setParams({ at: held >= info.version ? null : held });
      hold(null);
    }, SLIDE_MS);
    return () => clearTimeout(timer);
  }, [held]);
  const place = pathOf("objects", info.service, info.key);
  const asked = held === null && shown < from ? shown : null; // before all that is known here
  const found = useLive(`around ${place} ${names.join()} ${asked}`, async (abort) => (asked === null ? null : around(place, names, asked, abort)));
  const isKnown = changed.of !== undefined && (shown >= from || Boolean(found.data));
  const since = found.data ? found.data.since : moments.findLast((one) => one.number <= shown);
  const before = found.data ? found.data.before : moments.findLast((one) => one.number < (since?.number ?? shown));
  const after = found.data ? found.data.after : moments.find((one) => one.number > shown);
  const isNow = shown >= info.version;
  const then = useLive(`time of ${place} at ${isNow ? null : at}`, async (abort) => (isNow || at === null ? null : /** @type {ObjectInfo} */ (await get(place, { at }, abort))));
  const time = isNow ? info.version_at : shown === at ? (then.data?.version_at ?? null) : (moments.find((one) => one.number === shown)?.at ?? null);
  /** @param {number} number */
  const where = (number) => (info.version > 1 ? `${(100 * (number - 1)) / (info.version - 1)}%` : "100%");
  return html`<section class=${`panel slider ${isNow ? "" : "past"}`} aria-label="Time travel">
    <div class="slide">
      <button type="button" id="change-before" aria-label="Previous change" disabled=${before === undefined} onClick=${() => hold(before?.number ?? 1)}>◂</button>
      <div class="track">
        <input
          type="range"
          min="1"
          max=${info.version}
          value=${shown}
          aria-label="As of event"
          aria-valuetext=${`event ${shown} of ${info.version}${time === null ? "" : ` at ${exact(time)}`}${since ? `, last changed by event ${since.number} at ${exact(since.at)}` : ""}`}
          onInput=${(/** @type {Event} */ e) => hold(Number(value(e)))}
        />
        <div class="ticks" aria-hidden="true">
          ${moments.map((one) => html`<span key=${one.number} class=${one.number === since?.number ? "on" : ""} style=${{ left: where(one.number) }}></span>`)}
        </div>
      </div>
      <button type="button" id="change-after" aria-label="Next change" disabled=${after === undefined} onClick=${() => hold(after?.number ?? info.version)}>▸</button>
      <button type="button" disabled=${isNow} onClick=${() => hold(info.version)}>Now</button>
    </div>
    <p class="slide-words">
      ${isNow ? html`<b>Now</b>, after event ${info.version.toLocaleString()}` : html`<b>Past state</b> after event ${shown.toLocaleString()} of ${info.version.toLocaleString()}`}${time === null ? null : html`, <span class="nowrap event-time">${exact(time)}</span>`}${" "}
      <span class="faint">
        ${!isKnown
          ? "· loading the changes before that"
          : since
          ? html`· last changed by event ${since.number.toLocaleString()}: ${visible(since.fields.join(", "))}, by ${visible(since.by)}, <${Time} at=${since.at} both /> · <${InvocationLink} id=${since.invocation_id} />`
          : "· no earlier change is in the stored history"}
        ${from > 0 ? ` · changes before event ${from.toLocaleString()} are not marked` : ""}
      </span>
    </p>
    <${ErrorBox} error=${found.error ?? changed.error} />
  </section>`;
}

// Fields.

/**
 * @param {{ info: ObjectInfo, service: Service | undefined, changed: Changed, at: number | null, field: string | undefined,
 *   onEdit: (what: { field: FieldInfo | null, item: string | null, held: any }) => void }} props
 */
function Fields({ info, service, changed, at, field: open, onEdit }) {
  const place = pathOf("objects", info.service, info.key);
  const then = useLive(`object ${place} at ${at}`, async (abort) => (at === null ? null : /** @type {ObjectInfo} */ (await get(place, { at }, abort))));
  const last = useRef(/** @type {ObjectInfo | null} */ (null));
  if (then.data) last.current = then.data;
  const shown = at === null ? info : (then.data ?? last.current);
  if (then.error) return html`<${ErrorBox} error=${then.error} />`;
  if (!shown) return html`<${Loading} />`;
  const names = [...new Set([...(service?.fields.map((one) => one.name) ?? []), ...Object.keys(shown.fields), ...Object.keys(shown.logs), ...shown.maps])];
  if (names.length === 0) {
    return html`<${Section} title="Fields"><${Empty} title="It has no fields"><p>Fields that its class declares with a type and a default appear here.</p><//><//>`;
  }
  return html`
    ${names.map((name) => {
      const declared = service?.fields.find((one) => one.name === name);
      const kind = declared?.kind ?? (name in shown.logs ? "log" : shown.maps.includes(name) ? "map" : "plain");
      const isOpen = open === name;
      const isOther = at !== null && kind === "plain" && printJson(shown.fields[name]) !== printJson(info.fields[name]);
      return html`<section key=${name} class=${`panel field-panel ${isOther ? "other" : ""}`} aria-label=${`field ${name}`}>
        <header>
          <h2 class="mono">${visible(name)}</h2>
          <span class="faint">${typeInWords(declared, kind)}</span>
          ${isOther ? html`<span class="tag warn">differs from now</span>` : null}
          <div class="extra">
            ${kind === "map" && declared && may("admin") && at === null
              ? html`<button type="button" class="plain" onClick=${() => onEdit({ field: declared, item: null, held: undefined })}>add an item</button>`
              : null}
            <button type="button" class="plain" aria-expanded=${isOpen} onClick=${() => setParams({ field: isOpen ? null : name })}>history</button>
          </div>
        </header>
        ${kind === "plain"
          ? html`<div class="body"><${Json} value=${shown.fields[name]} label=${name} /></div>`
          : html`<${Items} key=${at} info=${info} name=${name} kind=${kind} at=${at} length=${shown.logs[name] ?? 0} declared=${declared} onEdit=${onEdit} />`}
        ${isOpen ? html`<${History} changed=${changed} name=${name} at=${at} />` : null}
      </section>`;
    })}
  `;
}

/** @param {FieldInfo | undefined} field @param {string} kind */
function typeInWords(field, kind) {
  const of = field ? schemaInWords(field.value) : "";
  if (kind === "map") return `map of ${field ? `${schemaInWords(field.key)} to ${of}` : "items"}`;
  return kind === "log" ? `log of ${of || "items"}` : of;
}

/**
 * @param {any} schema
 * @returns {string}
 */
export function schemaInWords(schema) {
  if (!schema) return "anything";
  if (schema.anyOf) return schema.anyOf.map(schemaInWords).join(" or ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ one) => printJson(one)).join(", ");
  if (schema.type === "array") return `list of ${schema.items ? schemaInWords(schema.items) : "anything"}`;
  if (schema.type === "object") return schema.title ?? (schema.additionalProperties ? `object of ${schemaInWords(schema.additionalProperties)}` : "object");
  return { string: schema.format ?? "text", integer: "whole number", number: "number", boolean: "true or false", null: "null" }[/** @type {string} */ (schema.type)] ?? "anything";
}

/**
 * @param {{ info: ObjectInfo, name: string, kind: string, at: number | null, length: number, declared: FieldInfo | undefined,
 *   onEdit: (what: { field: FieldInfo | null, item: string | null, held: any }) => void }} props
 */
function Items({ info, name, kind, at, length, declared, onEdit }) {
  const isLog = kind === "log";
  const place = `${pathOf("objects", info.service, info.key)}/${pathOf("fields", name, "items")}`;
  const [starts, setStarts] = useState([""]);
  const start = starts[starts.length - 1];
  const from = isLog && start === "" ? String(Math.max(0, length - ITEMS)) : start; // of a log, its end is what is first shown
  const { data, error } = useVersioned(
    `items ${place} ${at} ${start}`,
    info.fields_version,
    async (abort) => /** @type {{ item: string, value: any }[]} */ ((await get(place, { at, start: from, limit: ITEMS }, abort)).items),
    ITEMS_MS,
  );
  const last = useRef(data);
  if (data) last.current = data;
  const items = data ?? last.current;
  if (error) return html`<${ErrorBox} error=${error} />`;
  if (!items) return html`<${Loading} />`;
  const mayEdit = !isLog && declared && may("admin") && at === null;
  return html`
    ${items.length === 0
      ? html`<p class="faint">It has no items.</p>`
      : html`<div class="scroll-x items">
          <table class="plain">
            <caption class="visually-hidden">Items of ${visible(name)}</caption>
            <tbody>
              ${(isLog ? [...items].reverse() : items).map(
                (one) => html`<tr key=${one.item}>
                  <th scope="row" class="mono">${visible(one.item)}</th>
                  <td><${Json} value=${one.value} label=${`${name} ${one.item}`} /></td>
                  ${mayEdit
                    ? html`<td class="right"><button type="button" class="plain" aria-label=${`edit ${one.item}`} onClick=${() => onEdit({ field: declared, item: one.item, held: one.value })}>edit</button></td>`
                    : null}
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`}
    <p class="faint pager">
      ${isLog ? `${length.toLocaleString()} ${length === 1 ? "entry" : "entries"}, newest first` : null}
      ${isLog && Number(from) > 0
        ? html` <button type="button" class="plain" onClick=${() => setStarts([...starts, String(Math.max(0, Number(from) - ITEMS))])}>older</button>`
        : null}
      ${!isLog && items.length === ITEMS
        ? html`<button type="button" class="plain" onClick=${() => setStarts([...starts, items[items.length - 1].item])}>the next ${ITEMS}</button>`
        : null}
      ${starts.length > 1 ? html` <button type="button" class="plain" onClick=${() => setStarts(starts.slice(0, -1))}>back</button>` : null}
    </p>
  `;
}

/** @param {{ changed: Changed, name: string, at: number | null }} props */
function History({ changed, name, at }) {
  const known = changed.of?.get(name);
  if (known === undefined) return changed.error ? html`<${ErrorBox} error=${changed.error} />` : html`<${Loading} />`;
  if (known.changes.length === 0) {
    return html`<p class="faint history">No recorded changes. A change is deleted when the invocation that made it is purged.</p>`;
  }
  /** @type {Map<string, any>} */
  const was = new Map();
  const rows = known.changes.map((change) => {
    const before = was.get(change.item);
    was.set(change.item, change.value);
    return { ...change, before };
  });
  return html`<div class="scroll-x history">
    <table class="plain">
      <caption class="visually-hidden">Changes of ${visible(name)}</caption>
      <thead><tr><th class="right">Event</th><th>When</th><th>By</th><th>Invocation</th><th>New value</th></tr></thead>
      <tbody>
        ${rows
          .reverse()
          .map(
            (one, index) => html`<tr key=${`${one.number} ${one.item} ${index}`} class=${one.number === at ? "chosen" : ""}>
              <td class="right"><button type="button" class="plain" title="show the object as it was then" onClick=${() => setParams({ at: one.number })}>${one.number.toLocaleString()}</button></td>
              <td><${Time} at=${one.at} /></td>
              <td>${visible(one.by)}</td>
              <td><${InvocationLink} id=${one.invocation_id} /></td>
              <td class="became">
                ${one.item ? html`<span class="mono tag">${visible(one.item)}</span>` : null}
                ${typeof one.value === "object" && one.value !== null && one.before !== undefined
                  ? html`<${Diff} before=${asText(one.before)} after=${asText(one.value)} label=${`change by event ${one.number}`} />`
                  : one.value === null && one.item
                    ? html`<span class="faint">removed</span>`
                    : html`<${Json} value=${one.value} label=${`value of event ${one.number}`} />`}
              </td>
            </tr>`,
          )}
      </tbody>
    </table>
    ${known.isWhole
      ? null
      : html`<p class="faint pager">
          The latest ${rows.length.toLocaleString()} changes; there are older ones.
          <button type="button" class="plain" onClick=${() => changed.readEarlier(name)}>load older changes</button>
        </p>`}
  </div>`;
}

// The gate of its key.

/** @param {string} service @param {string} key */
function useGates(service, key) {
  return useLive(`gates of ${service}/${key}`, async (abort) => /** @type {any[]} */ ((await get("gates", {}, abort)).gates), { when: (changes) => changes.registry });
}

const DEPLOYMENTS = "select distinct deployment from sys_invocation where service = ? and key = ? and status <> 'completed' and deployment is not null";

/**
 * The closed gates that hold an object, or part of its work. A narrower scope that was opened again is not held.
 * @param {any[]} gates
 * @param {string} service
 * @param {string} key
 * @param {string[]} deployments the deployments of its open invocations, and the latest
 */
function closedBefore(gates, service, key, deployments) {
  const own = `key:${service}/${key}`;
  const isOpen = (/** @type {string[]} */ ...scopes) => gates.some((gate) => gate.state === "open" && scopes.includes(gate.scope));
  return gates.flatMap((gate) => {
    if (gate.state !== "closed") return [];
    if (gate.scope === own) return [{ gate, holds: "calls are accepted and wait" }];
    if (gate.scope === "everything" && !isOpen(own, `service:${service}`)) return [{ gate, holds: "calls are accepted and wait" }];
    if (gate.scope === "backlog") return [{ gate, holds: "calls that were accepted before wait" }];
    if (gate.scope === `service:${service}` && !isOpen(own)) return [{ gate, holds: "calls are accepted and wait" }];
    if (gate.scope.startsWith(`handler:${service}/`)) return [{ gate, holds: `calls of ${gate.scope.slice(gate.scope.indexOf("/") + 1)} are accepted and wait` }];
    if (deployments.some((id) => gate.scope === `deployment:${id}`)) return [{ gate, holds: "invocations on this code wait" }];
    return [];
  });
}

/** @param {{ service: string, objectKey: string }} props */
function GateNotice({ service, objectKey }) {
  const { data } = useGates(service, objectKey);
  const code = useLive(
    `code of ${service}/${objectKey}`,
    async (abort) => {
      const [{ deployments }, open] = await Promise.all([get("deployments", {}, abort), select(DEPLOYMENTS, [service, objectKey], abort)]);
      return [...open.map((row) => row.deployment), ...deployments.filter((/** @type {any} */ one) => one.is_latest).map((/** @type {any} */ one) => one.id)];
    },
    { when: (changes) => changes.registry || changes.invocations.some((one) => one.target.service === service && one.target.key === objectKey) },
  );
  const holding = closedBefore(data ?? [], service, objectKey, code.data ?? []);
  if (holding.length === 0) return null;
  return html`<div class="notice" role="status">
    ${holding.map(
      ({ gate, holds }) => html`<p key=${gate.scope}>
        <span aria-hidden="true">⊘</span> The gate <b class="mono">${visible(gate.scope)}</b> is closed: ${visible(holds)}. Closed by ${visible(gate.by)} <${Time} at=${gate.since} />${gate.reason
          ? html`: ${visible(gate.reason)}`
          : ""}
      </p>`,
    )}
  </div>`;
}

/** @param {{ service: string, objectKey: string }} props */
function GateButton({ service, objectKey }) {
  const scope = `key:${service}/${objectKey}`;
  const { data, reload } = useGates(service, objectKey);
  const [asking, setAsking] = useState(/** @type {"open" | "close" | null} */ (null));
  if (data === undefined || !may("control")) return null;
  const isClosed = data.some((gate) => gate.scope === scope && gate.state === "closed");
  return html`
    <button type="button" onClick=${() => setAsking(isClosed ? "open" : "close")}>${isClosed ? "Open the gate" : "Close the gate"}</button>
    ${asking ? html`<${GateDialog} verb=${asking} scope=${scope} onDone=${reload} onClose=${() => setAsking(null)} />` : null}
  `;
}

/** @param {{ verb: "open" | "close", scope: string, onDone: () => void, onClose: () => void }} props */
function GateDialog({ verb, scope, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [mode, setMode] = useState("drain");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const isOpening = verb === "open";
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setError(null);
    try {
      const done = await patch(pathOf("gates", scope, verb), isOpening ? { reason } : { reason, mode });
      toast(done.changed ? `The gate ${visible(scope)} is ${done.after}.` : `The gate was already ${done.after}.`);
      onDone();
      onClose();
    } catch (refusal) {
      setError(refusal);
    }
  }
  return html`<${Dialog} title=${isOpening ? "Open the gate" : "Close the gate"} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>
        ${isOpening
          ? html`Calls that wait for <b class="mono">${visible(scope)}</b> continue, in order.`
          : html`Calls for <b class="mono">${visible(scope)}</b> are accepted and wait until the gate is opened. Other keys continue.`}
      </p>
      ${isOpening
        ? null
        : html`<${Field} label="A step that is running">
            <select value=${mode} onChange=${(/** @type {Event} */ e) => setMode(value(e))}>
              <option value="drain">finishes and is recorded first</option>
              <option value="now">is aborted, and runs again later</option>
            </select>
          <//>`}
      <${Field} label="Reason" hint="Shown on every invocation that waits for the gate, and kept in the audit.">
        <input data-first=${true} required maxlength="1000" value=${reason} onInput=${(/** @type {Event} */ e) => setReason(value(e))} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary">${isOpening ? "Open" : "Close"} the gate</button>
      </footer>
    </form>
  <//>`;
}
