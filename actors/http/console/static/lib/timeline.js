// The timeline of an invocation, derived from its events: each operation of its handler with start, end and
// outcome, and the phases of the invocation.

/**
 * @typedef {{ number: number, at: number, by: string, cause: string, name: string, summary: string, details: Record<string, any> }} Entry
 *
 * @typedef {{ number: number, from: number, to: number | null, failure: { type: string, message: string, traceback?: string } | null }} Try
 *
 * @typedef {{
 *   step: string, kind: "step" | "sleep" | "deadline" | "call" | "attach" | "send" | "signal" | "verb" | "update",
 *   name: string, source: string, from: number, to: number | null, state: string, depth: number, isKept: boolean,
 *   input: unknown, output: unknown, failure: any, reason: string, callee: string | null, until: number | null, tries: Try[],
 *   schema: unknown, first: number, inputBytes: number,
 * }} Span `state` is open, succeeded, failed, cancelled, killed, stopped, dropped, fired or sent; `inputBytes` is the size of an
 *   input that was too large to be kept
 *
 * @typedef {{ state: string, from: number, to: number | null, why: string }} Phase
 * @typedef {{ at: number, name: string, summary: string, by: string }} Mark
 * @typedef {{ spans: Span[], phases: Phase[], marks: Mark[], from: number, to: number | null,
 *   hasKept: boolean, times: number[] }} Timeline
 */

const MARKS = new Set([
  "CancelRequested",
  "PauseRequested",
  "InvocationPaused",
  "InvocationResumed",
  "InvocationMoved",
  "InvocationRestarted",
  "HistoryCopied",
  "FieldsRewound",
]);

/** @param {string} step */
function depthOf(step) {
  const inUpdate = step.startsWith("u") && step.includes(".");
  return Math.floor((step.split(".").length - 1) / 2) + (inUpdate ? 1 : 0);
}

/** @param {{ service: string, key: string | null, handler: string } | null | undefined} target */
function nameOf(target) {
  return target ? [target.service, target.key, target.handler].filter((part) => part !== null).join("/") : "";
}

/**
 * @param {Entry[]} entries
 * @returns {Timeline}
 */
