// Bulk jobs: the verb, the number of invocations, the requester, and the results.

import { useState } from "preact/hooks";
import { get } from "../lib/api.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { go, href } from "../lib/router.js";
import { wordsOfJob } from "../lib/where.js";
import { Empty, ErrorBox, Loading, Time } from "../ui/bits.js";
import { visible } from "../ui/json.js";
import { Table } from "../ui/table.js";
import { BulkDialog, JobProgress, refusedOf, verbOf } from "../ui/verbs.js";

/** @type {import("../ui/table.js").Column<any>[]} */
const COLUMNS = [
  { name: "state", title: "State", width: "100px", cell: (job) => html`<span class=${`job-state ${job.state}`}>${job.state}</span>` },
  { name: "verb", title: "Verb", width: "80px", cell: (job) => html`<a href=${href(["jobs", job.id])}>${job.verb}</a>` },
  { name: "where", title: "Which", width: "minmax(200px, 2fr)", cell: (job) => html`<code>${visible(wordsOfJob(job))}</code>` },
  { name: "total", title: "Of", width: "80px", align: "right", cell: (job) => job.total.toLocaleString() },
  { name: "changed", title: "Changed", width: "80px", align: "right", cell: (job) => job.changed.toLocaleString() },
  { name: "refused", title: "Refused", width: "80px", align: "right", cell: (job) => refusedOf(job).toLocaleString() },
  { name: "started", title: "Started", width: "100px", cell: (job) => html`<${Time} at=${job.started_at} />` },
  { name: "by", title: "By", width: "minmax(100px, 1fr)", cell: (job) => visible(job.started_by) },
  { name: "reason", title: "Reason", width: "minmax(120px, 1fr)", cell: (job) => visible(String(job.options.reason ?? "")) },
];

/** The jobs that are retained. */
export function Jobs() {
  const { data, error, reload } = useLive("jobs", (abort) => get("jobs", { limit: 200 }, abort), {
    when: (changes) => changes.invocations.length > 0,
    every: 2_000,
  });
  return html`<div class="page full">
    <div class="page-head"><h1>Jobs</h1></div>
    ${error && !data ? html`<${ErrorBox} error=${error} retry=${reload} />` : null}
    ${data === undefined
      ? error
        ? null
        : html`<${Loading} />`
      : data.jobs.length === 0
        ? html`<${Empty} title="No jobs yet">
            <p>
              A job applies one verb to every invocation that matches a condition, and keeps the result for each. Filter${" "}
              <a href=${href(["invocations"])}>invocations</a>, select all matches with <kbd>a</kbd>, and choose a verb.
            </p>
          <//>`
        : html`<${Table}
            label="Jobs"
            columns=${COLUMNS}
            count=${data.jobs.length}
            rowAt=${(/** @type {number} */ index) => data.jobs[index]}
            keyOf=${(/** @type {any} */ job) => job.id}
            onOpen=${(/** @type {any} */ job) => go(href(["jobs", job.id]))}
          />`}
  </div>`;
}

/** @param {{ path: string[] }} props */
export function Job({ path }) {
  const [again, setAgain] = useState(/** @type {{ verb: string, choice: import("../lib/where.js").Choice } | null} */ (null));
  const { data } = useLive(`verb of ${path[1]}`, (abort) => get(`jobs/${encodeURIComponent(path[1])}`, {}, abort));
  return html`<div class="page">
    <div class="page-head"><h1>Job</h1><span class="id faint">${visible(path[1])}</span></div>
    <section class="panel" aria-label="Job"><div class="body">
      <${JobProgress} id=${path[1]} onRetry=${() => setAgain({ verb: data?.verb, choice: { refused_by: path[1] } })} />
    </div></section>
    ${again && verbOf(again.verb)
      ? html`<${BulkDialog}
          verb=${verbOf(again.verb)}
          choice=${again.choice}
          onClose=${() => setAgain(null)}
          onRetry=${(/** @type {import("../ui/verbs.js").Verb} */ verb, /** @type {import("../lib/where.js").Choice} */ choice) => setAgain({ verb: verb.name, choice })}
        />`
      : null}
  </div>`;
}
