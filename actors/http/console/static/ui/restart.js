// Restart from a step: which steps are kept, which run again, and on which code; previewed before it is applied, and again after
// every change of the form.

import { useEffect, useState } from "preact/hooks";
import { get, patch, pathOf, requestKey } from "../lib/api.js";
import { parseJson, printJson } from "../lib/exact.js";
import { html } from "../lib/html.js";
import { useLive } from "../lib/live.js";
import { go, href } from "../lib/router.js";
import { ErrorBox, Loading } from "./bits.js";
import { Check } from "./check.js";
import { Dialog, Field } from "./dialog.js";
import { visible } from "./json.js";
import { JsonField } from "./schema.js";
import { toast } from "./toast.js";
import { DeploymentChoice, targetOf } from "./verbs.js";

const SETTLED_MS = 200;

/**
 * @param {{ info: any, entries: import("../lib/timeline.js").Entry[], timeline: import("../lib/timeline.js").Timeline, from: string,
 *   onClose: () => void }} props
 */
export function RestartDialog({ info, entries, timeline, from: given, onClose }) {
  const isOpen = info.status !== "completed";
  const argument = entries.find((entry) => entry.name === "InvocationAccepted")?.details.argument;
  const [from, setFrom] = useState(given);
  const [deployment, setDeployment] = useState("keep");
  const [stop, setStop] = useState(isOpen ? "cancel" : "");
  const [typed, setTyped] = useState(/** @type {{ value: unknown } | null} */ (null));
  const input = typed === null ? argument : typed.value; // the history may come later than this dialog
  const [isRewinding, setRewinding] = useState(false);
  const [isHanding, setHanding] = useState(true);
  const [isAgain, setAgain] = useState(false);
  const [sureOf, setSureOf] = useState(/** @type {string | null} */ (null)); // the deployment on which its reader has agreed to other code
  const [reason, setReason] = useState("");
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(requestKey);
  const hasNewInput = from === "" && printJson(input) !== printJson(argument);
  const asked = {
    ...(from ? { from_step: from } : {}),
    deployment,
    rewind_state: isRewinding,
    hand_over: isHanding,
    ...(isAgain ? { again: true } : {}),
    ...(sureOf === deployment ? { check: false } : {}),
    ...(stop ? { stop } : {}),
    ...(hasNewInput ? { input } : {}),
  };
  const settled = useSettled(printJson(asked));
  const path = `${pathOf("invocations", info.id)}/restart-as-new`;
  const plan = useLive(`plan ${info.id} ${settled}`, (abort) => patch(path, { ...parseJson(settled), dry_run: true }, { abort }));
  const known = useLive("deployments", (abort) => get("deployments", {}, abort), { when: (c) => c.registry });
  const isElsewhere = deployment !== "keep";
  const check = useLive(`check ${isElsewhere ? deployment : ""}`, async (abort) =>
    isElsewhere ? get(`${pathOf("invocations", info.id)}/check`, { deployment }, abort) : null,
  );
  const successor = settled === printJson(asked) ? plan.data?.successor : undefined; // not that of the choice before
  const steps = timeline.spans.filter((span) => span.kind !== "deadline");

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const answer = await patch(path, { ...asked, reason }, { key });
      toast("Restarted: this is the new invocation.");
      go(href(["invocations", answer.new_invocation_id]));
    } catch (refusal) {
      setError(refusal);
      setBusy(false);
    }
  }

  return html`<${Dialog} title=${`Restart ${visible(targetOf(info.target))}`} onClose=${onClose} wide=${true}>
    <form onSubmit=${submit}>
      <div class="grid-2">
        <div>
          <${Field} label="From">
            <select data-first value=${from} onChange=${(/** @type {Event} */ e) => setFrom(/** @type {HTMLSelectElement} */ (e.target).value)}>
              <option value="">the beginning</option>
              <option value="end">the end: keep every step, and run again what follows the last one</option>
              ${steps.map(
                (span) => html`<option key=${span.step} value=${span.step}>${span.step} · ${span.kind} ${visible(span.name)} (${span.state})</option>`,
              )}
            </select>
          <//>
          <${DeploymentChoice} deployments=${known.data?.deployments ?? []} value=${deployment} onChange=${setDeployment} />
          ${isOpen
            ? html`<${Field} label="This invocation has not ended" hint="It is stopped first, and the new one begins when it has.">
                <select value=${stop} onChange=${(/** @type {Event} */ e) => setStop(/** @type {HTMLSelectElement} */ (e.target).value)}>
                  <option value="cancel">cancel it, with its compensations</option>
                  <option value="kill">kill it</option>
                </select>
              <//>`
            : null}
          ${info.target.key === null
            ? null
            : html`<label class="check">
                <input type="checkbox" checked=${isRewinding} onChange=${() => setRewinding(!isRewinding)} />
                The object's fields become what they were at that step
              </label>`}
          <label class="check">
            <input type="checkbox" checked=${isHanding} onChange=${() => setHanding(!isHanding)} />
            Let callers that wait for this invocation wait for the new one
          </label>
          ${info.successors.length === 0
            ? null
            : html`<label class="check">
                <input type="checkbox" checked=${isAgain} onChange=${() => setAgain(!isAgain)} />
                Restart it although it was restarted before: the effects that follow happen once more
              </label>`}
          ${from === "" && argument !== undefined ? html`<${JsonField} label="Argument" value=${input} onChange=${(/** @type {unknown} */ value) => setTyped({ value })} />` : null}
          <${Field} label="Reason" hint="Kept in both histories and in the audit.">
            <input value=${reason} maxlength="1000" onInput=${(/** @type {Event} */ e) => setReason(/** @type {HTMLInputElement} */ (e.target).value)} />
          <//>
        </div>
        <div class="plan" aria-live="polite" aria-label="Plan" role="region">
          <h3>Preview</h3>
          ${sureOf === deployment || /** @type {any} */ (plan.error)?.code === "incompatible"
            ? html`<label class="check">
                <input type="checkbox" checked=${sureOf === deployment} onChange=${() => setSureOf(sureOf === deployment ? null : deployment)} />
                Restart anyway; it will be paused where the code differs
              </label>`
            : null}
          ${plan.error ? html`<${ErrorBox} error=${plan.error} />` : successor ? html`<${Plan} successor=${successor} />` : html`<${Loading} />`}
          ${isElsewhere
            ? html`<h3>Check of its history on that code</h3>
                ${check.error ? html`<${ErrorBox} error=${check.error} />` : check.data ? html`<${Check} report=${check.data} />` : html`<${Loading} />`}`
            : null}
        </div>
      </div>
      <${ErrorBox} error=${error} />
      <footer>
        <button type="button" onClick=${onClose}>Do nothing</button>
        <button type="submit" class="primary" disabled=${isBusy || !successor}>Restart as a new invocation</button>
      </footer>
    </form>
  <//>`;
}

