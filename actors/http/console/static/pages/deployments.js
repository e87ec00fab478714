// Deployments: the registered code, the invocations that run on it, its files, and a check of all open invocations on it.

import { useState } from "preact/hooks";
import { get, patch, pathOf, select } from "../lib/api.js";
import { useChecks } from "../lib/checks.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { go, href, setParams } from "../lib/router.js";
import { may } from "../lib/session.js";
import { OPEN, quoted } from "../lib/where.js";
import { Copy, Empty, ErrorBox, Facts, InvocationLink, Loading, Section, Status, Time } from "../ui/bits.js";
import { Check, VERDICTS } from "../ui/check.js";
import { Code } from "../ui/code.js";
import { Dialog, Field } from "../ui/dialog.js";
import { Counts, Diff } from "../ui/diff.js";
import { visible } from "../ui/json.js";
import { PANEL, Tabs, tabId } from "../ui/tabs.js";
import { toast } from "../ui/toast.js";
import { CheckProgress } from "../ui/verbs.js";

/**
 * @typedef {{ id: string, entries: string[], files: number, size: number, registered_at: number, registered_by: string,
 *   is_latest: boolean, is_served: boolean, is_loaded: boolean, passed_over: string, open_invocations: number }} Deployment
 * @typedef {{ path: string, size: number, digest: string, text: string | null }} CodeFile
 * @typedef {import("../lib/checks.js").Cohort} Cohort
 */

const OPENED_FILES = 6;

