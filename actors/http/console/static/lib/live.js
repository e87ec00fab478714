// One stream of changes from the server, shared by all tabs: a browser opens at most six connections to a server, so a stream in
// each of seven tabs would leave none for other requests. A hidden tab receives nothing. When it is shown again, or after a lost
// connection, the stream continues at its last position; if changes were skipped it reports `is_complete: false`, and every
// listener reloads its data.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, eventsOf, get, isFinal, send } from "./api.js";
import { API_BASE, me } from "./session.js";

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
 * @typedef {"lost" | { after: number | null, changes: Changes }} Said what the tab that hears the server tells the others
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
let isWanted = false;
let wake = () => {};

/**
 * Call the listener with every change, until the returned function is called.
 * @param {(changes: Changes) => void} listener
 */
export function listen(listener) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** The position up to which changes were received; null before the first. */
export function heard() {
  return position;
}

/** Fix the position at which the stream begins, so that a page that reads after this misses no change. */
export async function anchor() {
  position ??= (await get("changes")).position;
}

/** Start the stream, or restart it with another token at its last position. */
export function connect() {
  isWanted = true;
  if (!document.hidden) begin();
}

/** End it. */
export function disconnect() {
  isWanted = false;
  end();
  position = null;
}

function begin() {
  end();
  current = new AbortController();
  void share(current.signal);
}

function end() {
  current?.abort();
  current = null;
}

addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) end();
  else if (isWanted) begin();
});

/**
 * Hear the server, or the tab that hears it for all who came with the same token. Closing or hiding that tab gives up the
 * lock, and the next one goes on from where it was itself. Where pages have no locks (plain HTTP to another machine) each tab
 * hears for itself.
 * @param {AbortSignal} ended
 */
async function share(ended) {
  if (!navigator.locks) return run(ended, () => {});
  const name = `playhead.changes ${API_BASE.pathname} ${me.peek()?.name}`;
  const channel = new BroadcastChannel(name);
  ended.addEventListener("abort", () => channel.close());
  const lead = async () => {
    channel.onmessage = null;
    await run(ended, (said) => {
      if (!ended.aborted) channel.postMessage(said);
    });
  };
  try {
    const wasFree = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock !== null) await lead();
      return lock !== null;
    });
    if (wasFree) return;
    channel.onmessage = ({ data }) => void follow(data, ended);
    await Promise.all([catchUp(ended), navigator.locks.request(name, { signal: ended }, lead)]);
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}

/**
 * @param {Said} said
 * @param {AbortSignal} ended
 */
async function follow(said, ended) {
  if (said === "lost") connection.value = "lost";
  else if (position === null || said.after === null || said.after > position) await catchUp(ended);
  else if (said.changes.position > position || connection.value !== "live") tell(said.changes);
}

/**
 * Request the changes since the last position once.
 * @param {AbortSignal} ended
 */
async function catchUp(ended) {
  try {
    const changes = await get("changes", { after: position }, ended);
    if (!ended.aborted) tell(changes);
  } catch {
    if (!ended.aborted) connection.value = "lost"; // the tab that hears the server says when it is there again
  }
}

/**
 * @param {AbortSignal} ended
 * @param {(said: Said) => void} pass tells the other tabs
 */
async function run(ended, pass) {
  let retry = FIRST_RETRY_MS;
  while (!ended.aborted) {
    try {
      await hear(ended, (changes) => {
        retry = FIRST_RETRY_MS;
        pass({ after: position, changes });
        tell(changes);
      });
    } catch (error) {
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) return;
    }
    if (ended.aborted) return;
    connection.value = "lost";
    pass("lost");
    await pause(retry * (0.75 + Math.random() / 2), ended);
    retry = Math.min(retry * 2, LAST_RETRY_MS);
  }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} ended
 */
function pause(milliseconds, ended) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    ended.addEventListener("abort", () => wake(), { once: true });
  });
}

/**
 * @param {AbortSignal} ended
 * @param {(changes: Changes) => void} onChanges
 */
async function hear(ended, onChanges) {
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
    for await (const changes of eventsOf(response, restart)) onChanges(changes);
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
 * Whether asking again may be answered otherwise. What failed is asked again at once when the server is heard of; what was refused
 * for good is not, however much happens, and what was not there only when something happens to it.
 * @param {unknown} failure
 * @param {Changes} changes
 * @param {boolean} isConcerned
 */
export function mayDiffer(failure, changes, isConcerned) {
  if (isFinal(failure)) return /** @type {Problem} */ (failure).status === 404 && isConcerned;
  return Boolean(failure) || !changes.is_complete || isConcerned;
}

/**
 * Data of a page: loaded, and reloaded when a change concerns it. The last good answer stays while the
 * next one is loading, and if it fails.
 *
 * @template T
 * @param {string} key what it is; another key is another thing, and starts empty
 * @param {(abort: AbortSignal) => Promise<T>} load
 * @param {{ when?: (changes: Changes) => boolean, every?: number, isBehind?: (data: T) => boolean }} [again] which changes concern
 *   it (none, unless said); how many milliseconds to leave between two loads at least; and whether an answer lacks changes that
 *   have been heard, so that it is loaded again
 * @returns {{ data: T | undefined, error: Error | null, reload: () => void }}
 */
export function useLive(key, load, { when = () => false, every = 100, isBehind = () => false } = {}) {
  const [shown, show] = useState(
    /** @type {{ key: string, data: T | undefined, error: Error | null }} */ ({ key, data: undefined, error: null }),
  );
  const latest = useRef({ load, when, isBehind });
  latest.current = { load, when, isBehind };
  const reload = useRef(() => {});

  useEffect(() => {
    const abort = new AbortController();
    let isLoading = false;
    let isWanted = false;
    let isOver = false;
    /** @type {unknown} */
    let failure = null;
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
        failure = null;
        isWanted ||= latest.current.isBehind(data);
        if (!isOver) show({ key, data, error: null });
      } catch (error) {
        failure = error;
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
      if (mayDiffer(failure, changes, latest.current.when(changes))) void loadNow();
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