/**
 * The text once it has not changed for a moment.
 * @param {string} text
 */
function useSettled(text) {
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** @param {{ successor: any }} props */
function Plan({ successor }) {
  return html`<${Steps} title="kept, not run again" mood="good" sign="=" steps=${successor.kept} />
    <${Steps} title="begins again" mood="warn" sign="↻" steps=${successor.again} />
    <${Steps} title="run again if the new invocation reaches them" mood="calm" sign="−" steps=${successor.dropped} />
    <${Steps}
      title="signals that are kept: the next wait for one takes it, without a new question"
      mood="warn"
      sign="="
      steps=${successor.signals.map((/** @type {string} */ name) => ({ step: "signal", name }))}
    />
    <${Steps} title="stopped with it" mood="warn" sign="✕" steps=${successor.stopped} />
    <${Steps} title="called with an idempotency key, and continues: the same call finds it again" mood="good" sign="=" steps=${successor.spared} />
    <${Steps} title="calls with an idempotency key that were stopped: a repeated call runs again" mood="warn" sign="↻" steps=${successor.repeated} />
    ${successor.kept.length + successor.again.length + successor.dropped.length === 0
      ? html`<p class="faint">Everything runs again from the beginning.</p>`
      : null}`;
}

/** @param {{ title: string, mood: string, sign: string, steps: { step: string, name: string }[] }} props */
function Steps({ title, mood, sign, steps }) {
  if (steps.length === 0) return null;
  return html`<h4 class=${mood}>${steps.length} ${title}</h4>
    <ul class=${`plan-list ${mood}`} aria-label=${title}>
      ${steps.slice(0, 200).map((one) => html`<li key=${one.step}><span aria-hidden="true">${sign}</span> ${visible(one.name)} <span class="faint mono">${one.step}</span></li>`)}
      ${steps.length > 200 ? html`<li class="faint">and ${steps.length - 200} more</li>` : null}
    </ul>`;
}
