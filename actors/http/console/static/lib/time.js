// Times, both ways: how long ago, and exactly, with the zone. Seconds since 1970, by the server's clock.

import { signal } from "@preact/signals";
import { clockSkew } from "./session.js";

const exactly = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
  timeZoneName: "short",
});

const ofDay = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** The server's time of now; ticks once a second. */
export const now = signal(serverNow());

setInterval(() => {
  if (!document.hidden) now.value = serverNow();
}, 1000);

/** The server's time at this instant. */
export function serverNow() {
  return Date.now() / 1000 + clockSkew.peek();
}

/** @param {number} seconds */
export function exact(seconds) {
  return exactly.format(seconds * 1000);
}

/** @param {number} seconds */
export function clock(seconds) {
  return ofDay.format(seconds * 1000);
}

/**
 * A length of time in its two largest units.
 * @param {number} seconds
 */
export function length(seconds) {
  const size = Math.abs(seconds);
  if (size < 0.001) return `${Math.round(size * 1e6)} µs`;
  if (size < 1) return `${Math.round(size * 1000)} ms`;
  if (size < 10) return `${size.toFixed(1)} s`;
  if (size < 60) return `${Math.floor(size)} s`;
  if (size < 3600) return `${Math.floor(size / 60)} m ${pad(size % 60)} s`;
  if (size < 86400) return `${Math.floor(size / 3600)} h ${pad((size % 3600) / 60)} m`;
  return `${Math.floor(size / 86400)} d ${Math.floor((size % 86400) / 3600)} h`;
}

/** @param {number} part */
function pad(part) {
  return String(Math.floor(part)).padStart(2, "0");
}

/**
 * How long ago, or in how long.
 * @param {number} seconds
 * @param {number} from
 */
export function relative(seconds, from) {
  const difference = from - seconds;
  if (Math.abs(difference) < 1) return "now";
  return difference > 0 ? `${coarse(difference)} ago` : `in ${coarse(difference)}`;
}

/** @param {number} seconds */
function coarse(seconds) {
  const size = Math.abs(seconds);
  if (size < 60) return `${Math.floor(size)} s`;
  if (size < 3600) return `${Math.floor(size / 60)} m`;
  if (size < 86400) return `${Math.floor(size / 3600)} h ${pad((size % 3600) / 60)} m`;
  return `${Math.floor(size / 86400)} d`;
}
