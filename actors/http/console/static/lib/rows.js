// The rows of a list of invocations, of which there may be very many: pages of them are read when they are looked at, and what
// changes is read by id. Nothing that is shown moves by itself: what is new waits above, until it is let in.

import { Problem, select } from "./api.js";
import { quoted, unbalanced } from "./where.js";

export const PAGE = 200;
const MAX_HEAD = 5_000;

const COLUMNS =
  "id, target, service, key, handler, status, outcome, created_at, started_at, completed_at, scheduled_for, failed_attempts, " +
  "last_error_type, substr(last_error, 1, 300) as last_error, deployment, awaited_signal, awaited_since";

/**
 * @typedef {{ id: string, target: string, service: string, key: string | null, handler: string, status: string,
 *   outcome: string | null, created_at: number, started_at: number | null, completed_at: number | null,
 *   scheduled_for: number | null, failed_attempts: number, last_error_type: string | null, last_error: string | null,
 *   deployment: string | null, awaited_signal: string | null, awaited_since: number | null, fits?: number }} Row
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
    this.error = /** @type {unknown} */ (null);
    /** How many there are, without those that wait above. Undefined until that is known. */
    this.count = /** @type {number | undefined} */ (undefined);
    this.isCounted = false;
    /** New ones that are not shown yet. @type {Row[]} */
    this.waiting = [];
    /** New ones that are, above the first page. @type {Row[]} */
    this.head = [];
    /** Whether something has changed that would change the order. */
    this.isOutdated = false;
    this._onChange = onChange;
    this._abort = new AbortController();
    /** @type {Map<number, Row[]>} */
    this._pages = new Map();
    /** @type {Map<number, Promise<void>>} */
    this._asked = new Map();
    /** @type {Map<string, Row>} */
    this._byId = new Map();
    this._newest = 0;
    /** @type {Set<string>} */
    this._changed = new Set();
    this._isLooking = false;
  }

  close() {
    this._abort.abort();
  }

  /** Whether the newest stand first, so that new ones belong above. */
  get isByAge() {
    return this.order.by === "created_at" && this.order.descending;
  }

  get total() {
    return this.head.length + (this.count ?? 0);
  }

  /** The first page and the number of all. */
  async load() {
    try {
      const wrong = unbalanced(this.where);
      if (wrong) throw new Problem(`The condition: ${wrong}.`, { status: 400 });
      await this._loadPage(0);
      const first = this._pages.get(0)?.length ?? 0;
      this.count = first;
      this._onChange();
      if (first === PAGE) {
        const sql = `select count(*) as n from sys_invocation where ${condition(this.where)}`;
        this.count = (await select(sql, [], this._abort.signal))[0].n;
      }
      this.isCounted = true;
      this.error = null;
    } catch (error) {
      if (this._abort.signal.aborted) return;
      this.error = error;
    }
    this._onChange();
  }

  /** @param {number} index */
  at(index) {
    if (index < this.head.length) return this.head[index];
    const below = index - this.head.length;
    return this._pages.get(Math.floor(below / PAGE))?.[below % PAGE];
  }

  /**
   * These are looked at: what is not here yet is fetched.
   * @param {number} first
   * @param {number} last
   */
  see(first, last) {
    for (const page of this._pagesOf(first, last)) {
      void this._loadPage(page)
        .catch((error) => {
          this.error = this._abort.signal.aborted ? null : error;
        })
        .then(() => this._onChange());
    }
  }

  /**
   * Have these here, one page after the other; what cannot be had is told as an error of the list.
   * @param {number} first
   * @param {number} last
   */
  async fetch(first, last) {
    try {
      for (const page of this._pagesOf(first, last)) await this._loadPage(page);
    } catch (error) {
      this.error = this._abort.signal.aborted ? null : error;
      this._onChange();
    }
  }

  /** @param {number} first @param {number} last */
  _pagesOf(first, last) {
    if (this.count === undefined) return [];
    const from = Math.floor(Math.max(0, first - this.head.length) / PAGE);
    const to = Math.floor(Math.max(0, Math.min(this.count, last - this.head.length) - 1) / PAGE);
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  }

  /** @param {number} page @returns {Promise<void>} */
  _loadPage(page) {
    const asked = this._asked.get(page) ?? this._readPage(page);
    this._asked.set(page, asked);
    return asked;
  }

  /** @param {number} page */
  async _readPage(page) {
    try {
      const direction = this.order.descending ? "desc" : "asc";
      const pin = this.isByAge && this._newest ? ` and created_at <= ${this._newest}` : "";
      // Without a page before it that says where it begins, its rows are counted off.
      const before = this.isByAge ? this._pages.get(page - 1)?.at(-1) : undefined;
      const begin = before ? ` and (created_at < ${before.created_at} or (created_at = ${before.created_at} and id < ${quoted(before.id)}))` : "";
      const bound = before ? ` and created_at <= ${before.created_at}` : pin;
      const found = /** @type {Row[]} */ (
        await select(
          `select ${COLUMNS} from sys_invocation where ${condition(this.where)}${bound}${begin} ` +
            `order by ${this.order.by} ${direction}${this.order.by === "id" ? "" : `, id ${direction}`} ` +
            `limit ${PAGE}${before ? "" : ` offset ${page * PAGE}`}`,
          [],
          this._abort.signal,
        )
      );
      this._pages.set(page, found);
      for (const row of found) this._byId.set(row.id, row);
      if (page === 0 && found.length > 0) this._newest = found[0].created_at;
    } catch (error) {
      this._asked.delete(page);
      throw error;
    }
  }

  /**
   * What has changed, as the server tells it.
   * @param {import("./live.js").Changes} changes
   * @param {boolean} mayMove whether new rows may come in above at once
   */
  hear(changes, mayMove) {
    if (this.count === undefined) return;
    for (const one of changes.invocations) this._changed.add(one.id);
    for (const id of changes.gone) if (this._byId.has(id)) this._changed.add(id);
    if (!changes.is_complete) {
      for (const id of this._byId.keys()) this._changed.add(id);
      this.isOutdated = true;
    }
    void this._look(mayMove);
  }

  /** @param {boolean} mayMove */
  async _look(mayMove) {
    if (this._isLooking || this._changed.size === 0) return;
    this._isLooking = true;
    try {
      while (this._changed.size > 0) {
        const ids = [...this._changed].slice(0, 500);
        for (const id of ids) this._changed.delete(id);
        const fits = condition(this.where);
        const found = /** @type {Row[]} */ (
          await select(
            `select ${COLUMNS}, (${fits}) as fits from sys_invocation where id in (${ids.map(() => "?").join(", ")})`,
            ids,
            this._abort.signal,
          )
        );
        this._take(ids, found, mayMove);
      }
    } catch (error) {
      if (!this._abort.signal.aborted) this.error = error;
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
        this._byId.set(row.id, row);
        if (this.isByAge && row.created_at >= this._newest) this.waiting.push(row);
        else this.isOutdated = true;
      }
    }
    for (const id of gone) {
      const known = this._byId.get(id);
      if (known) known.fits = -1;
    }
    if (mayMove) this.letIn();
  }

  /** Show what has been waiting above. */
  letIn() {
    if (this.waiting.length === 0) return;
    this.waiting.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
    this.head = [...this.waiting, ...this.head].slice(0, MAX_HEAD);
    this.waiting = [];
    this._onChange();
  }
}