/** @param {number} bytes */
function sized(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** @param {Event} event */
function value(event) {
  return /** @type {HTMLInputElement} */ (event.target).value;
}

function useDeployments() {
  return useLive("deployments", async (abort) => /** @type {Deployment[]} */ ((await get("deployments", {}, abort)).deployments), {
    when: (changes) => changes.registry || changes.invocations.length > 0,
    every: 500,
  });
}

/** @param {{ deployment: Deployment }} props */
function State({ deployment }) {
  if (deployment.is_latest) return html`<span class="state latest"><span aria-hidden="true">★</span> latest</span>`;
  return deployment.open_invocations > 0
    ? html`<span class="state draining"><span aria-hidden="true">◔</span> draining</span>`
    : html`<span class="state drained"><span aria-hidden="true">○</span> drained</span>`;
}

export function Deployments() {
  const { data, error, reload } = useDeployments();
  if (data === undefined) return error ? html`<${ErrorBox} error=${error} retry=${reload} />` : html`<${Loading} />`;
  if (data.length === 0) {
    return html`<div class="page">
      <div class="page-head"><h1>Deployments</h1></div>
      <${Empty} title="No code is registered">
        <p>
          A deployment is a snapshot of an application's code, made when the application is served from its files. Open invocations
          stay on the code on which they began, and new invocations run on the latest.
        </p>
        <pre>playhead serve shop/app.py</pre>
      <//>
    </div>`;
  }
  return html`<div class="page">
    <div class="page-head"><h1>Deployments</h1><span class="faint num">${data.length}</span></div>
    <${ErrorBox} error=${error} />
    <p class="faint">New invocations run on the latest. Open invocations stay on the code on which they began until they end or are moved.</p>
    <div class="panel scroll-x">
      <table class="plain deployments">
        <thead>
          <tr><th>Deployment</th><th>State</th><th class="right">Still runs</th><th>Code</th><th>Registered</th><th><span class="visually-hidden">Actions</span></th></tr>
        </thead>
        <tbody>
          ${data.map(
            (one, index) => html`<tr key=${one.id}>
              <td><a class="id" href=${href(["deployments", one.id])}>${one.id}</a></td>
              <td>
                <${State} deployment=${one} />
                ${one.is_served ? html` <span class="tag" title="the process runs this code from its own files">served</span>` : null}
                ${one.passed_over ? html`<div class="faint">${visible(one.passed_over)}</div>` : null}
              </td>
              <td class="right">
                ${one.open_invocations > 0
                  ? html`<a href=${href(["invocations"], { where: stillOn(one.id) })}>${one.open_invocations.toLocaleString()}</a>`
                  : html`<span class="faint">0</span>`}
              </td>
              <td>${visible(one.entries.join(", "))} <span class="faint">${one.files} ${one.files === 1 ? "file" : "files"}, ${sized(one.size)}</span></td>
              <td><${Time} at=${one.registered_at} /> <span class="faint">by ${visible(one.registered_by)}</span></td>
              <td class="right">
                <span class="actions">
                  ${index < data.length - 1
                    ? html`<a class="button" href=${href(["deployments", one.id], { tab: "diff", with: data[index + 1].id })}>Diff</a>`
                    : null}
                  ${may("control") ? html`<a class="button" href=${href(["deployments", one.id], { tab: "preflight" })}>Pre-flight</a>` : null}
                  <${Actions} deployment=${one} onDone=${reload} />
                </span>
              </td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}

/** @param {string} deployment */
function stillOn(deployment) {
  return `deployment = ${quoted(deployment)} and status <> 'completed'`;
}

/** @param {{ deployment: Deployment, onDone: () => void }} props */
function Actions({ deployment, onDone }) {
  const [asking, setAsking] = useState(/** @type {"make-latest" | "prune" | null} */ (null));
  if (!may("admin")) return null;
  return html`
    ${deployment.is_latest ? null : html`<button type="button" onClick=${() => setAsking("make-latest")}>Make latest</button>`}
    ${deployment.is_latest || deployment.is_served || deployment.open_invocations > 0
      ? null
      : html`<button type="button" onClick=${() => setAsking("prune")}>Prune</button>`}
    ${asking ? html`<${Ask} verb=${asking} deployment=${deployment} onDone=${onDone} onClose=${() => setAsking(null)} />` : null}
  `;
}

/** @param {{ verb: "make-latest" | "prune", deployment: Deployment, onDone: () => void, onClose: () => void }} props */
function Ask({ verb, deployment, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const isPrune = verb === "prune";
  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const change = await patch(pathOf("deployments", deployment.id, verb), { reason });
      toast(isPrune ? `${deployment.id} is deleted.` : change.changed ? `New invocations run on ${deployment.id} from now on.` : "It was already the latest.");
      onDone();
      onClose();
      if (isPrune) go(href(["deployments"]));
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }
  return html`<${Dialog} title=${isPrune ? "Prune a deployment" : "Make it the latest"} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>
        ${isPrune
          ? html`The code of <b class="mono">${deployment.id}</b> is deleted. Nothing runs on it. This cannot be undone.`
          : html`New invocations run on <b class="mono">${deployment.id}</b> from now on. Open invocations stay where they are. A pre-flight check shows whether they could be moved.`}
      </p>
      <${Field} label="Reason" hint="Kept in the audit.">
        <input data-first=${true} maxlength="1000" value=${reason} onInput=${(/** @type {Event} */ e) => setReason(value(e))} />
      <//>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class=${isPrune ? "danger" : "primary"} disabled=${isBusy}>${isPrune ? `Prune ${deployment.id}` : "Make latest"}</button>
      </footer>
    </form>
  <//>`;
}

/** @type {Record<string, string>} */
const TABS = { source: "Source", diff: "Diff", preflight: "Pre-flight" };

/** @param {{ path: string[], params: Record<string, string> }} props */
export function DeploymentPage({ path, params }) {
  const id = path[1];
  const { data, error, reload } = useDeployments();
  const one = data?.find((each) => each.id === id);
  if (data === undefined) return error ? html`<${ErrorBox} error=${error} retry=${reload} />` : html`<${Loading} />`;
  if (one === undefined) {
    return html`<${Empty} title="This deployment is not registered">
      <p><span class="mono">${visible(id)}</span> was never registered here, or has been pruned.</p>
      <p><a href=${href(["deployments"])}>All deployments</a></p>
    <//>`;
  }
  const tabs = Object.keys(TABS).filter((tab) => tab !== "preflight" || may("control"));
  const tab = tabs.includes(params.tab) ? params.tab : "source";
  return html`<div class="page">
    <div class="page-head">
      <h1 class="mono">${one.id}</h1>
      <${State} deployment=${one} />
      ${one.is_served ? html`<span class="tag">served</span>` : null}
      ${one.is_loaded ? html`<span class="tag">loaded</span>` : null}
      <${Copy} text=${one.id} />
      <div class="actions"><${Actions} deployment=${one} onDone=${reload} /></div>
    </div>
    ${one.passed_over ? html`<p class="notice">New invocations do not run on it: ${visible(one.passed_over)}</p>` : null}
    <div class="grid-2">
      <${Section} title="Description">
        <${Facts}
          rows=${[
            ["serves", visible(one.entries.join(", "))],
            ["code", `${one.files} ${one.files === 1 ? "file" : "files"}, ${sized(one.size)}`],
            ["registered", html`<${Time} at=${one.registered_at} both /> by ${visible(one.registered_by)}`],
          ]}
        />
      <//>
      <${Drain} deployment=${one} />
    </div>
    <${Tabs}
      label="Of this deployment"
      tabs=${tabs.map((each) => [each, TABS[each]])}
      chosen=${tab}
      onChoose=${(/** @type {string} */ each) => setParams({ tab: each })}
    />
    <div role="tabpanel" id=${PANEL} aria-labelledby=${tabId(tab)}>
      ${tab === "source" ? html`<${Source} id=${id} file=${params.file} />` : null}
      ${tab === "diff" ? html`<${Against} id=${id} all=${data} other=${params.with} />` : null}
      ${tab === "preflight" ? html`<${PreFlight} id=${id} where=${params.where ?? ""} />` : null}
    </div>
  </div>`;
}

/** @param {{ deployment: Deployment }} props */
function Drain({ deployment }) {
  const { data, error } = useLive(
    `drain ${deployment.id}`,
    (abort) =>
      select(
        "select status, count(*) as n, min(created_at) as oldest from sys_invocation where deployment = ? and status <> 'completed' group by status order by n desc",
        [deployment.id],
        abort,
      ),
    { when: (changes) => changes.invocations.length > 0 || changes.registry, every: 500 },
  );
  const total = data?.reduce((sum, row) => sum + row.n, 0) ?? 0;
  const oldest = data && data.length > 0 ? Math.min(...data.map((row) => row.oldest)) : null;
  return html`<${Section} title="Invocations on it">
    <div class="body">
      <${ErrorBox} error=${error} />
      ${data === undefined
        ? null
        : total === 0
          ? html`<p class="faint">Nothing. ${deployment.is_latest ? "New invocations will." : "It is drained, and can be pruned."}</p>`
          : html`<p class="counts">
                ${data.map(
                  (row) => html`<a key=${row.status} href=${href(["invocations"], { where: `deployment = ${quoted(deployment.id)} and status = ${quoted(row.status)}` })}>
                    <b class="num">${row.n.toLocaleString()}</b> <${Status} status=${row.status} />
                  </a>`,
                )}
              </p>
              <p class="faint drain-note">
                ${deployment.is_latest ? "New invocations run on it." : "No new invocations run on it; it is drained once these have ended or have been moved."} The oldest began <${Time} at=${oldest} />.
              </p>`}
    </div>
  <//>`;
}

/** @param {string} id */
function useFiles(id) {
  return useLive(`files of ${id}`, async (abort) => /** @type {CodeFile[]} */ ((await get(pathOf("deployments", id, "files"), {}, abort)).files));
}

/** @param {{ id: string, file: string | undefined }} props */
function Source({ id, file }) {
  const [filter, setFilter] = useState("");
  const { data: files, error, reload } = useFiles(id);
  if (files === undefined) return error ? html`<${ErrorBox} error=${error} retry=${reload} />` : html`<${Loading} />`;
  const fitting = files.filter((one) => one.path.includes(filter));
  const shown = files.find((one) => one.path === file) ?? files.find((one) => one.size > 0) ?? files[0];
  return html`<div class="files">
    <nav class="panel file-list" aria-label="Files">
      <div class="body"><input data-filter aria-label="Files whose path has" placeholder="path" value=${filter} onInput=${(/** @type {Event} */ e) => setFilter(value(e))} /></div>
      <ul>
        ${fitting.map(
          (one) => html`<li key=${one.path}>
            <a
              href=${href(["deployments", id], { tab: "source", file: one.path })}
              aria-current=${one === shown ? "true" : undefined}
              title=${`${one.path}, ${sized(one.size)}`}
              ><bdi>${visible(one.path)}</bdi> <span class="faint num">${sized(one.size)}</span></a
            >
          </li>`,
        )}
      </ul>
      ${fitting.length === 0 ? html`<p class="faint body">No path contains this text.</p>` : null}
    </nav>
    ${shown ? html`<${OneFile} key=${shown.path} id=${id} file=${shown} />` : html`<${Empty} title="It has no files" />`}
  </div>`;
}

/** @param {{ id: string, file: CodeFile }} props */
function OneFile({ id, file }) {
  const { data, error, reload } = useLive(`file ${id} ${file.path}`, async (abort) => /** @type {CodeFile} */ (await get(pathOf("deployments", id, "files", file.path), {}, abort)));
  return html`<${Section}
    title=${visible(file.path)}
    extra=${html`<span class="mono" title="SHA-256">${file.digest.slice(0, 12)}</span> ${data?.text ? html`<${Copy} text=${data.text} />` : null}`}
  >
    ${data === undefined
      ? error
        ? html`<${ErrorBox} error=${error} retry=${reload} />`
        : html`<${Loading} />`
      : data.text === null
        ? html`<p class="faint">Not a text file; it has ${sized(data.size)}.</p>`
        : data.text === ""
          ? html`<p class="faint">It is empty.</p>`
          : html`<${Code} text=${data.text} path=${file.path} />`}
  <//>`;
}

/** @param {{ id: string, all: Deployment[], other: string | undefined }} props */
function Against({ id, all, other }) {
  const others = all.filter((one) => one.id !== id);
  const older = all[all.findIndex((one) => one.id === id) + 1] ?? others[0];
  if (older === undefined) {
    return html`<${Empty} title="No other deployment to compare with"><p>The differences are shown here once another deployment is registered.</p><//>`;
  }
  const from = others.find((one) => one.id === other) ?? older;
  return html`<div class="page">
    <label class="inline"
      >Differences from
      <select value=${from.id} onChange=${(/** @type {Event} */ e) => setParams({ with: value(e) })}>
        ${others.map((one) => html`<option key=${one.id} value=${one.id}>${one.id}${one.is_latest ? " (latest)" : ""}</option>`)}
      </select>
    </label>
    <${Changes} key=${from.id} from=${from.id} to=${id} />
  </div>`;
}

/** @param {{ from: string, to: string }} props */
function Changes({ from, to }) {
  const before = useFiles(from);
  const after = useFiles(to);
  const error = before.error ?? after.error;
  if (before.data === undefined || after.data === undefined) return error ? html`<${ErrorBox} error=${error} retry=${() => (before.reload(), after.reload())} />` : html`<${Loading} />`;
  const old = new Map(before.data.map((file) => [file.path, file]));
  const now = new Map(after.data.map((file) => [file.path, file]));
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  const changed = paths.filter((path) => old.get(path)?.digest !== now.get(path)?.digest);
  if (changed.length === 0) return html`<${Empty} title="Their files are the same"><p>They serve different classes of the same code.</p><//>`;
  return html`
    <p class="faint" role="status">${changed.length} of ${paths.length} files are different.</p>
    ${changed.map(
      (path, index) => html`<${FileChange} key=${path} path=${path} from=${from} to=${to} before=${old.get(path)} after=${now.get(path)} isOpen=${index < OPENED_FILES} />`,
    )}
  `;
}

/** @param {{ path: string, from: string, to: string, before: CodeFile | undefined, after: CodeFile | undefined, isOpen: boolean }} props */
function FileChange({ path, from, to, before, after, isOpen: begins }) {
  const [isOpen, setOpen] = useState(begins);
  const word = before === undefined ? "new" : after === undefined ? "gone" : "changed";
  return html`<section class="panel" aria-label=${path}>
    <header>
      <button type="button" class="twist-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
        <span aria-hidden="true">${isOpen ? "▾" : "▸"}</span> <bdi class="mono">${visible(path)}</bdi>
      </button>
      <span class="tag">${word}</span>
    </header>
    ${isOpen ? html`<${FileDiff} path=${path} from=${before ? from : null} to=${after ? to : null} />` : null}
  </section>`;
}

/** @param {{ path: string, from: string | null, to: string | null }} props */
function FileDiff({ path, from, to }) {
  const { data, error, reload } = useLive(`diff ${from} ${to} ${path}`, async (abort) =>
    Promise.all(
      [from, to].map(async (id) => (id === null ? "" : /** @type {string | null} */ ((await get(pathOf("deployments", id, "files", path), {}, abort)).text))),
    ),
  );
  if (data === undefined) return error ? html`<${ErrorBox} error=${error} retry=${reload} />` : html`<${Loading} />`;
  const [before, after] = data;
  if (before === null || after === null) return html`<p class="faint">Not a text file. Its content has changed.</p>`;
  return html`<div class="counts body"><${Counts} before=${before} after=${after} /></div>
    <${Diff} before=${before} after=${after} label=${`changes of ${path}`} numbers />`;
}

/** @param {{ id: string, where: string }} props */
function PreFlight({ id, where }) {
  const [asked, setAsked] = useState(/** @type {{ where: string, at: number } | null} */ (null));
  return html`<div class="page">
    <form
      class="preflight-ask"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        setAsked({ where, at: Date.now() });
      }}
    >
      <p>
        Open invocations are replayed on <b class="mono">${id}</b>, in memory and without effects. Nothing is moved or written.
      </p>
      <div class="where">
        <label for="preflight-where">where</label>
        <input
          id="preflight-where"
          data-filter
          class="mono"
          placeholder="everything that has not ended; or, for example: service = 'Agent' and status = 'paused'"
          value=${where}
          onInput=${(/** @type {Event} */ e) => setParams({ where: value(e) })}
        />
        <button type="submit" class="primary">Check</button>
      </div>
    </form>
    ${asked
      ? html`<${Checked} key=${asked.at} id=${id} where=${asked.where} />`
      : html`<${Empty} title="Check before you move anything">
          <p>
            Each invocation gets one of these verdicts. <b>Same</b>: the code makes all recorded requests in order, so the invocation can be moved.${" "}
            <b>Diverges</b> at a step: the code does something else there, so the invocation would be paused.${" "}
            <b>Raises</b>: the code raises an error that is not recorded.
          </p>
        <//>`}
  </div>`;
}

/** @param {{ id: string, where: string }} props */
function Checked({ id, where }) {
  const { summary, error, isOver, isStopped, stop } = useChecks({ deployment: id, where, status: OPEN });
  if (summary === undefined) {
    return error ? html`<${ErrorBox} error=${error} />` : html`<p class="loading" role="status">Replaying…</p>`;
  }
  if (isOver && summary.wanted === 0) return html`<${Empty} title="No open invocation matches"><p>There is no open invocation that this code could break.</p><//>`;
  const total = summary.checked + summary.skipped_count;
  const bad = summary.cohorts.filter((one) => one.verdict !== "same").reduce((sum, one) => sum + one.count, 0) + summary.skipped_count;
  const words = bad > 0 ? `${bad.toLocaleString()} of ${total.toLocaleString()} cannot be moved as they are.` : isOver && summary.is_complete ? "All can be moved." : "All so far can be moved.";
  return html`
    <${ErrorBox} error=${error} />
    <p class=${`verdict ${bad === 0 ? "good" : "bad"}`}>
      <b>${words}</b> <span class="faint">on <span class="mono">${summary.deployment}</span></span>
    </p>
    <${CheckProgress} summary=${summary} isOver=${isOver} isStopped=${isStopped} onStop=${stop} />
    <div class="cohort-bar" aria-hidden="true">
      ${summary.cohorts.map((one, index) => html`<span key=${index} class=${VERDICTS[one.verdict].mood} style=${{ flexGrow: one.count }}></span>`)}
    </div>
    ${summary.cohorts.map((one) => html`<${CohortCard} key=${`${one.summary} ${one.samples[0]}`} cohort=${one} total=${total} />`)}
    ${summary.skipped_count > 0
      ? html`<${Section} title=${`Could not be checked: ${summary.skipped_count.toLocaleString()}`}>
          <div class="scroll-x"><table class="plain"><tbody>
            ${summary.skipped.map(([of, why]) => html`<tr key=${of}><td><${InvocationLink} id=${of} /></td><td>${visible(why)}</td></tr>`)}
          </tbody></table></div>
          ${summary.skipped_count > summary.skipped.length ? html`<p class="faint body">and ${(summary.skipped_count - summary.skipped.length).toLocaleString()} more</p>` : null}
        <//>`
      : null}
  `;
}

/** @param {{ cohort: Cohort, total: number }} props */
function CohortCard({ cohort, total }) {
  const [isOpen, setOpen] = useState(false);
  const { mood, sign, word } = VERDICTS[cohort.verdict];
  const { target, divergence } = cohort.example;
  return html`<section class=${`panel cohort ${mood}`} aria-label=${`${cohort.count} ${word}`}>
    <header>
      <span class="cohort-count num">${cohort.count.toLocaleString()}</span>
      <span class=${`cohort-word ${mood}`}><span aria-hidden="true">${sign}</span> ${word}${divergence ? ` at step ${divergence.position + 1}` : ""}</span>
      <span class="faint">${visible(`${target.service}/${target.handler}`)} · ${Math.round((100 * cohort.count) / total)} %</span>
      <div class="extra">
        <button type="button" class="plain" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${isOpen ? "less" : "the first one's report"}</button>
      </div>
    </header>
    <div class="body">
      ${cohort.verdict === "same" ? null : html`<p>${visible(cohort.summary)}</p>`}
      <p class="samples">
        ${cohort.samples.map((id) => html`<${InvocationLink} key=${id} id=${id} />`)}
        ${cohort.count > cohort.samples.length ? html`<span class="faint">and ${(cohort.count - cohort.samples.length).toLocaleString()} more</span>` : null}
      </p>
      ${isOpen ? html`<${Check} report=${cohort.example} />` : null}
    </div>
  </section>`;
}
