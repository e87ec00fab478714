// All invocations, filtered by a condition (text and parts, in the address), and bulk verbs.

import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { get, select } from "../lib/api.js";
import { html } from "../lib/html.js";
import { useShortcuts } from "../lib/keys.js";
import { listen, useLive } from "../lib/live.js";
import { href, keepScroll, keptScroll, setParams } from "../lib/router.js";
import { Rows } from "../lib/rows.js";
import { may } from "../lib/session.js";
import { ENDS, OPEN, equalTo, format, parse, statesOf, unbalanced, withEqual, withStates, without } from "../lib/where.js";
import { Duration, Empty, ErrorBox, InvocationLink, Loading, Status, Time } from "../ui/bits.js";
import { visible, visibleName } from "../ui/json.js";
import { Table } from "../ui/table.js";
import { toast } from "../ui/toast.js";
import { BulkDialog, VERBS, invocations, lastWord, open, verbOf } from "../ui/verbs.js";

/** @typedef {import("../lib/rows.js").Row} Row */
/** @typedef {import("../lib/where.js").Part} Part */

const MAX_CHOSEN = 10_000; // as many ids as the server takes
const MAX_LEFT_OUT = 100; // each is named in the condition of the job
const SAVED_KEY = "playhead.filters";

const READY_MADE = [
  { name: "needs attention", where: "status = 'paused' or awaited_signal is not null" },
  { name: "failing now", where: "status = 'backing_off'" },
  { name: "failed in the last hour", where: "outcome = 'failed' and created_at > now() - 3600" },
  { name: "open for more than a day", where: "status <> 'completed' and created_at < now() - 86400" },
];

const SINCE = [
  ["", "any time"],
  ["900", "15 minutes"],
  ["3600", "hour"],
  ["86400", "day"],
  ["604800", "week"],
];

/** @type {import("../ui/table.js").Column<Row>[]} */
const COLUMNS = [
  {
    name: "status",
    title: "Status",
    width: "130px",
    sort: "status",
    cell: (row) => (row.fits === -1 ? html`<span class="faint">purged</span>` : html`<${Status} status=${row.status} outcome=${row.outcome} />`),
  },
  { name: "target", title: "Target", width: "minmax(160px, 1.4fr)", sort: "target", cell: (row) => visibleName(row.target) },
  { name: "id", title: "Id", width: "164px", cell: (row) => html`<${InvocationLink} id=${row.id} />` },
  {
    name: "error",
    title: "Last error",
    width: "minmax(180px, 2fr)",
    sort: "last_error_type",
    cell: (row) =>
      row.last_error_type
        ? html`<span title=${visible(`${row.last_error_type}: ${row.last_error}`)}
            ><b>${visible(lastWord(row.last_error_type))}</b> ${visible(row.last_error ?? "")}</span
          >`
        : "",
  },
  {
    name: "awaited",
    title: "Waits for",
    width: "minmax(120px, 1fr)",
    sort: "awaited_since",
    cell: (row) => (row.awaited_signal ? html`signal <b>${visible(row.awaited_signal)}</b> <${Time} at=${row.awaited_since} />` : ""),
  },
  { name: "says", title: "Status text", width: "minmax(120px, 1fr)", cell: (row) => visible(row.status_text ?? "") },
  { name: "tags", title: "Tags", width: "minmax(100px, 1fr)", cell: (row) => Object.entries(JSON.parse(row.tags)).map((pair) => visible(pair.join("="))).join(" ") },
  { name: "attempts", title: "Failed", width: "58px", sort: "failed_tries", align: "right", cell: (row) => row.failed_tries || "" },
  { name: "created", title: "Created", width: "96px", sort: "created_at", cell: (row) => html`<${Time} at=${row.created_at} />` },
  {
    name: "took",
    title: "Took",
    width: "92px",
    sort: "duration",
    align: "right",
    cell: (row) => html`<${Duration} from=${row.started_at} to=${row.completed_at} />`,
  },
  { name: "deployment", title: "Deployment", width: "130px", sort: "deployment", cell: (row) => html`<span class="mono">${row.deployment ?? ""}</span>` },
  { name: "key", title: "Key", width: "minmax(90px, 1fr)", sort: "key", cell: (row) => visibleName(row.key ?? "") },
];

const USUAL = "status,target,id,error,attempts,created,took";

