// The history and the output of one invocation, longer whenever something is added to them. Each is read once, for all that show it.

import { useEffect, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { listen, mayDiffer } from "./live.js";

/** @typedef {import("./timeline.js").Entry} Entry */
/** @typedef {import("./output.js").Chunk} Chunk */
/**
 * @template T
 * @typedef {{ entries: T[], error: unknown, isWhole: boolean }} Entries `isWhole`: read to its end, as of now
 */
/**
 * @template T
 * @typedef {{ path: string, params: Record<string, string>, entries: (page: any) => T[], most: number }} Part
 */

const PAGE = 1_000; // as many entries as the server sends at once

/** @type {Part<Entry>} */
const EVENTS = { path: "events", params: {}, entries: (page) => page.events, most: Infinity };

/** @type {Part<Chunk>} No page shows more pieces than these. */
const OUTPUT = { path: "output", params: { view: "all" }, entries: (page) => page.chunks, most: 20_000 };

/** @type {Entries<any>} */
const UNREAD = { entries: [], error: null, isWhole: false };

/**
 * Whether a change concerns an invocation: its own listing, or the log of its object.
 * @param {import("./live.js").Changes} changes
 * @param {string} id
 */
export function concerns(changes, id) {
  return changes.invocations.some((one) => one.id === id) || changes.gone.includes(id) || Object.keys(changes.objects).some((prefix) => id.startsWith(prefix));
}

/**
 * The reading of one part, for as long as anything shows it.
 * @template T
 */
class Reading {
  /** @param {string} id @param {Part<T>} part */
  constructor(id, part) {
    this.id = id;
    this.part = part;
    /** @type {Entries<T>} */
    this.history = UNREAD;
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    this._abort = new AbortController();
    this._last = 0;
    this._isBusy = false;
    this._isWanted = false;
    this._stop = listen((changes) => {
      if (mayDiffer(this.history.error, changes, concerns(changes, id))) void this.read();
    });
  }

  end() {
    this._abort.abort();
    this._stop();
  }

  async read() {
    this._isWanted = true;
    if (this._isBusy) return;
    this._isBusy = true;
    while (this._isWanted && !this._abort.signal.aborted) {
      this._isWanted = false;
      try {
        await this._readOn();
      } catch (error) {
        const { entries } = this.history;
        this._show({ entries, error, isWhole: entries.length > 0 });
      }
    }
    this._isBusy = false;
  }

  /** Read what has been added. */
  async _readOn() {
    const { path, params, most } = this.part;
    for (let isMore = this.history.entries.length < most; isMore; ) {
      const page = await get(`${pathOf("invocations", this.id)}/${path}`, { ...params, after: this._last }, this._abort.signal);
      this._last = Math.max(this._last, page.last);
      const added = this.part.entries(page);
      const isLast = added.length < PAGE || page.is_over;
      const { entries } = this.history;
      this._show({ entries: added.length > 0 ? [...entries, ...added] : entries, error: null, isWhole: isLast });
      isMore = !isLast && this.history.entries.length < most;
    }
  }

  /** @param {Entries<T>} history */
  _show(history) {
    if (this._abort.signal.aborted) return;
    this.history = history;
    for (const redraw of this.watchers) redraw();
  }
}

/** @type {Map<string, Reading<any>>} */
const readings = new Map();

/**
 * @param {string | null} id null: none is read
 * @returns {Entries<Entry>}
 */
export function useHistory(id) {
  return usePart(id, EVENTS);
}

/**
 * The entries of the output of an invocation, from the first on.
 * @param {string} id
 * @returns {Entries<Chunk>}
 */
export function useOutput(id) {
  return usePart(id, OUTPUT);
}

/**
 * @template T
 * @param {string | null} id
 * @param {Part<T>} part
 * @returns {Entries<T>}
 */
function usePart(id, part) {
  const [, redraw] = useState(0);
  const name = `${part.path} ${id}`;
  useEffect(() => {
    if (id === null) return undefined;
    const reading = readings.get(name) ?? new Reading(id, part);
    const watcher = () => redraw((count) => count + 1);
    if (!readings.has(name)) {
      readings.set(name, reading);
      void reading.read();
    }
    reading.watchers.add(watcher);
    watcher(); // it may have come further since this was drawn
    return () => {
      reading.watchers.delete(watcher);
      if (reading.watchers.size > 0) return;
      readings.delete(name);
      reading.end();
    };
  }, [name]);
  return (id === null ? undefined : readings.get(name)?.history) ?? UNREAD;
}
