// Every page, in one table: what it is called, where it is, and what shows it. `README.md` says how to add one.

import { Audit } from "./audit.js";
import { DeploymentPage, Deployments } from "./deployments.js";
import { Invocation } from "./invocation.js";
import { Invocations } from "./invocations.js";
import { Job, Jobs } from "./jobs.js";
import { Limits } from "./limits.js";
import { ObjectPage, Objects } from "./objects.js";
import { Overview } from "./overview.js";
import { SchedulePage, Schedules } from "./schedules.js";
import { Sql } from "./sql.js";
import { TryIt } from "./try.js";

/**
 * @typedef {{ path: string[], params: Record<string, string>, isOwn: boolean }} Props `isOwn`: the console has written the address
 * @typedef {{
 *   name: string,
 *   title: string,
 *   key: string,
 *   page: (props: Props) => import("../lib/html.js").VNode | null,
 *   detail?: (props: Props) => import("../lib/html.js").VNode | null,
 * }} Page `name` is the first part of its address; `key` goes there after `g`; `detail` shows what lies behind further parts
 */

/** @type {Page[]} */
export const PAGES = [
  { name: "overview", title: "Overview", key: "o", page: Overview },
  { name: "invocations", title: "Invocations", key: "i", page: Invocations, detail: Invocation },
  { name: "objects", title: "Objects", key: "b", page: Objects, detail: ObjectPage },
  { name: "deployments", title: "Deployments", key: "d", page: Deployments, detail: DeploymentPage },
  { name: "sql", title: "SQL", key: "s", page: Sql },
  { name: "audit", title: "Audit", key: "a", page: Audit },
  { name: "try", title: "Try it", key: "t", page: TryIt },
  { name: "jobs", title: "Jobs", key: "j", page: Jobs, detail: Job },
  { name: "schedules", title: "Schedules", key: "c", page: Schedules, detail: SchedulePage },
  { name: "limits", title: "Limits", key: "l", page: Limits },
];