/** @typedef {ReadonlySet<string>} Ids */

/** `leftOut`: of all matches. */
const NONE = { chosen: /** @type {Ids} */ (new Set()), isAll: false, leftOut: /** @type {Ids} */ (new Set()) };

/** @returns {{ name: string, where: string }[]} */
function saved() {
  try {
    const found = JSON.parse(localStorage.getItem(SAVED_KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one?.name === "string" && typeof one?.where === "string") : [];
  } catch {
    return [];
  }
}

/** @param {{ params: Record<string, string>, isOwn: boolean }} props */
export function Invocations({ params, isOwn }) {
  const where = params.where ?? "";
  if (isOwn || !where) return html`<${List} params=${params} />`;
  // It came with the address, from anywhere: a condition is a query, and is not run before its reader has seen it.
  return html`<div class="page full">
    <div class="page-head"><h1>Invocations</h1></div>
    <${Filters} where=${where} isSettled=${true} isUnasked />
    <${Empty} title="This condition came with the link">
      <p>It has not been run. Review it above, then run it.</p>
    <//>
  </div>`;
}

/** @param {{ params: Record<string, string> }} props */
function List({ params }) {
  const where = params.where ?? "";
  const by = COLUMNS.find((column) => column.sort === params.sort)?.sort ?? "created_at";
  const descending = params.order !== "asc";
  const shown = (params.columns ?? USUAL).split(",");
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const [asking, setAsking] = useState(/** @type {{ verb: import("../ui/verbs.js").Verb, choice: import("../lib/where.js").Choice } | null} */ (null));
  const calm = useRef({ isHeld: false, top: 0, hasChosen: false });
  // The column that the user has just sorted by, and the rows as they were before.
  const resorted = useRef(/** @type {{ column: string, before: Rows } | null} */ (null));

  const rows = useMemo(() => new Rows(where, { by, descending }, () => redraw(0)), [where, by, descending]);
  const [choice, setChoice] = useState({ ...NONE, rows });
  const { chosen, isAll, leftOut } = choice.rows === rows ? choice : NONE; // another list, another choice
  calm.current.hasChosen = chosen.size > 0 || isAll;
  const begin = useMemo(keptScroll, [rows]);
  useEffect(() => {
    calm.current.top = 0;
    void rows.load();
    const stop = listen((changes) => {
      const at = calm.current;
      rows.hear(changes, at.top === 0 && !at.isHeld && !at.hasChosen && !document.hidden);
    });
    return () => {
      stop();
      rows.close();
    };
  }, [rows]);

  useEffect(() => {
    if (rows !== resorted.current?.before && rows.count !== undefined) resorted.current = null; // the table has the focus back
  });

  useShortcuts([
    { key: "n", does: "show new rows", run: () => rows.letIn() },
    { key: "r", does: "reload the list", run: () => void rows.load() },
    ...(may("admin") ? [{ key: "a", does: "select all matches", run: chooseAll }] : []),
    { key: "Escape", does: "clear the selection", run: chooseNone },
  ]);

  /** @param {string[]} keys @param {boolean} isOn */
  function choose(keys, isOn) {
    // Of what is chosen by now: the rows of a range may have come after others were ticked.
    setChoice((before) => {
      const now = before.rows === rows ? before : { ...NONE, rows };
      const next = new Set(now.isAll ? now.leftOut : now.chosen);
      for (const key of keys) isOn !== now.isAll ? next.add(key) : next.delete(key);
      if (!now.isAll) return { ...now, chosen: next };
      if (next.size <= MAX_LEFT_OUT) return { ...now, leftOut: next };
      toast(`No more than ${MAX_LEFT_OUT} can be excluded from the matches: narrow the condition instead.`, "bad");
      return now;
    });
  }
  function chooseAll() {
    setChoice({ ...NONE, rows, isAll: true });
  }
  function chooseNone() {
    setChoice({ ...NONE, rows });
  }

  const columns = COLUMNS.filter((column) => shown.includes(column.name));
  const target = isAll ? { where: without(where || "status is not null", [...leftOut]) } : { ids: [...chosen] };
  return html`<div class="page full">
    <div class="page-head">
      <h1>Invocations</h1>
      <span class="faint num" aria-live="polite">${rows.isCounted ? rows.total.toLocaleString() : ""}</span>
      ${rows.waiting.length > 0
        ? html`<button type="button" class="chip" aria-pressed="true" onClick=${() => rows.letIn()}>
            ${rows.waiting.length.toLocaleString()} new — show <kbd>n</kbd>
          </button>`
        : null}
      ${rows.isOutdated
        ? html`<button type="button" class="chip" onClick=${() => void rows.load()}>the order has changed — reload <kbd>r</kbd></button>`
        : null}
      <div class="actions">
        ${chosen.size > 0 || isAll
          ? html`<${Chosen}
              count=${isAll ? rows.total : chosen.size}
              isAll=${isAll}
              leftOut=${leftOut.size}
              onAll=${chooseAll}
              onNone=${chooseNone}
              onVerb=${(/** @type {string} */ name) => setAsking({ verb: verbOf(name), choice: target })}
              two=${!isAll && chosen.size === 2 ? [...chosen] : null}
            />`
          : html`<${ColumnChoice} shown=${shown} />`}
      </div>
    </div>
    <${Filters} where=${where} isSettled=${rows.isCounted} />
    ${rows.error ? html`<${ErrorBox} error=${rows.error} retry=${() => void rows.load()} />` : null}
    ${rows.count === undefined
        ? rows.error
          ? null
          : html`<${Loading} />`
        : rows.total === 0
          ? html`<${Nothing} where=${where} />`
          : html`<${Table}
              key=${`${where} ${by} ${descending}`}
              label="Invocations"
              columns=${columns}
              count=${rows.total}
              rowAt=${(/** @type {number} */ index) => rows.at(index)}
              keyOf=${(/** @type {Row} */ row) => row.id}
              onOpen=${(/** @type {Row} */ row) => open(row.id)}
              onSeen=${(/** @type {number} */ first, /** @type {number} */ last) => rows.see(first, last)}
              fetch=${(/** @type {number} */ first, /** @type {number} */ last) => rows.fetch(first, Math.min(last, first + MAX_CHOSEN))}
              selected=${isAll ? { has: (/** @type {string} */ id) => !leftOut.has(id) } : chosen}
              onSelect=${may("admin") ? choose : undefined}
              sorted=${{ by, descending }}
              onSort=${(/** @type {string} */ column) => {
                resorted.current = { column, before: rows };
                setParams({ sort: column === "created_at" ? "" : column, order: by === column && descending ? "asc" : "" }, { push: true });
              }}
              resorted=${resorted.current?.column ?? null}
              classOf=${(/** @type {Row} */ row) => (row.fits === 0 || row.fits === -1 ? "stale" : "")}
              onHeld=${(/** @type {boolean} */ isHeld) => (calm.current.isHeld = isHeld)}
              begin=${rows.isCounted ? begin : 0}
              onScroll=${(/** @type {number} */ top) => {
                calm.current.top = top;
                keepScroll(top);
              }}
            />`}
    ${asking
      ? html`<${BulkDialog}
          key=${JSON.stringify(asking)}
          verb=${asking.verb}
          choice=${asking.choice}
          onAsked=${chooseNone}
          onClose=${() => {
            setAsking(null);
            if (chosen.size === 0 && !isAll) void rows.load(); // a job was started: what fitted may not fit any more
          }}
          onRetry=${(/** @type {import("../ui/verbs.js").Verb} */ verb, /** @type {import("../lib/where.js").Choice} */ choice) => setAsking({ verb, choice })}
        />`
      : null}
  </div>`;
}

/**
 * What is chosen, and what can be asked of it.
 * @param {{ count: number, isAll: boolean, leftOut: number, two: string[] | null, onAll: () => void, onNone: () => void, onVerb: (name: string) => void }} props
 */
function Chosen({ count, isAll, leftOut, two, onAll, onNone, onVerb }) {
  const isTooMany = !isAll && count > MAX_CHOSEN;
  return html`<span role="status">${isAll ? `all ${invocations(count)} that match${leftOut > 0 ? `, but ${leftOut.toLocaleString()}` : ""}` : `${invocations(count)} chosen`}</span>
    ${isAll ? null : html`<button type="button" class="plain" onClick=${onAll}>all matches</button>`}
    <button type="button" class="plain" onClick=${onNone}>none</button>
    ${two ? html`<a class="button" href=${href(["invocations", two[1]], { compare: two[0] })}>Compare the two</a>` : null}
    ${!may("admin")
      ? html`<span class="faint">bulk verbs need a token with the scope admin; open one invocation instead</span>`
      : isTooMany
      ? html`<span class="faint">more than ${MAX_CHOSEN.toLocaleString()}: narrow the filter and select all matches</span>`
      : VERBS.filter((verb) => may(verb.scope)).map(
          (verb) => html`<button key=${verb.name} type="button" onClick=${() => onVerb(verb.name)}>${verb.title}</button>`,
        )}`;
}

/** @param {{ shown: string[] }} props */
function ColumnChoice({ shown }) {
  return html`<details class="menu">
    <summary>Columns</summary>
    <div class="menu-box">
      ${COLUMNS.map(
        (column) => html`<label key=${column.name} class="check">
          <input
            type="checkbox"
            checked=${shown.includes(column.name)}
            onChange=${() => {
              const next = COLUMNS.filter((one) => (one.name === column.name) !== shown.includes(one.name)).map((one) => one.name);
              const text = next.join(",");
              setParams({ columns: text === USUAL ? "" : text });
            }}
          />
          ${column.title} <span class="faint">column</span>
        </label>`,
      )}
    </div>
  </details>`;
}

/**
 * @param {{ where: string, isSettled: boolean, isUnasked?: boolean }} props `isSettled`: the rows are there, so there is time for what
 *   helps to choose; `isUnasked`: the condition has not been run, so nothing is put beside it
 */
function Filters({ where, isSettled, isUnasked = false }) {
  const parts = parse(where);
  const states = statesOf(parts);
  const isFixed = isUnasked || unbalanced(where) !== ""; // nothing can be put beside it
  const [text, setText] = useState(where);
  const [mine, setMine] = useState(saved);
  const services = useLive("services of the filter", (abort) => get("services", {}, abort));
  const errors = useLive(
    `errors of the filter ${isSettled || where !== ""}`,
    async (abort) =>
      isSettled || where !== "" ? select(
        "select last_error_type as type, count(*) as n from sys_invocation where last_error_type is not null and service not like 'playhead.%' group by 1 order by 2 desc limit 50",
        [],
        abort,
      ) : [],
    { when: (changes) => changes.invocations.length > 0, every: 5_000 },
  );
  useLayoutEffect(() => setText(where), [where]);

  /** @param {Part[]} next */
  const apply = (next) => setParams({ where: format(next) }, { push: true });
  /** @param {{ name: string, where: string }[]} next */
  function keep(next) {
    setMine(next);
    localStorage.setItem(SAVED_KEY, JSON.stringify(next));
  }
  /** @param {Event} event */
  const valueOf = (event) => /** @type {HTMLInputElement} */ (event.target).value;
  const service = equalTo(parts, "service");
  const handlers = (services.data?.services ?? []).filter((/** @type {any} */ one) => !service || one.name === service);
  const handlerNames = [...new Set(handlers.flatMap((/** @type {any} */ one) => one.handlers.map((/** @type {any} */ h) => h.name)))].sort();
  const since = parts.find((part) => part.is === "since");
  const error = equalTo(parts, "last_error_type");
  const errorTypes = [...new Set([...(errors.data ?? []).map((row) => row.type), ...(error ? [error] : [])])];

  return html`<div class="filters">
    <div class="chips" role="group" aria-label="Status">
      ${[...OPEN, ...ENDS].map(
        (state) => html`<button
          key=${state}
          type="button"
          class="chip"
          aria-pressed=${states.includes(state)}
          disabled=${isFixed}
          onClick=${() => apply(withStates(parts, states.includes(state) ? states.filter((one) => one !== state) : [...states, state]))}
        >
          <${Status} status=${state} />
        </button>`,
      )}
    </div>
    <div class="picks">
      <select aria-label="Service" disabled=${isFixed} value=${service} onChange=${(/** @type {Event} */ e) => apply(withEqual(parts, "service", valueOf(e)))}>
        <option value="">every service</option>
        ${[...new Set([...(services.data?.services ?? []).map((/** @type {any} */ one) => one.name), ...(service ? [service] : [])])].map(
          (name) => html`<option key=${name} value=${name}>${name}</option>`,
        )}
      </select>
      <select aria-label="Handler" disabled=${isFixed} value=${equalTo(parts, "handler")} onChange=${(/** @type {Event} */ e) => apply(withEqual(parts, "handler", valueOf(e)))}>
        <option value="">every handler</option>
        ${handlerNames.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
      <select aria-label="Last error" disabled=${isFixed} value=${error} onChange=${(/** @type {Event} */ e) => apply(withEqual(parts, "last_error_type", valueOf(e)))}>
        <option value="">any error, or none</option>
        ${errorTypes.map((type) => html`<option key=${type} value=${type}>${visible(lastWord(type))}</option>`)}
      </select>
      <select
        aria-label="Created within"
        disabled=${isFixed}
        value=${since?.is === "since" ? String(since.seconds) : ""}
        onChange=${(/** @type {Event} */ e) => {
          const others = parts.filter((part) => part.is !== "since");
          apply(valueOf(e) ? [...others, { is: "since", seconds: Number(valueOf(e)) }] : others);
        }}
      >
        ${SINCE.map(([value, label]) => html`<option key=${value} value=${value}>${value ? `the last ${label}` : label}</option>`)}
        ${since?.is === "since" && !SINCE.some(([value]) => value === String(since.seconds))
          ? html`<option value=${String(since.seconds)}>the last ${since.seconds} seconds</option>`
          : null}
      </select>
      <details class="menu">
        <summary>Filters</summary>
        <div class="menu-box">
          ${[...READY_MADE, ...mine].map(
            (one) => html`<div key=${one.name} class="menu-row">
              <button
                type="button"
                class="plain"
                onClick=${(/** @type {Event} */ event) => {
                  setParams({ where: one.where }, { push: true });
                  /** @type {HTMLElement} */ (event.target).closest("details")?.removeAttribute("open");
                }}
              >
                ${visible(one.name)}
              </button>
              ${mine.includes(one)
                ? html`<button type="button" class="plain" aria-label=${`forget ${one.name}`} onClick=${() => keep(mine.filter((other) => other !== one))}>
                    ✕
                  </button>`
                : null}
            </div>`,
          )}
          ${where
            ? html`<form
                class="menu-row"
                onSubmit=${(/** @type {Event} */ event) => {
                  event.preventDefault();
                  const field = /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.target).elements.namedItem("name"));
                  const name = field.value.trim();
                  if (name) keep([...mine.filter((one) => one.name !== name), { name, where }]);
                  field.value = "";
                }}
              >
                <input name="name" aria-label="Name for this filter" placeholder="save this filter as…" maxlength="60" />
                <button type="submit">Keep</button>
              </form>`
            : null}
        </div>
      </details>
    </div>
    <form
      class="where"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        setParams({ where: text.trim() });
      }}
    >
      <label for="where">where</label>
      <input
        id="where"
        data-filter
        class="mono"
        spellcheck=${false}
        autocomplete="off"
        placeholder="status = 'paused' and last_error_type like '%Connection%'"
        value=${text}
        onInput=${(/** @type {Event} */ e) => setText(valueOf(e))}
        onKeyDown=${(/** @type {KeyboardEvent} */ e) => {
          if (e.key === "Escape") {
            setText(where);
            /** @type {HTMLElement} */ (e.target).blur();
          }
        }}
      />
      ${isUnasked || text.trim() !== where.trim() ? html`<button type="submit" class="primary">${isUnasked ? "Run" : "Apply"}</button>` : null}
      ${where ? html`<button type="button" class="plain" onClick=${() => setParams({ where: "" }, { push: true })}>clear</button>` : null}
    </form>
  </div>`;
}

/** @param {{ where: string }} props */
function Nothing({ where }) {
  if (where) {
    return html`<${Empty} title="No invocation matches this condition">
      <p>
        It can use every column of <code>sys_invocation</code>; completed ones are purged at the end of their retention.
        <button type="button" class="plain" onClick=${() => setParams({ where: "" }, { push: true })}>Show all</button>
      </p>
    <//>`;
  }
  return html`<${Empty} title="No invocation yet">
    <p>Every call of a handler is an invocation, listed here with its history until it is purged. Call a handler:</p>
    <pre>playhead call Service/key/handler '{"argument": 1}'</pre>
    <p>or send a message without waiting: <code>playhead send Service/key/handler</code>.</p>
  <//>`;
}

