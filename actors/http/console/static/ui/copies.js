// The same request as commands for a shell and as a program. The displayed text is what is copied: characters that
// cannot be seen are written out, each in the language in which it stands.

import { pathOf } from "../lib/api.js";
import { printJson } from "../lib/exact.js";
import { API_BASE } from "../lib/session.js";
import { visible } from "./json.js";

/** @typedef {{ service: string, key: string | null, handler: string }} Target */

/** What would end a part of a name, or would not be seen in it. */
const ENCODED = /[%/\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** @param {string} text */
function shellQuoted(text) {
  return /^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {Target} target */
function partsOf({ service, key, handler }) {
  return key === null ? [service, handler] : [service, key, handler];
}

/**
 * The name of a handler, on the command line and in Python.
 * @param {Target} target
 */
function nameOf(target) {
  return partsOf(target).map((part) => part.replace(ENCODED, encodeURIComponent)).join("/");
}

/**
 * An argument as JSON that can be seen; nothing for none.
 * @param {unknown} argument
 */
function jsonOf(argument) {
  return argument === undefined ? "" : visible(printJson(argument));
}

/**
 * A command that sends it.
 * @param {Target} target
 * @param {unknown} argument undefined: none
 */
export function asCommand(target, argument) {
  const json = jsonOf(argument);
  return `playhead send ${shellQuoted(nameOf(target))}${json ? ` ${shellQuoted(json)}` : ""} ${whereOf()}`;
}

/**
 * A command that describes an invocation.
 * @param {string} id
 */
export function asDescription(id) {
  return `playhead invocations describe ${id} ${whereOf()}`;
}

function whereOf() {
  return `--url ${shellQuoted(serverUrl())}`;
}

function serverUrl() {
  return API_BASE.href.replace(/\/$/, "");
}

/**
 * A request that calls or sends it, for curl.
 * @param {Target} target
 * @param {unknown} argument undefined: none
 * @param {{ isSent?: boolean }} [how]
 */
export function asCurl(target, argument, { isSent = false } = {}) {
  const parts = partsOf(target);
  const url = `${API_BASE.href}${pathOf(...parts, ...(isSent ? ["send"] : []))}`;
  const json = jsonOf(argument);
  const lines = [`curl -X POST ${shellQuoted(url)}`, `-H "authorization: Bearer $PLAYHEAD_TOKEN"`];
  if (json) lines.push(`-H 'content-type: application/json'`, `--data ${shellQuoted(json)}`);
  return lines.join(" \\\n  ");
}

/**
 * A program that sends it, and prints its result. A text in JSON is one in Python, too.
 * @param {Target} target
 * @param {unknown} argument undefined: none
 */
export function asPython(target, argument) {
  const json = jsonOf(argument);
  const given = json ? `, json.loads(${JSON.stringify(json)})` : "";
  return `${json ? "import json\n\n" : ""}import actors
import trio


async def main() -> None:
    async with actors.connect(${JSON.stringify(serverUrl())}) as client:  # the token is in PLAYHEAD_TOKEN
        handle = await client.send(${JSON.stringify(nameOf(target))}${given})
        print(await handle.result())


trio.run(main)
`;
}
