// The rows of a list of invocations, which may be very long: pages are read when they become visible, and changed rows
// are read by id. Displayed rows never move on their own: new rows wait above until the user shows them.

import { Problem, post, select } from "./api.js";
import { quoted, unbalanced } from "./where.js";

export const PAGE = 200;
const MAX_HEAD = 5_000;
const MAX_PAGES = 120;
const MAX_LOOKED_AT = 500;
const SETTLED_MS = 80;
const LEAST_BETWEEN_MS = 2_000;
const REST = 30; // after a load that took long, the next one waits for this many times as long

const COLUMNS =
  "id, target, service, key, handler, status, outcome, created_at, started_at, completed_at, scheduled_for, failed_tries, " +
  "last_error_type, substr(last_error, 1, 300) as last_error, deployment, awaited_signal, awaited_since, status_text, tags";

/**
 * @typedef {{ id: string, target: string, service: string, key: string | null, handler: string, status: string,
 *   outcome: string | null, created_at: number, started_at: number | null, completed_at: number | null,
 *   scheduled_for: number | null, failed_tries: number, last_error_type: string | null, last_error: string | null,
 *   deployment: string | null, awaited_signal: string | null, awaited_since: number | null, status_text: string | null, tags: string, fits?: number }} Row
 */

/** @typedef {{ by: string, descending: boolean }} Order */

/** Users' own, not those of built-in objects. */
const USERS = "service not like 'playhead.%'";

/**
 * What is asked for, as one condition.
 * @param {string} where
 */
export function condition(where) {
  return where.trim() ? `(${where}\n) and ${USERS}` : USERS;
}

/** The advice of a list while the server is unavailable: the list retries automatically. */
const isPassing = (/** @type {unknown} */ error) => error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);

/** One list: what fits a condition, in an order. */
export class Rows {
  /**
   * @param {string} where
   * @param {Order} order
   * @param {() => void} onChange
   */
  constructor(where, order, onChange) {
    this.where = where;
    this.order = order;
    /** What went wrong last; what is here is shown all the same. */
    this.error = /** @type {unknown} */ (null);
    /** How many there are, without those that wait above. Undefined until that is known. */
    this.count = /** @type {number | undefined} */ (undefined);
    this.isCounted = false;
    /** New ones that are not shown yet; no more than `MAX_HEAD` are kept. @type {Row[]} */
    this.waiting = [];
    /** New ones that are, above the first page. @type {Row[]} */
    this.head = [];
    /** Whether something has changed that would change the order. */
    this.isOutdated = false;
    this._onChange = onChange;
    this._over = new AbortController();
    /** @type {Map<number, Row[]>} */
    this._pages = new Map();
    /** @type {Map<number, AbortController>} */
    this._asked = new Map();
    /** @type {Map<string, Row>} */
    this._byId = new Map();
    this._newest = 0;
    /** @type {Set<string>} */
    this._changed = new Set();
    this._isLooking = false;
    this._isLoading = false;
    this._mayLoadAt = 0;
    this._seen = { first: 0, last: 0 };
    this._later = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
    this._settling = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  }

  close() {
    this._over.abort();
    clearTimeout(this._settling);
    clearTimeout(this._later);
  }

  /** Whether the newest stand first, so that new ones belong above. */
  get isByAge() {
    return this.order.by === "created_at" && this.order.descending;
  }

  get total() {
    return this.head.length + (this.count ?? 0);
  }

  /** The first page and the number of all; what is shown stays until these are here. */
  async load() {
    if (this._isLoading) return;
    this._isLoading = true;
    const began = performance.now();
    try {
      const wrong = unbalanced(this.where);
      if (wrong) throw new Problem(`The condition: ${wrong}.`, { status: 400 });
      const first = await this._fetch(0, "", this._over.signal);
      this._begin(first);
      this._onChange();
      if (first.length === PAGE) this.count = Math.max(PAGE, await this._countAll());
      this.isCounted = true;
      this.error = null;
    } catch (error) {
      if (this._over.signal.aborted) return;
      this.error = await inOwnWords(error, this.where, this._over.signal);
    }
    this._isLoading = false;
    const now = performance.now();
    this._mayLoadAt = now + Math.max(LEAST_BETWEEN_MS, REST * (now - began));
    this._ask();
    this._onChange();
  }

  /** Load again because of a change: soon, but not all the time. A list of very many is read every two seconds at most. */
  _loadAgain() {
    if (this._later !== undefined) return;
    this._later = setTimeout(() => {
      this._later = undefined;
      void this.load();
    }, Math.max(0, this._mayLoadAt - performance.now()));
  }

