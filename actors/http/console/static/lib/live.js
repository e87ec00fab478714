// One connection per tab, on which the server tells what has changed. It goes on where it was after it was lost; whatever
// could not be told meanwhile comes as `is_complete: false`, and whoever shows something then reads it again.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, eventsOf, send } from "./api.js";

/**
 * @typedef {{
 *   position: number,
 *   is_complete: boolean,
 *   invocations: { id: string, target: { service: string, key: string | null, handler: string }, status: string,
 *                  outcome: string | null, created_at: number, completed_at: number | null }[],
 *   gone: string[],
 *   objects: Record<string, number>,
 *   registry: boolean,
 * }} Changes
 */

const SILENCE_MS = 40_000; // the server says something every 15 seconds
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8_000;

/** How the connection is. */
export const connection = signal(/** @type {"connecting" | "live" | "lost"} */ ("connecting"));

/** @type {Set<(changes: Changes) => void>} */
const listeners = new Set();

/** @type {number | null} */
let position = null;
/** @type {AbortController | null} */
let current = null;
let wake = () => {};

/**
 * Hear of what changes, until the function that is returned is called.
 * @param {(changes: Changes) => void} listener
 */
export function listen(listener) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** Begin, or begin again with another token. */
export function connect() {
  disconnect();
  const abort = (current = new AbortController());
  void run(abort);
}

/** End it. */
export function disconnect() {
  current?.abort();
  current = null;
  position = null;
}

addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) wake();
});

/** @param {AbortController} abort */
async function run(abort) {
  let retry = FIRST_RETRY_MS;
  while (!abort.signal.aborted) {
    try {
      await hear(abort.signal, () => {
        retry = FIRST_RETRY_MS;
      });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) return;
    }
    if (abort.signal.aborted) return;
    connection.value = "lost";
    await pause(retry * (0.75 + Math.random() / 2));
    retry = Math.min(retry * 2, LAST_RETRY_MS);
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
  });
}

/**
 * @param {AbortSignal} ended
 * @param {() => void} onFirst
 */
async function hear(ended, onFirst) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    /** @type {Record<string, string>} */
    const headers = { accept: "text/event-stream" };
    if (position !== null) headers["last-event-id"] = String(position);
    const response = await send("GET", "changes", { headers, abort: AbortSignal.any([ended, silence.signal]) });
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
    };
    for await (const changes of eventsOf(response, restart)) {
      onFirst();
      tell(changes);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** @param {Changes} changes */
function tell(changes) {
  position = changes.position;
  connection.value = "live";
  for (const listener of [...listeners]) listener(changes);
}

/**
 * What a page shows: loaded, and loaded again when something happens that concerns it. The last good answer stays while the
 * next one is under way, and when it fails.
 *
 * @template T
 * @param {string} key what it is; another key is another thing, and starts empty
 * @param {(abort: AbortSignal) => Promise<T>} load
 * @param {{ when?: (changes: Changes) => boolean, every?: number }} [again] which changes concern it (none, unless said), and
 *   how many milliseconds to leave between two loads at least
 * @returns {{ data: T | undefined, error: Error | null, reload: () => void }}
 */
export function useLive(key, load, { when = () => false, every = 100 } = {}) {
  const [shown, show] = useState(
    /** @type {{ key: string, data: T | undefined, error: Error | null }} */ ({ key, data: undefined, error: null }),
  );
  const latest = useRef({ load, when });
  latest.current = { load, when };
  const reload = useRef(() => {});

  useEffect(() => {
    const abort = new AbortController();
    let isLoading = false;
    let isWanted = false;
    let isOver = false;
    let hasFailed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    async function loadNow() {
      if (isLoading || timer !== undefined) {
        isWanted = true;
        return;
      }
      isLoading = true;
      isWanted = false;
      try {
        const data = await latest.current.load(abort.signal);
        hasFailed = false;
        if (!isOver) show({ key, data, error: null });
      } catch (error) {
        hasFailed = true;
        if (!isOver) {
          show((before) => ({ key, data: before.key === key ? before.data : undefined, error: /** @type {Error} */ (error) }));
        }
      }
      isLoading = false;
      timer = setTimeout(() => {
        timer = undefined;
        if (isWanted && !isOver) void loadNow();
      }, every);
    }

    reload.current = () => void loadNow();
    void loadNow();
    const stop = listen((changes) => {
      if (hasFailed || !changes.is_complete || latest.current.when(changes)) void loadNow();
    });
    return () => {
      isOver = true;
      abort.abort();
      clearTimeout(timer);
      stop();
    };
  }, [key]);

  const { data, error } = shown.key === key ? shown : { data: undefined, error: null };
  return { data, error, reload: () => reload.current() };
}
