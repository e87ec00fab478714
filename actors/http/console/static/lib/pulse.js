// How much ends, and how long it took from being accepted: by the second, for the last minutes. How much ended before this page
// was there, or while more ended than is told, the server has counted; the rest comes from what it tells as it happens. It is
// listened to from the start, whichever page is shown.

import { signal } from "@preact/signals";
import { get } from "./api.js";
import { listen } from "./live.js";
import { clockSkew } from "./session.js";
import { serverNow } from "./time.js";

export const SECONDS = 300;
const LEAST_SECONDS = 60;
const MOST_PER_SECOND = 2_000;
const LEAST_BETWEEN = 1;

/** @typedef {{ succeeded: number, failed: number, took: number[] }} Second */

/** @type {Map<number, Second>} */
const seconds = new Map();
/** @type {Map<string, number>} */
const ended = new Map();

/** Counts up when something is added. */
export const beat = signal(0);

/** When listening began, by this machine's clock: the server's, minutes off perhaps, is not known yet. */
const began = Date.now() / 1000;

/** The first second that the server has counted. */
let first = Infinity;

/** When listening began; of what ended before only the number is known here. */
function since() {
  return began + clockSkew.peek();
}
let filledAt = -Infinity;

/** Have the server's counts for all seconds that are over. */
async function fill() {
  if (serverNow() - filledAt < LEAST_BETWEEN) return;
  filledAt = serverNow();
  try {
    /** @type {{ since: number, now: number, seconds: { at: number, succeeded: number, otherwise: number }[] }} */
    const told = await get("metrics/throughput");
    first = Math.min(first, told.since);
    for (const one of told.seconds) {
      if (one.at < Math.floor(told.now)) seconds.set(one.at, { succeeded: one.succeeded, failed: one.otherwise, took: seconds.get(one.at)?.took ?? [] });
    }
    beat.value++;
  } catch {
    filledAt = -Infinity; // asked again with the next change
  }
}

listen((changes) => {
  let hasAny = false;
  if (filledAt === -Infinity || !changes.is_complete) void fill();
  for (const one of changes.invocations) {
    if (one.completed_at === null || ended.get(one.id) === one.completed_at || one.completed_at < since()) continue;
    ended.set(one.id, one.completed_at);
    const second = Math.floor(one.completed_at);
    const found = seconds.get(second) ?? { succeeded: 0, failed: 0, took: [] };
    if (one.outcome === "succeeded") found.succeeded++;
    else found.failed++;
    if (found.took.length < MOST_PER_SECOND) found.took.push(one.completed_at - one.created_at);
    seconds.set(second, found);
    hasAny = true;
  }
  if (hasAny) {
    forget();
    beat.value++;
  }
});

function forget() {
  const oldest = serverNow() - SECONDS - 5;
  for (const second of seconds.keys()) if (second < oldest) seconds.delete(second);
  for (const [id, at] of ended) if (at < oldest) ended.delete(id);
}

/**
 * The series of the last minutes: seconds, what succeeded and what did not in each, null where that is not known; and the median
 * and the 95th of a hundred of how long it took, null where nothing ended.
 * @returns {[number[], (number | null)[], (number | null)[], (number | null)[], (number | null)[]]}
 */
export function series() {
  const last = Math.floor(serverNow()) - 1; // the second that runs is not over
  const known = Math.floor(Math.min(first, since()));
  const begin = Math.max(last - SECONDS, Math.min(known, last - LEAST_SECONDS));
  const times = [];
  const good = [];
  const bad = [];
  const median = [];
  const slow = [];
  for (let second = begin; second <= last; second++) {
    const found = seconds.get(second);
    times.push(second);
    const unknown = second < known ? null : 0;
    good.push(found?.succeeded ?? unknown);
    bad.push(found?.failed ?? unknown);
    const took = found ? [...found.took].sort((a, b) => a - b) : [];
    median.push(took.length ? took[Math.floor(took.length / 2)] : null);
    slow.push(took.length ? took[Math.min(took.length - 1, Math.floor(took.length * 0.95))] : null);
  }
  return [times, good, bad, median, slow];
}
