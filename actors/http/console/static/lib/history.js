// The history of one invocation, complete, and longer whenever something is added to it.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { listen, mayDiffer } from "./live.js";

/** @typedef {import("./timeline.js").Entry} Entry */

/**
 * Whether a change concerns an invocation: its own listing, or the log of its object.
 * @param {import("./live.js").Changes} changes
 * @param {string} id
 */
export function concerns(changes, id) {
  return changes.invocations.some((one) => one.id === id) || changes.gone.includes(id) || Object.keys(changes.objects).some((prefix) => id.startsWith(prefix));
}

/**
 * @param {string} id
 * @returns {{ entries: Entry[], error: unknown, isWhole: boolean }} `isWhole`: read to its end, as of now
 */
export function useHistory(id) {
  const [shown, show] = useState({ entries: /** @type {Entry[]} */ ([]), error: /** @type {unknown} */ (null), isWhole: false });
  const state = useRef({ isBusy: false, isWanted: false });
  useEffect(() => {
    const abort = new AbortController();
    /** @type {Entry[]} */
    let entries = [];
    let last = 0;
    /** @type {unknown} */
    let failure = null;
    state.current = { isBusy: false, isWanted: false };
    const own = state.current;

    async function read() {
      if (own.isBusy) {
        own.isWanted = true;
        return;
      }
      own.isBusy = true;
      do {
        own.isWanted = false;
        try {
          for (;;) {
            const page = await get(`${pathOf("invocations", id)}/events`, { after: last }, abort.signal);
            const isMore = page.events.length > 0;
            if (isMore) entries = [...entries, ...page.events];
            last = Math.max(last, page.last);
            show({ entries, error: null, isWhole: !isMore || page.is_over });
            if (!isMore || page.is_over || page.events.length < 1000) break;
          }
          show({ entries, error: null, isWhole: true });
          failure = null;
        } catch (error) {
          if (abort.signal.aborted) return;
          failure = error;
          show({ entries, error, isWhole: entries.length > 0 });
        }
      } while (own.isWanted);
      own.isBusy = false;
    }

    void read();
    const stop = listen((changes) => {
      if (mayDiffer(failure, changes, concerns(changes, id))) void read();
    });
    return () => {
      abort.abort();
      stop();
    };
  }, [id]);
  return shown;
}