export function timelineOf(entries) {
  /** @type {Map<string, Span>} */
  const open = new Map();
  /** @type {Span[]} */
  const spans = [];
  /** @type {Phase[]} */
  const phases = [];
  /** @type {Mark[]} */
  const marks = [];
  /** @type {Map<number, Entry>} */
  const signals = new Map();
  /** The path of each update, by the id of the invocation that asked for it. @type {Map<string, string>} */
  const updates = new Map();
  const keptUpTo = entries.findLastIndex((entry) => entry.name === "HistoryCopied");
  /** @type {number | null} */
  let end = null;

  /** @param {Entry} entry @param {Span["kind"]} kind @param {string} name @param {Partial<Span>} [more] */
  function begin(entry, kind, name, more = {}) {
    const { step, source = "", argument = undefined, argument_bytes: inputBytes = 0 } = entry.details;
    /** @type {Span} */
    const span = {
      step, kind, name, source, from: entry.at, to: null, state: "open", depth: depthOf(step), isKept: false,
      input: argument, output: undefined, failure: null, reason: "", callee: null, until: null, tries: [], schema: null,
      first: entry.number, inputBytes, ...more,
    };
    spans.push(span);
    open.set(step, span);
    return span;
  }

  /** @param {Entry} entry @param {string} state @param {any} [outcome] */
  function finish(entry, state, outcome) {
    const span = open.get(entry.details.step);
    if (!span) return;
    open.delete(span.step);
    span.to = entry.at;
    span.state = outcome ? outcome.kind : state;
    span.output = outcome?.value;
    span.failure = outcome?.failure ?? null;
    span.reason = outcome?.reason ?? "";
    const last = span.tries.at(-1);
    if (last && last.to === null) last.to = entry.at;
  }

  /** An update as an operation: its path is that of its steps. @param {Entry} entry @returns {Entry} */
  function asUpdate(entry) {
    return { ...entry, details: { ...entry.details, step: updates.get(entry.details.update) } };
  }

  /** Whether something is awaited, and no step is among it. */
  function waitsForOthers() {
    return open.size > 0 && ![...open.values()].some((span) => span.kind === "step");
  }

  /** @param {string} state @param {number} at @param {string} [why] */
  function phase(state, at, why = "") {
    const last = phases.at(-1);
    if (last && last.to === null) {
      if (last.state === state) return;
      last.to = at;
    }
    phases.push({ state, from: at, to: null, why });
  }

  /** @param {Span} span @param {Entry} received */
  function handOver(span, received) {
    span.to = Math.max(span.from, received.at);
    const { error = null, value } = received.details;
    span.state = error === null ? "succeeded" : "failed";
    span.output = error === null ? value : undefined;
    span.failure = error === null ? null : { type: "actors.errors.SignalFailedError", message: error };
    open.delete(span.step);
  }

  /** @param {string | null} step @param {Entry} received */
  function takenBy(step, received) {
    const span = spans.find((one) => one.kind === "signal" && one.step === step);
    if (span) handOver(span, received);
  }

  entries.forEach((entry, index) => {
    const { details, at } = entry;
    const isLived = index > keptUpTo;
    switch (entry.name) {
      case "InvocationAccepted":
        phase(details.scheduled_for === null ? "queued" : "scheduled", at);
        break;
      case "InvocationDue":
        phase("queued", at);
        break;
      case "InvocationStarted":
        phase("running", at);
        break;
      case "AttemptFailed":
        phase("backing_off", at, `${details.failure.type}: ${details.failure.message}`);
        break;
      case "AttemptRetried":
        phase("running", at);
        break;
      case "InvocationPaused":
        phase("paused", at, details.reason);
        break;
      case "InvocationResumed":
        phase("running", at);
        break;
      case "InvocationCompleted": {
        const last = phases.at(-1);
        if (last && last.to === null) last.to = at;
        end = at;
        for (const span of open.values()) if (span.state === "open") Object.assign(span, { to: at, state: "dropped" });
        break;
      }
      case "StepScheduled":
        begin(entry, "step", details.name).tries.push({ number: 1, from: at, to: null, failure: null });
        break;
      case "StepAttemptFailed": {
        const span = open.get(details.step);
        const last = span?.tries.at(-1);
        if (span && last) {
          Object.assign(last, { to: at, failure: details.failure, number: details.attempt });
          span.until = details.retry_at;
          span.failure = details.failure;
        }
        break;
      }
      case "StepRetried": {
        const span = open.get(details.step);
        span?.tries.push({ number: (span.tries.at(-1)?.number ?? 0) + 1, from: at, to: null, failure: null });
        if (span) span.until = null;
        break;
      }
      case "StepCompleted":
        finish(entry, "succeeded", details.outcome);
        break;
      case "CallCompleted":
        finish(entry, "succeeded", details.outcome);
        break;
      case "StepAborted":
        finish(entry, "stopped");
        break;
      case "SleepScheduled":
        begin(entry, "sleep", "sleep", { until: details.wake_at });
        break;
      case "DeadlineScheduled":
        begin(entry, "deadline", "deadline", { until: details.expires_at });
        break;
      case "TimerFired":
        finish(entry, "fired");
        break;
      case "WaitDropped": {
        // A signal may have come for it that the handler was not given any more.
        const span = spans.find((one) => one.kind === "signal" && one.step === details.step);
        if (span) Object.assign(span, { to: at, state: "dropped", output: undefined });
        finish(entry, "dropped");
        break;
      }
      case "CallScheduled":
        begin(entry, "call", nameOf(details.target), { callee: details.callee });
        break;
      case "AttachScheduled":
        begin(entry, "attach", details.lock ? `lock ${details.lock}` : "wait for its end", { callee: details.callee });
        break;
      case "CallTransferred": {
        const span = open.get(details.step);
        if (span) span.callee = details.callee;
        break;
      }
      case "SendScheduled":
        Object.assign(begin(entry, "send", nameOf(details.target), { callee: details.callee, until: details.scheduled_for }), {
          to: at,
          state: "sent",
        });
        open.delete(details.step);
        break;
      case "VerbScheduled":
        begin(entry, "verb", `${details.verb} ${details.of}`, { callee: details.of });
        break;
      case "VerbAnswered":
        finish(entry, details.refusal ? "failed" : "succeeded");
        break;
      case "UpdateAccepted":
        updates.set(details.update, `u${details.number}`);
        begin(asUpdate(entry), "update", details.name, { callee: details.update });
        break;
      case "UpdateCompleted":
        finish(asUpdate(entry), "succeeded", details.outcome);
        break;
      case "SignalAwaited": {
        const span = begin(entry, "signal", details.name, { schema: details.schema });
        const taken = details.ready ? signals.get(details.signal) : undefined;
        if (taken) handOver(span, taken);
        break;
      }
      case "SignalReceived":
        signals.set(details.signal, entry);
        takenBy(details.step, entry);
        break;
      case "SignalReassigned": {
        const taken = signals.get(details.signal);
        if (taken) takenBy(details.step, taken);
        break;
      }
    }
    const last = phases.at(-1);
    if (isLived && last?.to === null && (last.state === "running" || last.state === "suspended")) {
      phase(waitsForOthers() ? "suspended" : "running", at);
    }
    if (MARKS.has(entry.name)) marks.push({ at, name: entry.name, summary: entry.summary, by: entry.by });
    if (index === keptUpTo) {
      for (const span of spans) span.isKept = !open.has(span.step);
      for (const span of open.values()) {
        // What had no outcome begins again, here.
        span.from = at;
        for (const one of span.tries) one.from = at;
      }
    }
  });

  const times = [...new Set(entries.map((entry) => entry.at))].sort((a, b) => a - b);
  return { spans, phases, marks, from: times[0] ?? 0, to: end, hasKept: keptUpTo >= 0, times };
}

/**
 * A scale from times to parts of the width: even in time, or in the order of what happened, so that a night of sleep takes no
 * more room than the steps around it.
 * @param {number[]} times sorted
 * @param {number} end
 * @param {boolean} isByOrder
 * @returns {(at: number) => number}
 */
export function scaleOf(times, end, isByOrder) {
  const first = times[0] ?? 0;
  const last = Math.max(end, times.at(-1) ?? 0);
  if (!isByOrder) {
    const width = Math.max(last - first, 1e-6);
    return (at) => Math.max(0, Math.min(1, (at - first) / width));
  }
  const all = last > (times.at(-1) ?? 0) ? [...times, last] : times;
  return (at) => {
    if (all.length < 2 || at <= all[0]) return 0;
    const next = all.findIndex((time) => time >= at);
    if (next < 0) return 1;
    const part = (at - all[next - 1]) / (all[next] - all[next - 1]);
    return (next - 1 + part) / (all.length - 1);
  };
}
