// The changes of an object's fields: the latest of each, kept up to date, and earlier ones on request.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { useLive } from "./live.js";

/**
 * @typedef {{ number: number, at: number, by: string, invocation_id: string, value: any, item: string }} Change
 * @typedef {{ changes: Change[], isWhole: boolean }} Known `changes`: oldest first; `isWhole`: there are none before them
 * @typedef {{ number: number, at: number, by: string, invocation_id: string, fields: string[] }} Moment
 */

const PAGE = 200;
const FOLLOWED_MS = 1_000;

/**
 * Load with `useLive`, and again when the version changes. The previous data stays until the new arrives.
 * @template T
 * @param {string} key
 * @param {unknown} version
 * @param {(abort: AbortSignal) => Promise<T>} load
 * @param {number} every at least as many milliseconds between two loads
 */
export function useVersioned(key, version, load, every) {
  const live = useLive(key, load, { every });
  const seen = useRef({ key, version });
  useEffect(() => {
    if (seen.current.key === key && seen.current.version !== version) live.reload();
    seen.current = { key, version };
  }, [key, version]);
  return live;
}

/**
 * @param {string} place the address of the object
 * @param {string} field
 * @param {{ after?: number, before?: number, newest_first?: boolean, limit: number }} which
 * @param {AbortSignal} [abort]
 * @returns {Promise<Change[]>} oldest first
 */
async function read(place, field, which, abort) {
  const { changes } = await get(`${place}/${pathOf("fields", field, "history")}`, which, abort);
  return which.newest_first ? changes.reverse() : changes;
}

/**
 * The latest changes of these fields.
 * @param {string} place
 * @param {string[]} names
 * @param {number} version of the object
 */
export function useChanges(place, names, version) {
  const key = `changes ${place} ${names.join()}`;
  const kept = useRef({ key, room: PAGE, of: /** @type {Map<string, Known>} */ (new Map()) });
  if (kept.current.key !== key) kept.current = { key, room: PAGE, of: new Map() };
  const [failed, setFailed] = useState(/** @type {unknown} */ (null));
  const [, redraw] = useState(0);
  const own = kept.current;

  /** @param {string} name @param {AbortSignal} abort */
  async function follow(name, abort) {
    const after = own.of.get(name)?.changes.at(-1)?.number ?? 0;
    const found = await read(place, name, { after, newest_first: true, limit: PAGE }, abort);
    const before = own.of.get(name);
    // A full page may have skipped changes after the last known one. Start over rather than show a gap.
    const joined = found.length < PAGE && before ? [...before.changes, ...found] : found;
    const isWhole = found.length < PAGE && (before?.isWhole ?? true) && joined.length <= own.room;
    own.of = new Map(own.of).set(name, { changes: joined.slice(-own.room), isWhole });
  }

  const { data, error } = useVersioned(
    key,
    version,
    async (abort) => {
      await Promise.all(names.map((name) => follow(name, abort)));
      return own.of;
    },
    FOLLOWED_MS,
  );

  /** @param {string} name */
  async function readEarlier(name) {
    setFailed(null);
    try {
      const before = own.of.get(name)?.changes[0]?.number;
      const found = await read(place, name, { before, newest_first: true, limit: PAGE });
      const now = own.of.get(name);
      if (now === undefined || now.changes[0]?.number !== before) return; // it has started over in the meantime
      own.of = new Map(own.of).set(name, { changes: [...found, ...now.changes], isWhole: found.length < PAGE });
      own.room = Math.max(own.room, found.length + now.changes.length + PAGE);
      redraw((count) => count + 1);
    } catch (refusal) {
      setFailed(refusal);
    }
  }

  return { of: data && own.of, error: failed ?? error, readEarlier };
}

/**
 * The moments at which any field changed, in order, and the event `from` which all of them are known.
 * @param {Map<string, Known>} known
 * @returns {{ moments: Moment[], from: number }}
 */
export function momentsOf(known) {
  const from = Math.max(0, ...[...known.values()].map((one) => (one.isWhole ? 0 : one.changes[0].number)));
  return { moments: joined([...known].map(([name, { changes }]) => [name, changes.filter((one) => one.number >= from)])), from };
}

/** @param {[string, Change[]][]} found */
function joined(found) {
  /** @type {Map<number, Moment>} */
  const moments = new Map();
  for (const [field, changes] of found) {
    for (const { number, at, by, invocation_id } of changes) {
      const moment = moments.get(number) ?? { number, at, by, invocation_id, fields: [] };
      if (!moment.fields.includes(field)) moment.fields.push(field);
      moments.set(number, moment);
    }
  }
  return [...moments.values()].sort((a, b) => a.number - b.number);
}

/**
 * The change that is in effect as of an event, the one before it, and the one after it.
 * @param {string} place
 * @param {string[]} names
 * @param {number} number
 * @param {AbortSignal} abort
 * @returns {Promise<{ since: Moment | undefined, before: Moment | undefined, after: Moment | undefined }>}
 */
export async function around(place, names, number, abort) {
  /** @param {{ after?: number, before?: number, newest_first?: boolean }} which */
  const nearest = async (which) =>
    joined(await Promise.all(names.map(async (name) => /** @type {[string, Change[]]} */ ([name, await read(place, name, { ...which, limit: 1 }, abort)]))));
  const [upTo, behind] = await Promise.all([nearest({ before: number + 1, newest_first: true }), nearest({ after: number })]);
  const since = upTo.at(-1);
  const earlier = since ? await nearest({ before: since.number, newest_first: true }) : [];
  return { since, before: earlier.at(-1), after: behind[0] };
}
