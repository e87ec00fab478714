// Checks of many histories on other code: the server reports its progress while it replays them, and stops when the client
// disconnects.

import { useEffect, useState } from "preact/hooks";
import { Problem, eventsOf, send } from "./api.js";

const MOST = 250_000; // as many as the server replays for one question

/**
 * @typedef {{ summary: string, verdict: string, count: number, samples: string[], example: any }} Cohort
 * @typedef {{ deployment: string, wanted: number, checked: number, cohorts: Cohort[], skipped: [string, string][], skipped_count: number,
 *   is_complete: boolean }} Summary
 */

/**
 * @param {Record<string, unknown>} asked as `POST /checks` takes it
 * @returns {{ summary: Summary | undefined, isOver: boolean, isStopped: boolean, error: unknown, stop: () => void }}
 */
export function useChecks(asked) {
  const body = JSON.stringify(asked);
  const [shown, show] = useState({ body: "", summary: /** @type {Summary | undefined} */ (undefined), error: /** @type {unknown} */ (null), isStopped: false });
  const [abort, setAbort] = useState(/** @type {AbortController | null} */ (null));

  useEffect(() => {
    const own = new AbortController();
    /** @type {Summary | undefined} */
    let summary;
    setAbort(own);
    show({ body, summary, error: null, isStopped: false });
    void (async () => {
      try {
        const headers = { accept: "text/event-stream" };
        const response = await send("POST", "checks", { body: JSON.parse(body), query: { limit: MOST }, headers, abort: own.signal });
        for await (const told of eventsOf(response)) {
          summary = told;
          show({ body, summary, error: null, isStopped: false });
        }
        if (summary === undefined || !isDone(summary)) throw new Problem("The check was interrupted.", { advice: "Start it again." });
      } catch (error) {
        show({ body, summary, error: own.signal.aborted ? null : error, isStopped: own.signal.aborted });
      }
    })();
    return () => own.abort();
  }, [body]);

  const { summary, error, isStopped } = shown.body === body ? shown : { summary: undefined, error: null, isStopped: false };
  return { summary, error, isStopped, isOver: summary !== undefined && isDone(summary), stop: () => abort?.abort() };
}

/** @param {Summary} summary */
function isDone(summary) {
  return summary.checked + summary.skipped_count === summary.wanted;
}
