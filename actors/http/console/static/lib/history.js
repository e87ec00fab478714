// The history of one invocation, complete, and longer whenever something is added to it. It is read once, for all that show it.

import { useEffect, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { listen, mayDiffer } from "./live.js";

/** @typedef {import("./timeline.js").Entry} Entry */
/** @typedef {{ entries: Entry[], error: unknown, isWhole: boolean }} History `isWhole`: read to its end, as of now */

const PAGE = 1_000; // as many events as the server sends at once

/** @type {History} */
const UNREAD = { entries: [], error: null, isWhole: false };

/**
 * Whether a change concerns an invocation: its own listing, or the log of its object.
 * @param {import("./live.js").Changes} changes
 * @param {string} id
 */
export function concerns(changes, id) {
  return changes.invocations.some((one) => one.id === id) || changes.gone.includes(id) || Object.keys(changes.objects).some((prefix) => id.startsWith(prefix));
}

/** The reading of one history, for as long as anything shows it. */
class Reading {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** @type {History} */
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
    for (let isMore = true; isMore; ) {
      const page = await get(`${pathOf("invocations", this.id)}/events`, { after: this._last }, this._abort.signal);
      this._last = Math.max(this._last, page.last);
      isMore = page.events.length >= PAGE && !page.is_over;
      const { entries } = this.history;
      this._show({ entries: page.events.length > 0 ? [...entries, ...page.events] : entries, error: null, isWhole: !isMore });
    }
  }

  /** @param {History} history */
  _show(history) {
    if (this._abort.signal.aborted) return;
    this.history = history;
    for (const redraw of this.watchers) redraw();
  }
}

/** @type {Map<string, Reading>} */
const readings = new Map();

/**
 * @param {string | null} id null: none is read
 * @returns {History}
 */
export function useHistory(id) {
  const [, redraw] = useState(0);
  useEffect(() => {
    if (id === null) return undefined;
    const reading = readings.get(id) ?? new Reading(id);
    const watcher = () => redraw((count) => count + 1);
    if (!readings.has(id)) {
      readings.set(id, reading);
      void reading.read();
    }
    reading.watchers.add(watcher);
    watcher(); // it may have come further since this was drawn
    return () => {
      reading.watchers.delete(watcher);
      if (reading.watchers.size > 0) return;
      readings.delete(id);
      reading.end();
    };
  }, [id]);
  return (id === null ? undefined : readings.get(id)?.history) ?? UNREAD;
}