  /** How many there are, without those that came after the first page. Conditions on what is counted are answered from counters. */
  async _countAll() {
    const sql = `select count(*) as n from sys_invocation where ${condition(this.where)}`;
    const all = (await select(sql, [], this._over.signal))[0].n;
    if (!this._pin) return all;
    return all - (await select(`${sql} and created_at > ${this._newest}`, [], this._over.signal))[0].n;
  }

  /** @param {Row[]} first the first page, as it is now */
  _begin(first) {
    for (const abort of this._asked.values()) abort.abort();
    this._asked.clear();
    const known = new Set(first.map((row) => row.id));
    this._newest = first[0]?.created_at ?? 0;
    this.head = [];
    this.waiting = this.waiting.filter((row) => row.created_at >= this._newest && !known.has(row.id));
    this._byId = new Map([...first, ...this.waiting].map((row) => [row.id, row]));
    this._pages = new Map([[0, first]]);
    this.count = first.length < PAGE ? first.length : Math.max(first.length, this.count ?? 0);
    this.isOutdated = false;
  }

  /** @param {number} index */
  at(index) {
    if (index < this.head.length) return this.head[index];
    const below = index - this.head.length;
    return this._pages.get(Math.floor(below / PAGE))?.[below % PAGE];
  }

  /**
   * These are looked at: what is not here yet is fetched, once they have been looked at for a moment.
   * @param {number} first
   * @param {number} last
   */
  see(first, last) {
    this._seen = { first, last };
    if (this._settling === undefined) this._ask();
    clearTimeout(this._settling);
    this._settling = setTimeout(() => {
      this._settling = undefined;
      this._ask();
    }, SETTLED_MS);
  }

  /** The ids of what is looked at. */
  _shown() {
    const ids = [];
    for (let index = this._seen.first; index < this._seen.last; index++) {
      const row = this.at(index);
      if (row) ids.push(row.id);
    }
    return ids;
  }

  /** Ask for the pages that are looked at, and for no others. */
  _ask() {
    if (this.count === undefined || this._over.signal.aborted) return;
    const wanted = this._pagesOf(this._seen.first, this._seen.last);
    for (const [page, abort] of this._asked) {
      if (!wanted.includes(page)) {
        abort.abort();
        this._asked.delete(page);
      }
    }
    for (const page of wanted) if (!this._pages.has(page) && !this._asked.has(page)) void this._read(page);
  }

  /**
   * Have these here, one page after the other; what cannot be had is told as an error of the list.
   * @param {number} first
   * @param {number} last
   */
  async fetch(first, last) {
    try {
      for (const page of this._pagesOf(first, last)) {
        if (!this._pages.has(page)) this._keep(page, await this._fetch(page, this._pin, this._over.signal));
      }
    } catch (error) {
      if (this._over.signal.aborted) return;
      this.error = error;
      this._onChange();
    }
  }

  /** @param {number} first @param {number} last */
  _pagesOf(first, last) {
    const from = Math.floor(Math.max(0, first - this.head.length) / PAGE);
    const to = Math.floor(Math.max(0, Math.min(this.count ?? 0, last - this.head.length) - 1) / PAGE);
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  }

  /** @param {number} page */
  async _read(page) {
    const abort = new AbortController();
    this._asked.set(page, abort);
    try {
      const found = await this._fetch(page, this._pin, AbortSignal.any([this._over.signal, abort.signal]));
      this._keep(page, found);
      this.error = null;
    } catch (error) {
      if (this._over.signal.aborted || abort.signal.aborted) return;
      this.error = error;
    }
    this._asked.delete(page);
    this._onChange();
  }

  /** @param {number} page @param {Row[]} found its rows; when there are many pages, what lies far from it is dropped */
  _keep(page, found) {
    this._pages.set(page, found);
    for (const row of found) this._byId.set(row.id, row);
    if (found.length < PAGE) this.count = page * PAGE + found.length; // it ends here: some have been purged
    while (this._pages.size > MAX_PAGES) {
      const far = [...this._pages.keys()].reduce((a, b) => (Math.abs(a - page) > Math.abs(b - page) ? a : b));
      for (const row of this._pages.get(far) ?? []) this._byId.delete(row.id);
      this._pages.delete(far);
    }
  }

  /** Leaves out what came after the first page. */
  get _pin() {
    return this.isByAge && this._newest ? ` and created_at <= ${this._newest}` : "";
  }

  /** @param {number} page @param {string} pin @param {AbortSignal} abort @returns {Promise<Row[]>} */
  async _fetch(page, pin, abort) {
    const direction = this.order.descending ? "desc" : "asc";
    // Without a page before it that says where it begins, its rows are counted off.
    const before = this.isByAge && page > 0 ? this._pages.get(page - 1)?.at(-1) : undefined;
    const begin = before ? ` and (created_at < ${before.created_at} or (created_at = ${before.created_at} and id < ${quoted(before.id)}))` : "";
    const bound = before ? ` and created_at <= ${before.created_at}` : pin;
    return /** @type {Promise<Row[]>} */ (
      select(
        `select ${COLUMNS} from sys_invocation where ${condition(this.where)}${bound}${begin} ` +
          `order by ${this.order.by} ${direction}${this.order.by === "id" ? "" : `, id ${direction}`} ` +
          `limit ${PAGE}${before ? "" : ` offset ${page * PAGE}`}`,
        [],
        abort,
      )
    );
  }

