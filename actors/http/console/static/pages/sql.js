// One SELECT over the data of the runtime, with its result as a table and as a file.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, get, post } from "../lib/api.js";
import { asCsv, asJsonLines, download } from "../lib/export.js";
import { parseJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { href, setParams } from "../lib/router.js";
import { length } from "../lib/time.js";
import { Copy, Empty, ErrorBox, InvocationLink, LongText, Time } from "../ui/bits.js";
import { Dialog } from "../ui/dialog.js";
import { Json, visible } from "../ui/json.js";
import { Table } from "../ui/table.js";

/** @typedef {{ columns: string[], rows: any[][], rows_read: number }} Answer */
/** @typedef {{ name: string, about: string, columns: { name: string, type: string, about: string }[], found_by: string[] }} TableInfo */

const RECENT_KEY = "playhead.queries";
const RECENT = 12;
const INVOCATION = /^inv_1[0-9A-Za-z]{33}$/;

const EXAMPLES = [
  ["Invocations by status", "select service, status, count(*) as n\nfrom sys_invocation\ngroup by service, status\norder by n desc"],
  ["Most frequent failures", "select service, handler, last_error_type, count(*) as n\nfrom sys_invocation\nwhere last_error_type is not null\ngroup by 1, 2, 3\norder by n desc\nlimit 20"],
  ["The slowest in the last hour", "select id, service, handler, duration\nfrom sys_invocation\nwhere status = 'completed' and created_at > now() - 3600\norder by duration desc\nlimit 20"],
  ["Calls that wait for a key", "select * from sys_inbox limit 100"],
  ["Recent control requests", "select at, by, verb, target, reason, refusal\nfrom sys_audit\norder by at desc\nlimit 50"],
];

/** @returns {string[]} */
function recent() {
  try {
    const found = JSON.parse(localStorage.getItem(RECENT_KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** @param {string} sql */
function remember(sql) {
  localStorage.setItem(RECENT_KEY, JSON.stringify([sql, ...recent().filter((one) => one !== sql)].slice(0, RECENT)));
}

/** @param {{ params: Record<string, string>, isOwn: boolean }} props */
export function Sql({ params, isOwn }) {
  const asked = params.q ?? "";
  const [sql, setSql] = useState(asked);
  const [state, setState] = useState(/** @type {{ answer: Answer | null, error: unknown, isBusy: boolean, seconds: number }} */ ({ answer: null, error: null, isBusy: false, seconds: 0 }));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const tables = useLive("tables", async (abort) => /** @type {TableInfo[]} */ ((await get("query/tables", {}, abort)).tables));

  /** @param {string} text */
  async function run(text) {
    running.current?.abort();
    const abort = (running.current = new AbortController());
    setState((before) => ({ ...before, isBusy: true, error: null }));
    const started = performance.now();
    try {
      const answer = /** @type {Answer} */ (await post("query", { sql: text }, { abort: abort.signal }));
      if (abort.signal.aborted) return;
      remember(text);
      setState({ answer, error: null, isBusy: false, seconds: (performance.now() - started) / 1000 });
    } catch (error) {
      if (!abort.signal.aborted) setState({ answer: null, error, isBusy: false, seconds: 0 });
    }
  }

  function stop() {
    running.current?.abort();
    setState((before) => ({ ...before, isBusy: false }));
  }

  useLayoutEffect(() => {
    if (!asked) return;
    setSql(asked);
    if (isOwn) void run(asked);
  }, [asked, isOwn]);
  useEffect(() => () => running.current?.abort(), []);

  function ask() {
    const text = sql.trim();
    if (!text) return;
    if (text === asked && isOwn) void run(text);
    else setParams({ q: text });
  }

  /** @param {string} text */
  function put(text) {
    const at = box.current?.selectionStart ?? sql.length;
    const end = box.current?.selectionEnd ?? at;
    setSql(sql.slice(0, at) + text + sql.slice(end));
    box.current?.focus();
  }

  const { answer, error, isBusy, seconds } = state;
  const kept = recent().filter((one) => one !== asked);
  return html`<div class="page sql-page">
    <div class="page-head">
      <h1>SQL</h1>
      <div class="actions">
        ${kept.length > 0
          ? html`<label class="inline"
              >Earlier
              <select value="" onChange=${(/** @type {Event} */ event) => setParams({ q: /** @type {HTMLSelectElement} */ (event.target).value })}>
                <option value="">choose…</option>
                ${kept.map((one) => html`<option key=${one} value=${one}>${visible(one.replace(/\s+/g, " ")).slice(0, 80)}</option>`)}
              </select></label
            >`
          : null}
      </div>
    </div>
    <div class="sql-split">
      <${Tables} tables=${tables.data} error=${tables.error} onPut=${put} onAsk=${(/** @type {string} */ text) => setParams({ q: text })} />
      <div class="page">
        <form
          class="panel sql-ask"
          onSubmit=${(/** @type {Event} */ event) => {
            event.preventDefault();
            ask();
          }}
        >
          <label for="sql" class="visually-hidden">One SELECT</label>
          <textarea
            id="sql"
            ref=${box}
            data-filter
            rows=${Math.min(16, Math.max(5, sql.split("\n").length + 1))}
            spellcheck=${false}
            placeholder="select id, status from sys_invocation limit 10"
            aria-invalid=${error !== null}
            value=${sql}
            onInput=${(/** @type {Event} */ event) => setSql(/** @type {HTMLTextAreaElement} */ (event.target).value)}
            onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                ask();
              }
            }}
          ></textarea>
          <div class="actions">
            <button type="submit" class="primary" disabled=${!sql.trim()}>Run <kbd>Ctrl Enter</kbd></button>
            ${isBusy ? html`<button type="button" onClick=${stop}>Stop</button>` : null}
            <span class="faint num" role="status">
              ${isBusy
                ? "asking…"
                : answer
                  ? `${answer.rows.length.toLocaleString()} ${answer.rows.length === 1 ? "row" : "rows"} · ${length(seconds)} · ${answer.rows_read.toLocaleString()} keys read`
                  : asked && !isOwn
                    ? "This query came with the link and has not been run. Review it, then run it."
                    : "Read-only: one SELECT, which sees one moment."}
            </span>
          </div>
        </form>
        ${error ? html`<${ErrorBox} error=${error} /><${Whereabouts} error=${error} sql=${asked} />` : null}
        ${answer
          ? html`<${Answered} answer=${answer} tables=${tables.data ?? []} />`
          : error || isBusy
            ? null
            : html`<${Empty} title="Query the runtime with SQL">
                <p>Start with one of these queries:</p>
                <ul class="examples">
                  ${EXAMPLES.map(([title, text]) => html`<li key=${title}><a href=${href(["sql"], { q: text })}>${title}</a></li>`)}
                </ul>
              <//>`}
      </div>
    </div>
  </div>`;
}

/**
 * The position of the error in the query, if the server reported one.
 * @param {{ error: unknown, sql: string }} props
 */
function Whereabouts({ error, sql }) {
  const at = error instanceof Problem ? error.details?.position : null;
  if (typeof at !== "number") return null;
  const before = sql.slice(0, at);
  const line = sql.split("\n")[before.split("\n").length - 1] ?? "";
  const column = before.length - (before.lastIndexOf("\n") + 1);
  return html`<pre class="whereabouts" aria-label="Position of the error">${`${visible(line)}\n${" ".repeat(column)}^`}</pre>`;
}

/** @param {{ tables: TableInfo[] | undefined, error: unknown, onPut: (text: string) => void, onAsk: (sql: string) => void }} props */
function Tables({ tables, error, onPut, onAsk }) {
  const [open, setOpen] = useState("sys_invocation");
  return html`<nav class="panel tables" aria-label="Tables">
    <${ErrorBox} error=${error} />
    ${(tables ?? []).map(
      (table) => html`<div key=${table.name}>
        <button type="button" class="twist-head mono" aria-expanded=${open === table.name} onClick=${() => setOpen(open === table.name ? "" : table.name)}>
          <span aria-hidden="true">${open === table.name ? "▾" : "▸"}</span> ${table.name}
        </button>
        ${open === table.name
          ? html`<div class="body">
              <p class="faint">${table.about}</p>
              ${table.found_by.length > 0 ? html`<p class="faint">Indexed by ${table.found_by.join("; ")}.</p>` : null}
              <ul>
                ${table.columns.map(
                  (column) => html`<li key=${column.name}>
                    <button type="button" class="plain mono" title=${`insert ${column.name} into the query`} onClick=${() => onPut(column.name)}>${column.name}</button>
                    <span class="faint">${column.type.toLowerCase()} · ${column.about}</span>
                  </li>`,
                )}
              </ul>
              <button type="button" onClick=${() => onAsk(`select * from ${table.name} limit 100`)}>The first 100</button>
            </div>`
          : null}
      </div>`,
    )}
  </nav>`;
}

/** @param {{ answer: Answer, tables: TableInfo[] }} props */
function Answered({ answer, tables }) {
  const [open, setOpen] = useState(/** @type {number | null} */ (null));
  const { columns, rows } = answer;
  const times = new Set(tables.flatMap((table) => table.columns.filter((column) => column.type === "TIME").map((column) => column.name)));
  const name = `playhead-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  /** @type {import("../ui/table.js").Column<{ index: number, row: any[] }>[]} */
  const shown = columns.map((title, at) => {
    const isNumber = rows.length > 0 && rows.every((row) => row[at] === null || typeof row[at] === "number" || typeof row[at] === "bigint") && !times.has(title);
    return {
      name: `c${at}`,
      title: visible(title),
      width: isNumber ? "minmax(90px, .5fr)" : "minmax(110px, 1fr)",
      align: isNumber ? "right" : undefined,
      cell: ({ row }) => inCell(row[at], times.has(title)),
    };
  });
  if (rows.length === 0) return html`<${Empty} title="No rows match"><p>The query is valid, but no row matches. Text is compared exactly; write it in single quotes.</p><//>`;
  return html`<div class="panel answer">
      <header>
        <h2>Answer</h2>
        <div class="extra">
          <button type="button" onClick=${() => download(`${name}.csv`, "text/csv", asCsv(columns, rows))} title="Text that a spreadsheet would run as a formula gets an apostrophe before it.">CSV</button>
          <button type="button" onClick=${() => download(`${name}.jsonl`, "application/jsonl", asJsonLines(columns, rows))} title="One object per line, exactly as received.">JSON lines</button>
        </div>
      </header>
      <${Table}
        label="Answer"
        columns=${shown}
        count=${rows.length}
        rowAt=${(/** @type {number} */ index) => ({ index, row: rows[index] })}
        keyOf=${(/** @type {{ index: number }} */ one) => String(one.index)}
        onOpen=${(/** @type {{ index: number }} */ one) => setOpen(one.index)}
        fit
      />
    </div>
    ${open !== null
      ? html`<${Dialog} title=${`Row ${open + 1}`} onClose=${() => setOpen(null)} wide>
          <dl class="facts">
            ${columns.map((title, at) => html`<div key=${at}><dt>${visible(title)}</dt><dd><${Whole} value=${rows[open][at]} isTime=${times.has(title)} /></dd></div>`)}
          </dl>
        <//>`
      : null}`;
}

/** @param {unknown} value @param {boolean} isTime */
function inCell(value, isTime) {
  if (value === null) return html`<span class="faint">null</span>`;
  if (typeof value === "number") return isTime ? html`<${Time} at=${value} />` : html`<span title=${value}>${Number.isInteger(value) ? value : Number(value.toPrecision(6))}</span>`;
  const text = String(value);
  if (INVOCATION.test(text)) return html`<${InvocationLink} id=${text} />`;
  return html`<span title=${visible(text.slice(0, 500))}>${visible(text.slice(0, 300))}${text.length > 300 ? "…" : ""}</span>`;
}

/** @param {{ value: unknown, isTime: boolean }} props */
function Whole({ value, isTime }) {
  if (value === null) return html`<span class="faint">null</span>`;
  if (typeof value === "number") return isTime ? html`<${Time} at=${value} both />` : html`<span class="mono">${value}</span>`;
  const text = String(value);
  if (INVOCATION.test(text)) return html`<${InvocationLink} id=${text} whole />`;
  if (/^[[{]/.test(text)) {
    try {
      return html`<${Json} value=${parseJson(text)} /> <${Copy} text=${text} />`;
    } catch {
      // It only looks like JSON.
    }
  }
  return text.length > 200 || text.includes("\n") ? html`<${LongText} text=${visible(text)} />` : html`<span class="mono">${visible(text)}</span>`;
}