  /**
   * What has changed, as the server tells it; and so the server is there, also if it was not.
   * @param {import("./live.js").Changes} changes
   * @param {boolean} mayMove whether new rows may come in above at once
   */
  hear(changes, mayMove) {
    const wasLost = isPassing(this.error);
    if (wasLost) this.error = null;
    if (this.count === undefined || (wasLost && !this.isCounted)) {
      if (wasLost) void this.load();
      return;
    }
    if (!changes.is_complete && mayMove) {
      this._changed.clear(); // whatever it is, the list that is read again has it
      this._loadAgain();
    } else {
      for (const one of changes.invocations) this._changed.add(one.id);
      for (const id of changes.gone) if (this._byId.has(id)) this._changed.add(id);
      if (!changes.is_complete) {
        for (const id of this._shown()) this._changed.add(id);
        this.isOutdated = true;
      }
    }
    if (wasLost) {
      this._ask();
      this._onChange();
    }
    void this._look(mayMove);
  }

  /** @param {boolean} mayMove */
  async _look(mayMove) {
    if (this._isLooking || this._changed.size === 0) return;
    this._isLooking = true;
    /** @type {string[]} */
    let ids = [];
    try {
      while (this._changed.size > 0) {
        ids = [...this._changed].slice(0, MAX_LOOKED_AT);
        for (const id of ids) this._changed.delete(id);
        const fits = condition(this.where);
        const found = /** @type {Row[]} */ (
          await select(
            `select ${COLUMNS}, (${fits}) as fits from sys_invocation where id in (${ids.map(() => "?").join(", ")})`,
            ids,
            this._over.signal,
          )
        );
        this._take(ids, found, mayMove);
      }
    } catch (error) {
      if (this._over.signal.aborted) return;
      for (const id of ids) this._changed.add(id); // they are looked at when the server is heard again
      this.error = error;
    }
    this._isLooking = false;
    this._onChange();
  }

  /** @param {string[]} ids @param {Row[]} found @param {boolean} mayMove */
  _take(ids, found, mayMove) {
    const gone = new Set(ids);
    for (const row of found) {
      gone.delete(row.id);
      const known = this._byId.get(row.id);
      if (known) {
        Object.assign(known, row);
      } else if (row.fits) {
        if (!this.isByAge) this.isOutdated = true;
        else if (row.created_at >= this._newest) this._wait(row);
        // Without a condition it has fitted before, and stands on a page that is not here.
        else if (this.where.trim() || this._isMissing(row)) this.isOutdated = true;
      }
    }
    for (const id of gone) {
      const known = this._byId.get(id);
      if (known) known.fits = -1;
    }
    if (mayMove) this.letIn();
  }

  /** @param {Row} row a new one */
  _wait(row) {
    if (this.waiting.length >= MAX_HEAD) return; // the list is read again instead, with all of them
    this._byId.set(row.id, row);
    this.waiting.push(row);
  }

  /** @param {Row} row one that is not here, and ought to be if its page is */
  _isMissing(row) {
    return [...this._pages.values()].some((page) => page.length > 0 && page[0].created_at >= row.created_at && page[page.length - 1].created_at <= row.created_at);
  }

  /** Show what has been waiting above. */
  letIn() {
    if (this.waiting.length === 0) return;
    if (this.waiting.length + this.head.length > MAX_HEAD) {
      this.waiting = [];
      void this.load();
      return;
    }
    this.waiting.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
    this.head = [...this.waiting, ...this.head];
    this.waiting = [];
    this._onChange();
  }
}

/**
 * Why a condition is invalid, in terms of the user's text: positions in errors of generated queries are mapped back to it.
 * @param {unknown} error
 * @param {string} where
 * @param {AbortSignal} abort
 */
async function inOwnWords(error, where, abort) {
  if (!(error instanceof Problem) || error.status !== 400 || !where.trim() || unbalanced(where)) return error;
  try {
    await post("jobs/preview", { where, sample: 0 }, { abort });
  } catch (refusal) {
    if (!(refusal instanceof Problem) || refusal.status !== 400) return error;
    refusal.advice = refusal.message.startsWith("no such column")
      ? "Write text in single quotes: status = 'paused'."
      : "Write a condition in SQL: status = 'paused' and failed_attempts > 3.";
    return refusal;
  }
  return error;
}
