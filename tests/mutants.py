"""Bugs of one line, planted on purpose: which suite finds each of them, and after how many seeds or seconds?

``python -m tests.mutants`` plants one after the other, each in a process of its own, and prints what it broke, and where that was
found. ``python -m tests.mutants fires-timers-early`` plants one. ``--table`` writes what was found into ``tests/README.md``, with
``--missing`` for those that its table does not have yet. Exits
with 1 if any is not found within ``SEEDS`` storms or ``SECONDS`` of the processor.

A bug is described by its place, which is the qualified name of a function of ``actors`` or ``journal``, by a text in that function
and by the text that takes its place: so it survives that files are moved, and says so if the function is no longer there. Storms
look for it, unless it is where no storm comes: then it names the tests that look for it.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from tests.children import customized

ROOT = Path(__file__).parents[1]
README = ROOT / "tests" / "README.md"
SEEDS = 300
SECONDS = 60.0
TOGETHER = 2
"""How many are looked for at a time."""


@attrs.frozen
class Mutant:
    """A bug: its ``name`` says what the engine then does. ``suite`` are the tests that look for it, if storms do not."""

    name: str
    place: str
    old: str
    new: str
    suite: str = ""


_NOT_FREE = """\
if state.holder is not None or state.queue:
        return False
    if state.invocations and not all(i.status is Status.SCHEDULED for i in state.invocations.values()):"""
"""Both at once: each of the two conditions alone finds a holder and a queue."""

MUTANTS = (
    # The kernel: what is decided, what it changes, what follows.
    Mutant("accepts-one-more-than-may-wait", "invoke", ">= limits.mailbox", "> limits.mailbox"),
    Mutant("lets-the-last-one-go-first", "_accept", "state.queue.append(", "state.queue.insert(1 if state.queue else 0, "),
    Mutant("starts-at-once-what-was-sent-for-later", "_accept", "scheduled_for is None and (", "True and ("),
    Mutant("compensates-what-has-not-begun", "cancel_invocation", "if not invocation.is_started:", "if False:"),
    Mutant("swallows-a-cancel", "Interruptions._cancel_root", ") -> None:", ") -> None:\n        return"),
    Mutant("is-never-impatient", "_on_cancel", "if event.kill_at is not None:", "if False:"),
    Mutant("leaves-a-called-one-alive", "clear_waits", "if wait.kind is WaitKind.CALL and", "if False and"),
    Mutant("goes-on-with-a-killed-one", "_on_completed", "del state.invocations[invocation.invocation_id]", "state.invocations.pop(invocation.invocation_id) if event.outcome.kind is not OutcomeKind.KILLED else None"),
    Mutant("pauses-and-lets-a-step-be-forgotten", "pause_invocation", "if drains:", "if False:"),
    Mutant("runs-what-is-paused", "may_run", "invocation.status in STARTED", "(invocation.status in STARTED or invocation.status is Status.PAUSED)"),
    Mutant("retries-a-step-of-what-is-paused", "_on_paused", "if wait.kind is WaitKind.STEP_RETRY:", "if False:"),
    Mutant("wakes-nobody-who-waits-for-more", "needs_attempt", "invocation.unseen > rested or not", "not", "tests/engine/test_suspended.py"),
    Mutant("forgets-at-a-start-what-was-not-given", "needs_recovery", "rested.get(of, 0)", "invocation.unseen", "tests/engine/test_suspended.py"),
    Mutant("tries-once-more-than-it-may", "is_exhausted", "failed_attempts >= policy", "failed_attempts > policy"),
    Mutant("keeps-half-of-an-atomic-change", "keeps_changes", "or not invocation.atomic", "or True"),
    Mutant("shows-half-of-an-atomic-change", "writer_beside", "return holder if holder is not None and not state.invocations[holder].atomic else None", "return holder"),
    Mutant("fires-timers-early", "timer_message", "timer\"), at)", "timer\"), at - 0.1)"),
    Mutant("leaves-timers-behind", "Machine._retract_timer", "self.batch.retracted.append(", "(lambda message: None)("),
    Mutant("does-not-remember-who-attached", "on_attach_requested", "invocation.attached.append(event.by)", "pass"),
    Mutant("answers-nobody-who-joined", "_answer", "waiting = [*invocation.attached] if", "waiting: list[Caller] = [] if"),
    # Updates of a running workflow.
    Mutant("lets-in-what-a-validator-refuses", "Admission._validate", "if validator is None:", "if True:", "tests/simulation/test_updates.py"),
    Mutant("gives-two-updates-one-number", "update", "number=run.updates_received + 1", "number=run.updates_received or 1", "tests/simulation/test_updates.py"),
    Mutant("does-the-last-step-of-an-update-again", "Update.__init__", 'f"u{accepted.number}."', 'f"u{accepted.number + execution.is_repeating * 100}."', "tests/simulation/test_updates.py"),
    Mutant("ends-an-update-twice", "with_answers", "one = left.pop(event.update, None)", "one = left.get(event.update)", "tests/core/test_updates.py"),
    Mutant("answers-an-update-again-in-a-replay", "Completions.end_update", "self._match(e.UpdateCompleted", "self._turn.append(e.UpdateCompleted", "tests/simulation/test_updates.py"),
    Mutant("forgets-in-a-restart-that-an-update-was-cancelled", "plan_restart", "(e.UpdateAccepted, e.UpdateCancelRequested)", "e.UpdateAccepted", "tests/engine/test_updates.py"),
    Mutant("pauses-an-update-by-its-row", "may_be_paused", "and row.mode is not Mode.UPDATE", "", "tests/core/test_paused_rows.py"),
    Mutant("shows-no-cancel-of-an-update-in-its-row", "Machine._note", "self.batch.pending_append(loaded).touched[event.update] = None", "pass", "tests/simulation/test_updates.py"),
    Mutant("gives-an-update-to-a-run-that-was-restarted", "open_run", "and not one.successors", "", "tests/core/test_updates.py"),
    Mutant("leaves-a-change-that-cannot-be-stored", "UpdateCode._resume", "lost = self._state.take_back(ended=False) if isinstance(yielded, _WAITS) else None", "lost = None", "tests/engine/test_faulty_updates.py"),
    Mutant("tells-callers-of-an-update-of-no-pause", "_carrier", "if one.mode is not Mode.UPDATE:", "if True:", "tests/engine/test_update_callers.py"),
    # Dates: what was sent for later, and schedules.
    Mutant("keeps-the-date-of-before", "_on_rescheduled", "f.SetTimer(event.scheduled_for, due)", "f.SetTimer(event.scheduled_for if before is None else before, due)"),
    Mutant("leaves-the-date-of-before", "_on_rescheduled", "[] if before is None else [f.RetractTimer(before, due)]", "[]"),
    Mutant("forgets-what-it-moved", "_on_rescheduled", "invocation.scheduled_for = event.scheduled_for", "pass"),
    Mutant("leaves-the-first-date-unread-at-a-start", "Inbox._read_dated", "self._readable(page) if", "self._readable(page[1:]) if"),
    Mutant("starts-a-run-of-a-schedule-twice", "Schedule._plan", "await self._start(run)", 'await self._start(run)\n            await self._start(attrs.evolve(run, mark="again"))'),
    Mutant("decides-twice-on-a-time-of-a-schedule", "Schedule._go_on_to", "[*self.late, *due], now)", "[*self.late, *due, *due], now)"),
    Mutant("skips-a-time-of-a-schedule", "Schedule._go_on_to", "self.reached = due[-1]", "self.reached = now + 1.0"),
    Mutant("runs-what-was-replaced", "_replace", "*complete(state, replaced, Outcome(OutcomeKind.CANCELLED, reason=reason)),", ""),
    Mutant("puts-a-message-off-without-end", "_replace", "min(due, since + asked.max_delay)", "due"),
    Mutant("counts-a-delay-from-the-last-message", "_replace", "debounced_since=since", "debounced_since=now"),
    Mutant("replaces-what-has-begun", "_debounced", "and invocation.status is Status.SCHEDULED", ""),
    # Signals and restarts.
    Mutant("gives-a-signal-to-another-wait", "Signals.receive", "next((wait for wait in able if wait.step == signal.step), None)", "None"),
    Mutant("gives-a-restart-the-signal-of-another-wait", "_come_late", "taker if taker in asking else None", "min(asking, default=None)"),
    Mutant("restarts-with-todays-signals", "plan_restart", "and event.signal not in consumed", ""),
    Mutant("loses-outcomes-in-a-restart", "_may_be_kept", "or is_completion(event) or", "or"),
    Mutant("forgets-an-item-in-a-rewind", "rewind_items", "rows[keys.log_item(partition, stream, field, index)] = None", "pass"),
    # Running.
    Mutant("does-an-at-most-once-step-again", "StepRunner.take_up", "and parked.event.at_most_once:", "and False:"),
    Mutant("takes-no-step-up-again", "Executor._start", "if unfinished:", "if False:"),
    Mutant("runs-one-step-more-than-may-run", "StepRunner._begin", ">= self._limits.running_steps", "> self._limits.running_steps"),
    Mutant("forgets-steps-that-wait-for-their-turn", "StepRunner._supervise", "while self._waiting and", "while False and"),
    Mutant("lets-steps-of-a-killed-one-run-on", "Executor.end_attempt", "if abort_steps:", "if False:"),
    Mutant("lets-the-next-one-begin-too-soon", "Executor._waits_for_unwinding", "if seconds <= 0:", "if True:"),
    Mutant("records-what-an-abandoned-step-says", "StepTask.disown", "self.is_wanted = False", "pass"),
    Mutant("compensates-beside-the-action", "StepRunner.interrupt", "elif task.is_wanted:", "else:\n            self._machine.decide_as_engine(loaded, c.AbortStep(invocation_id=of, step=step))\n        if task is not None and task.is_wanted:"),
    Mutant("emits-again-in-a-replay", "Requests._emit", "if self._emitted:", "if False:"),
    # Output.
    Mutant("keeps-the-output-of-what-is-purged", "HistoryEffects._erase_history", "gone.update(self._machine.outputs.forget(pending_append, invocation_id))", "pass", "tests/engine/test_streams.py"),
    Mutant("calls-no-cut-off-try-void", "StepRunner._begin", "self._begin_output(loaded, of, step, number)", "pass"),
    Mutant("keeps-the-output-of-a-void-turn", "Executor._record_output", "if any(isinstance(event, e.CancelDeliveredEarlier) for event in events):", "if False:", "tests/engine/test_streams.py"),
    Mutant("copies-no-output-into-a-restart", "KeptOutput.of", "runs = [*runs]", "runs = []"),
    Mutant("ends-a-step-without-its-pieces", "Outputs.settle", "tails = self.of(pending.loaded)", "tails = {}"),
    Mutant("mixes-streams", "Outputs.add_of_step", "pending.loaded.version, piece.stream)", "pending.loaded.version)"),
    # Heartbeats.
    Mutant("forgets-where-a-failed-try-was", "StepRunner._after_step", "is_kept=isinstance(ended, c.FailStep)", "is_kept=False"),
    Mutant("forgets-where-a-stopped-try-was", "StepTask.disown", "is_kept=True", "is_kept=False"),
    Mutant("records-the-first-heartbeat-alone", "Heartbeats.note", "self._waiting[task] = details", "pass"),
    Mutant("begins-each-try-at-the-beginning", "on_heartbeat", "invocation.waits[event.step].heartbeat = event.details", "pass"),
    # The short way of a call.
    Mutant("runs-beside-the-holder", "starts_at_once", _NOT_FREE, "if state.queue:"),
    Mutant("overtakes-the-queue", "starts_at_once", _NOT_FREE, "if state.holder is not None:"),
    Mutant("runs-in-spite-of-a-gate", "FirstTurns.take", "or not self._machine.gates.are_none", ""),
    Mutant("runs-beside-a-stopped-step", "FirstTurns.take", "or loaded.steps", ""),
    Mutant("forgets-what-a-short-call-changed", "with_whole", "state.fields = {**state.fields, **whole.fields}", "pass"),
    Mutant("answers-a-short-call-before-it-is-durable", "FirstTurns._record", "released.append(partial(request.outcome.answer, Value(outcome)))", "request.outcome.set(outcome)"),
    Mutant("forgets-who-made-a-short-call", "FirstTurns._record", "if asked.caller is not None:", "if False:"),
    Mutant("lists-no-short-call", "FusedRecords.record_whole", "machine.partition.number, batch.rows", "machine.partition.number, {}"),
    Mutant("miscounts-the-events-of-a-short-call", "with_whole", "state.version = last", "state.version += 3"),
    Mutant("says-that-the-engine-sent-a-result", "FirstTurns._record", "by=asked.invocation_id", "by=None", "tests/engine/test_first_turns.py"),
    Mutant("runs-calls-without-end", "FirstTurns.take", "self._machine.calls_left -= 1", "pass", "tests/engine/test_whole_invocations.py"),
    Mutant("lets-handlers-keep-requests-out", "PartitionProcessor._round", "in_a_row < _RUNS_IN_A_ROW or not self._inbox", "True", "tests/engine/test_whole_invocations.py"),
    # The short way of a step.
    Mutant("hands-a-step-over-before-a-signal", "ResumedTurns._is_first", "self._ready", "False", "tests/engine/test_step_turns.py"),
    Mutant("begins-a-step-before-it-is-durable", "StepRunner.run_when_durable", "self._machine.batch.released.append(partial(self.run_step, loaded, of, step))", "self.run_step(loaded, of, step)", "tests/engine/test_step_turns.py"),
    Mutant("leaves-the-output-of-a-step-open", "FusedRecords.record_step_turn", "self._machine.outputs.settle(pending_append, turn.expand(before + 1)[:1], before + 1)", "pass"),
    Mutant("hands-a-step-over-in-spite-of-a-pause", "continues_at_once", "and invocation.pending_pause is None", "", "tests/core/test_fused.py"),
    Mutant("hands-a-step-over-beside-another", "continues_at_once", "and len(waits) == 1", "", "tests/core/test_fused.py"),
    Mutant("forgets-what-a-handler-changed-in-a-turn", "go_on", "invocation.changes.write(fields, size)", "pass", "tests/core/test_fused.py"),
    Mutant("answers-a-last-turn-before-it-is-durable", "ResumedTurns._record_end", "machine.when_durable(partial(waiter.set, outcome))", "waiter.set(outcome)", "tests/engine/test_step_turns.py"),
    Mutant("starts-nobody-after-a-last-turn", "ends_at_once", "not state.queue", "True", "tests/core/test_fused.py"),
    Mutant("answers-no-caller-after-a-last-turn", "ResumedTurns._record_end", "if ended.caller is not None:", "if False:", "tests/engine/test_step_turns.py"),
    # The short way of other waits.
    Mutant("hands-a-wait-over-before-a-message", "WaitTurns.take", "or machine.deliveries.has_one_for(loaded.stream)", "", "tests/engine/test_wait_turns.py"),
    Mutant("takes-turns-after-waits-without-end", "WaitTurns.take", "machine.waits_left -= 1", "pass", "tests/engine/test_wait_turns.py"),
    Mutant("hands-an-answer-over-beside-another-wait", "resumes_at_once", "and len(waits) == 1", "", "tests/core/test_fused.py"),
    Mutant("forgets-the-number-of-a-signal", "with_resumed_turn", "invocation.signals_received = max(invocation.signals_received, ended.signal)", "pass", "tests/core/test_fused.py"),
    # The replay of turns.
    Mutant("replays-a-turn-without-its-changes", "replay_plan", "if turn.fields is not None:", "if False:", "tests/engine/test_step_turns.py"),
    Mutant("passes-a-step-by-with-the-value-of-another", "PassingBy._pass_by", "or ended.step != operation.step or self._ready", "", "tests/core/test_passing_by.py"),
    Mutant("forgets-at-a-start-a-signal-that-came-before-its-wait", "needs_attempt", "wait.kind is WaitKind.SIGNAL and (wait.name in received or wait.question in received)", "False", "tests/core/test_owed.py"),
    # Edges: clients, the disk, other partitions.
    Mutant("answers-before-it-is-durable", "Machine.when_durable", "self.batch.released.append(action)", "action()"),
    Mutant("forgets-that-a-request-came", "Definition.request_id", "requested_id(target, request_key, secret,", "requested_id(target, request_key + str(__import__('random').random()), secret,"),
    Mutant("does-a-refused-request-later", "Refusals._refuse", "case c.Invoke() if request.reply is None and request.outcome is None:", "case c.Invoke():"),
    Mutant("loses-what-it-cannot-take-now", "Refusals._postpone", "self.keep(request)", "pass"),
    Mutant("loses-what-a-damaged-object-is-told", "Refusals.keep", "if c.can_be_sent(request.command):", "if False:"),
    Mutant("keeps-messages-that-were-dealt-with", "Machine.consume", "self.batch.pending_append(loaded).consumed.append(position)", "pass"),
    Mutant("gives-two-messages-one-place", "Outbox.next_position", "self.state.next_arrival += 1", "pass"),
    Mutant("names-messages-alike", "Machine._message", 'f"{self._unique():032x}"', 'f"{to}"'),
    Mutant("shows-what-is-not-durable", "CommittedView._first_to_change", "if key in commit.batch.rows:", "if False:"),
    Mutant("reads-a-commit-in-doubt-as-done", "CommittedView.commit", "commit.is_in_doubt = True\n            raise", "commit.is_in_doubt = True"),
    Mutant("never-looks-what-became-of-a-doubt", "KvJournal.look_again", "if self._settled.resolve_in_doubt():", "if False:"),
    Mutant("unchains-the-audit", "AuditTrail.extend", "value, self._link = encode_audit(", "value, _ = encode_audit("),
    # Retention and rows.
    Mutant("halves-retention", "CompletedInvocations.purge_at", "if retention is None else retention", "if retention is None else retention / 2"),
    Mutant("keeps-what-is-past-its-retention", "CompletedInvocations.purge_at", "purge_at = completed_at +", "purge_at = completed_at + 3600.0 +"),
    Mutant("leaves-rows-of-what-was-purged", "forget_invocation", "rows[invocation_keys.invocation(partition, row.invocation_id)] = None", "pass"),
    Mutant("cuts-off-too-much", "HistoryEffects._erase_history", "self._machine.partition.snapshot(loaded.stream, first_kept - 1)", "self._machine.partition.snapshot(loaded.stream, loaded.durable)"),
    Mutant("purges-what-a-restart-needs", "purge", "if waiting is not None and", "if False and"),
    Mutant("purges-the-past-that-a-restart-needs", "needed_by", "needs_all =", "needs_all = False and", "tests/engine/test_restart.py"),
    Mutant("goes-on-without-what-it-should-keep", "_begin", "if invocation.restarts is not None and", "if invocation.started_at is None and", "tests/engine/test_restart.py"),
    Mutant("counts-what-was-purged", "forget_invocation", "recount(counts, groups_of_row(row) if is_written else open_groups, ())", "pass"),
    Mutant("counts-an-invocation-in-each-status-it-had", "index_invocation", "recount(counts, groups_of_listed(service, handler, listed),", "recount(counts, (),", "tests/engine/test_counters.py"),
    Mutant("counts-a-purge-that-was-refused", "CommitBatch.forgo_rewriting", "add_counts(self.counts, pending_append.uncounted, -1)", "pass", "tests/engine/test_damage_and_doubt.py"),
    Mutant("leaves-an-index-behind", "index_invocation", "rows[invocation_keys.open_by_status(partition, listed.status, invocation_id)] = None", "pass"),
    Mutant("starts-nobody-who-owes", "index_owing", "if owing != loaded.owing_on_disk:", "if False:"),
    # Limits of what runs at once, and of what starts.
    Mutant("runs-one-more-than-a-limit-permits", "RunCount.has_room", "self.running + kept >= limit.concurrency", "self.running + kept > limit.concurrency"),
    Mutant("keeps-the-place-of-what-was-killed", "Executor.end_attempt", "leave_place(self._machine.places, loaded, of)", "pass"),
    Mutant("keeps-the-place-of-what-waits", "Executor._after_turn", "leave_place_if_suspended(self._machine.places, loaded, of)", "pass", "tests/engine/test_run_limits.py"),
    Mutant("forgets-the-starts-of-earlier-processes", "StartLog.read", "if keys.end_of_counted_start(key) > now:", "if False:"),
    Mutant("forgets-starts-when-a-limit-changes", "RunPlaces.set_limits", "self.remember_start((scope,), *count.starts)", "pass", "tests/core/test_run_places.py"),
    Mutant("starts-nobody-when-a-period-is-over", "RunLines.alarm_if_needed", "self._set_alarm()", "pass"),
    Mutant("ignores-the-priority", "Candidate.rank", "priority_of(self.tags)", "0"),
    Mutant("gives-places-before-all-who-wait-are-known", "RunPlaces.take", "and not self._searched", "", "tests/engine/test_run_limits.py"),
    # Budgets.
    Mutant("counts-the-last-spend-alone", "add_spent", "added(before, spent)", "dict(spent)"),
    Mutant("counts-a-spend-again-in-a-replay", "Requests._spend", "if self._spends:", "if False:"),
    Mutant("forgets-what-a-failed-try-spent", "fail_step", "*_spent(command)", ""),
    Mutant("goes-on-when-a-budget-is-used-up", "EnginePauses.if_over_budget", "if used_up is None:", "if True:"),
    Mutant("starts-when-a-budget-is-used-up", "RunCount.has_room", "(self.has_budget is None or self.has_budget())", "True"),
    Mutant("wakes-nobody-who-has-a-budget-again", "RunLimits.apply", "call()", "pass"),
    # Gates and jobs.
    Mutant("forgets-a-gate", "Gates.holding_invocation", "return self.holding(", "return [] and self.holding("),
    Mutant("opens-a-gate-and-wakes-nobody", "GateWatcher.turn", "if before.let_through_more_as(gates):", "if False:"),
    Mutant("starts-with-the-gates-open", "RegistryView.load", "self.gates = self._read_gates()", "pass"),
    Mutant("asks-again-in-a-job", "_obey", "if spec.verb is JobVerb.PURGE else request", "if True else request"),
    Mutant("takes-what-a-job-let-begin-for-done", "evolve", "and event.__class__ is not e.InvocationStarted", ""),
    Mutant("says-that-a-job-changed-all", "_fate", "if answer.changed else ItemResult.UNCHANGED", ""),
    # Code.
    Mutant("goes-on-with-code-that-differs", "Requests._match", "if not is_same_request(recorded, event, also_known_as, parameters):", "if False:"),
    Mutant("takes-other-arguments-for-the-same", "is_same_request", "or _has_same_arguments(recorded, attempted, parameters)", "or True"),
    Mutant("moves-nothing-to-other-code", "_on_moved", "invocation.deployment = event.deployment", "pass"),
    Mutant("begins-on-whatever-is-served", "CodeRegistry.for_new_work", "(self.latest, self.newest)", '("", self.served)'),
    # The disk itself, and who may ask.
    Mutant("answers-before-the-log-is-flushed", "RocksStore._commit_group", "db.flush_wal(True)", "pass", "tests/journal/test_power.py"),
    Mutant("goes-on-after-a-failed-write", "RocksStore._refuse_if_failed", "if failure is not None:", "if False:", "tests/journal/test_rocks.py"),
    Mutant("ends-a-scan-at-damage", "_scan", "rows.status()", "pass", "tests/journal/test_rocks.py"),
    Mutant("lets-an-earlier-owner-write", "KvPartition.check_claim", "if current is not self._claim:", "if False:", "tests/journal/test_contract.py"),
    Mutant("completes-with-a-late-outcome", "complete_step", "if wait is None or wait.kind is not WaitKind.STEP:", "if wait is None:", "tests/core/test_decide.py"),
    Mutant("lets-output-be-overtaken", "SettledView._settled", "while self._held and self._held[0].counts is not None:", "while self._held:"),
    Mutant("takes-a-short-read-for-all-there-is", "_read_records", "if number <= last:", "if False:", "tests/journal/test_contract.py"),
    Mutant("shows-a-log-with-items-missing", "ObjectItems._stored_items", "if len(found) != stop - start:", "if False:"),
    Mutant("keeps-a-snapshot-of-one-event-before", "KvPartition._extend", "keys.snapshot(number, stream, last)", "keys.snapshot(number, stream, last - 1)"),
    Mutant("joins-two-histories", "Replica._take", "if entry.before != self._read.digest:", "if False:", "tests/journal/test_replicated.py"),
    Mutant("joins-a-log-that-lost-its-end", "check_continues", "if not found:", "if not found:\n        return\n    if False:", "tests/journal/test_replicated.py"),
    Mutant("acknowledges-what-the-log-refused", "Replica._append", "self._failure = error", "pass", "tests/journal/test_replicated.py"),
    Mutant("applies-half-of-a-commit", "Replica._take", "if entry.part + 1 < entry.parts:", "if False:", "tests/journal/test_replicated.py"),
    Mutant("goes-on-with-the-counters-of-a-former-claim", "ReplicatedExchange.forget_partition", "self.forget_outbox(partition)", "pass", "tests/journal/test_replicated.py"),
    Mutant("overwrites-what-waits-to-be-posted", "ReplicatedExchange._write_outgoing", "outbox.write_state(batch)", "pass", "tests/journal/test_replicated.py"),
    Mutant("forgets-numbers-that-are-sent-again", "Outgoing._lowest_kept", "return self._lowest", "return self._lowest + 1_000", "tests/journal/test_replicated.py"),
    Mutant("knows-a-message-by-its-id-alone", "Outbox.has_arrived", "isinstance(message, SentMessage) and self._is_taken(batch, message)", "False", "tests/journal/test_replicated.py"),
    Mutant("takes-what-is-below-the-lowest", "Outbox._is_taken", "message.number < self._taken_to(batch, message.sender) or ", "", "tests/journal/test_replicated.py"),
    Mutant("keeps-every-number", "Outbox._remember_number", "if message.lowest >=", "if False and message.lowest >=", "tests/journal/test_replicated.py"),
    Mutant("lets-a-former-owner-write-to-the-log", "MemoryLog.append", "if self.trimmed[partition] + len(entries) != after:", "if False:", "tests/simulation/test_nodes.py"),
    Mutant("trims-what-a-living-node-needs", "LogTrimmer.trim", "*(each.get(partition, 0) for each in applied)", "", "tests/journal/test_snapshots.py"),
    Mutant("trims-behind-a-partial-snapshot", "LogTrimmer._checked", "if missing := await self._snapshots.missing(snapshot.chunks):", "if missing := None:", "tests/journal/test_snapshots.py"),
    Mutant("gives-a-new-node-changed-bytes", "_write_chunk", "if digest_of_chunk(data) != digest:", "if False:", "tests/journal/test_snapshots.py"),
    Mutant("removes-a-store-before-its-copy-is-whole", "Seeding.begin", "self.discard()", "self.discard()\n            (self._held.root / STORE).unlink(missing_ok=True)", "tests/journal/test_snapshots.py"),
    Mutant("trims-what-keeps-a-former-writer-out", "ObjectLog.trim", " and number not in kept", "", "tests/journal/test_object_log.py"),
    Mutant("counts-a-claim-among-trimmed-entries", "ObjectLog._append_first", "if not is_last and found[: len(expected) + 2] != [*expected, after + 1, after + 2]:", "if False:", "tests/journal/test_object_log.py"),
    Mutant("goes-on-after-a-put-in-doubt", "ObjectLog.append", "self._written.pop(partition, None)", "self._written.get(partition)", "tests/journal/test_object_log.py"),
    Mutant("takes-a-put-of-another-for-its-own", "Bucket.settle", "return found == data", "return True", "tests/journal/test_object_log.py"),
    Mutant("takes-its-own-put-for-another", "Bucket.settle", "return found == data", "return False", "tests/journal/test_object_log.py"),
    Mutant("joins-objects-that-lost-their-end", "ObjectLog._read_page", "if after and not page:", "if False:", "tests/journal/test_object_log.py"),
    Mutant("accepts-a-store-without-a-fence", "ObjectLog.check", "if made != [True, False]:", "if False:", "tests/journal/test_object_log.py"),
    Mutant("counts-a-chunk-that-is-being-removed", "ObjectSnapshots._kept", "if name not in records.condemned", "", "tests/journal/test_snapshots.py"),
    Mutant("takes-a-letter-twice", "Outbox.has_arrived", "seen is not None and", "False and", "tests/journal/test_replicated.py"),
    Mutant("forgets-what-was-handed-over", "ReplicatedExchange._complete", "outbox.remember(", "(lambda *_: None)(", "tests/journal/test_replicated.py"),
    Mutant("leaves-what-nobody-consumes-in-memory", "ReplicatedJournal._send_here", "if all(each.is_kept for each in handed_over):", "if True:", "tests/journal/test_replicated.py"),
    Mutant("gives-out-what-was-handed-over-again", "ReplicatedExchange.post", "elif (handed_over := self._handed_over(sender, message)) is None:", "elif (handed_over := None) is None:", "tests/journal/test_replicated.py"),
    Mutant("says-that-a-commit-on-its-way-is-durable", "ReplicatedJournal._send_here", "self.exchange.outbox(partition).write_state(batch)", "pass", "tests/journal/test_replicated.py"),
    Mutant("says-that-what-was-handed-over-was-kept", "Inbox.close", "is_kept=False", "is_kept=True", "tests/journal/test_replicated.py"),
    Mutant("removes-a-row-before-its-message-is-durable", "Outgoing._send_in_order", "lowest = self._lowest_kept()", "lowest = self._lowest_kept()\n            self._exchange.note_sent(self._partition, [key for key, _ in rows])", "tests/journal/test_replicated.py"),
    Mutant("never-removes-what-was-sent", "Outgoing._send_in_order", "self._has_sent.set()", "pass", "tests/journal/test_replicated.py"),
    Mutant("answers-although-it-may-be-dead", "Node.may_answer", "partition in self._held and self.is_fresh", "partition in self._held", "tests/simulation/test_nodes.py"),
    Mutant("keeps-its-claims-after-a-silence", "Node._was_heard", "if self._held and", "if False and", "tests/journal/test_nodes.py"),
    Mutant("claims-what-a-living-node-owns", "Node._is_free", "partition not in member.owned", "True", "tests/journal/test_nodes.py"),
    Mutant("moves-what-need-not-move", "placement", "if owner in loads:", "if False:", "tests/journal/test_placement.py"),
    Mutant("moves-partitions-to-a-node-that-comes-and-goes", "Node._is_steady", "since >= STEADY_SECONDS", "since >= 0.0", "tests/journal/test_nodes.py"),
    Mutant("claims-before-it-obeys-the-gates", "Node._obeys_what_others_do", "member.registry_version <= self.registry_version()", "True", "tests/journal/test_nodes.py"),
    Mutant("answers-before-every-node-obeys", "RequestRouter._late", "member.registry_version < version", "False", "tests/engine/test_cluster.py"),
    Mutant("forgets-who-waits-when-it-moves", "RequestRouter.move_when_asked", "self._watch(reply)", "pass", "tests/engine/test_cluster.py"),
    Mutant("says-that-nothing-was-done-after-it-may-have-been", "RequestRouter._answer_to", "if unknown is not None and", "if False and", "tests/engine/test_cluster.py"),
    Mutant("ends-an-engine-in-silence", "background", "_without_cancellations(raised)", "raised", "tests/journal/test_replicated.py"),
    Mutant("repeats-what-may-not-be-repeated", "_may_be_repeated", "return isinstance", "return True or isinstance", "tests/engine/test_cluster.py"),
    Mutant("waits-for-a-node-that-hangs", "RequestRouter._stop_asking_dead_nodes", "scope.cancel()", "pass", "tests/engine/test_cluster.py"),
    Mutant("answers-nodes-without-a-signature", "NodeApi._read", "if not is_equal(", "if False and not is_equal(", "tests/engine/test_forwarding.py"),
    Mutant("believes-any-answer-of-a-node", "NodeTransport.ask", "if not is_equal(given", "if False and not is_equal(given", "tests/engine/test_forwarding.py"),
    Mutant("takes-a-forwarded-call-as-new", "decode_request", "source=asked.source,", "source=asked.source, is_fresh=True,", "tests/engine/test_forwarding.py"),
    Mutant("opens-to-a-revoked-token", "_contents_of", " if not token.is_revoked", "", "tests/cli/test_tokens.py"),
    Mutant("accepts-tokens-while-it-is-behind", "Node.is_current", "self.registry_version() >= version", "True", "tests/engine/test_shared_tokens.py"),
    Mutant("accepts-tokens-while-it-is-cut-off", "Node.is_current", "self.is_fresh and", "", "tests/engine/test_shared_tokens.py"),
    Mutant("gives-a-draining-node-its-share", "Node._place", "if member.name not in rules.draining", "", "tests/engine/test_drain.py"),
    Mutant("lets-a-page-of-another-site-in", "Guard._check_sender", "if origin is not None and", "if False and", "tests/http/test_guard.py"),
    Mutant("answers-to-any-name", "Guard._checked_host", "if name not in self._hosts and", "if False and", "tests/http/test_guard.py"),
    Mutant("gives-each-token-every-scope", "Guard.check_scope", "if route.scope is not None and", "if False and", "tests/http/test_guard.py"),
    Mutant("takes-a-request-of-two-lengths", "Guard.check_address", "if \"transfer-encoding\" in", "if False and \"transfer-encoding\" in", "tests/http/test_connection.py"),
    # Signed links.
    Mutant("believes-every-link", "LinkSigner.read", "if hmac.compare_digest(expected, found[\"signature\"]):", "if True:", "tests/engine/test_questions.py"),
    Mutant("takes-a-second-answer", "on_signal", "invocation.questions.pop(event.question, None)", "pass", "tests/engine/test_questions.py"),
    Mutant("lets-a-link-outlive-its-wait", "on_wait_dropped", "_close(invocation, _end(invocation, event.step).question)", "_end(invocation, event.step)", "tests/engine/test_questions.py"),
    Mutant("takes-an-answer-for-another-question", "_can_take", "not signal.question or wait.question == signal.question", "True", "tests/engine/test_questions.py"),
    Mutant("never-expires-a-link", "OpenQuestion.has_expired", "now >= self.expires_at", "False", "tests/engine/test_questions.py"),
    Mutant("signs-links-with-the-key-of-webhooks", "LinkSigner._signature", "_LABEL", "b\"webhook pager life 1\"", "tests/http/test_links.py"),
    Mutant("answers-when-a-link-is-opened", "show_question", "question = await exchange.client.question_of_link(exchange.path[\"token\"])", "question = await exchange.client.answer_by_link(exchange.path[\"token\"], \"approve\")", "tests/http/test_links.py"),
    Mutant("deletes-an-object-in-use", "check_deletion", "state.invocations.items()", "()"),
    Mutant("deletes-an-object-and-leaves-its-items", "clear_stream", "batch.cleared.append((items, keys.after_prefix(items)))", "pass"),
    Mutant("shows-a-new-object-the-items-of-the-deleted-one", "Deletions._delete", "batch.cleared.append((start, stop))", "pass"),
    Mutant("deletes-an-object-and-leaves-its-invocations", "Deletions._delete", "batch.rows.update(gone)", "pass"),
    Mutant("believes-every-webhook", "verify", "if not any(matches):", "if False:", "tests/http/test_webhooks.py"),
    Mutant("takes-a-webhook-of-any-time", "signature_in", "abs(now - signed.at) > webhook.tolerance", "False", "tests/http/test_webhooks.py"),
    Mutant("stores-the-credentials-of-a-webhook", "stored_headers", "if name not in _NOT_STORED:", "if True:", "tests/http/test_webhooks.py"),
    Mutant("takes-each-delivery-as-a-new-one", "take_webhook", "send_webhook(target, request, key)", "send_webhook(target, request, None)", "tests/http/test_webhooks.py"),
    Mutant("verifies-with-no-secret", "_secret_of", "if not secret:", "if False:", "tests/http/test_webhooks.py"),
    Mutant("serves-the-console-as-it-was", "_serving", "if file.tag in", "if True or file.tag in", "tests/http/test_guard.py"),
)  # fmt: skip


# Planting.


@functools.cache
def _places() -> dict[str, list[tuple[Path, int, int]]]:
    """By qualified name of a function or class: the files that have one, and the lines, from and up to."""
    places: dict[str, list[tuple[Path, int, int]]] = {}
    for package in ("actors", "journal"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name, node in _functions(ast.parse(path.read_text())):
                lines = (path, getattr(node, "lineno", 1) - 1, getattr(node, "end_lineno", 1))
                places.setdefault(name, []).append(lines)
    return places


def _functions(tree: ast.AST, above: str = "") -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{above}{node.name}"
            found += [(name, node), *_functions(node, f"{name}.")]
    return found


def planted(mutant: Mutant) -> tuple[Path, str]:
    """The file that the bug is in, and its source with the bug. Raises ``LookupError`` where it has no place, or several."""
    found: list[tuple[Path, str]] = []
    for path, at, end in _places().get(mutant.place, ()):
        lines = path.read_text().splitlines(keepends=True)
        body = "".join(lines[at:end])
        if mutant.old in body:
            body = body.replace(mutant.old, mutant.new, 1)
            found.append((path, "".join([*lines[:at], body, *lines[end:]])))
    if len(found) != 1:
        raise LookupError(f"{mutant.name}: {len(found)} functions {mutant.place} have {mutant.old!r}, expected one")
    return found[0]


def _import_with(path: Path, source: str) -> None:
    """Let the file be imported as if this were its source."""
    loader: Any = importlib.machinery.SourceFileLoader
    get_code = loader.get_code

    def get_this_code(self: Any, fullname: str) -> Any:
        if self.path == str(path):
            return compile(source, self.path, "exec", dont_inherit=True)
        return get_code(self, fullname)

    loader.get_code = get_this_code


@attrs.frozen
class Hunt:
    """How a bug was looked for. ``broken`` is the law or the test that found it, nothing if none did; ``seed`` is that of the storm.
    ``seconds`` are of the processor, ``said`` is why there was no hunt."""

    broken: str = ""
    seed: int | None = None
    seconds: float = 0.0
    said: str = ""

    @property
    def after(self) -> str:
        """How much it took."""
        storms = "" if self.seed is None else f"{self.seed + 1} storms, "
        return f"{storms}{self.seconds:.1f} s"


def hunt(mutant: Mutant) -> Hunt:
    """Look for a bug, in a process of its own."""
    command = [sys.executable, "-m", "tests.mutants", "--play", mutant.name]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        return Hunt(said=ran.stderr.strip()[-300:] or f"exit code {ran.returncode}")
    return Hunt(**json.loads(ran.stdout))


def _play(mutant: Mutant) -> Hunt:
    """In the child: plant it, and look for it."""
    plant(mutant.name)
    began = _processor_seconds()
    found = _play_tests(mutant) if mutant.suite else _play_storms()
    return attrs.evolve(found, seconds=_processor_seconds() - began)


def plant(name: str) -> None:
    """Have this process import the sources with the bug."""
    _import_with(*planted(next(mutant for mutant in MUTANTS if mutant.name == name)))


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _play_storms() -> Hunt:
    from tests.simulation.storm import broken_laws  # with the bug in it

    for seed in range(SEEDS):
        broken = broken_laws(seed)
        if broken:
            return Hunt(broken[0][0], seed)
        if time.process_time() > SECONDS:
            break
    return Hunt()


def _play_tests(mutant: Mutant) -> Hunt:
    import pytest  # storms do without it

    failed: list[str] = []

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                failed.append(report.nodeid)

    plants = f"from tests.mutants import plant; plant({mutant.name!r})"
    with contextlib.redirect_stdout(sys.stderr), customized(plants):
        pytest.main(["-x", "-q", "-p", "no:cacheprovider", mutant.suite], plugins=[Listener()])
    return Hunt(failed[0] if failed else "")


# Telling.


HEAD = ("| bug | place | found by | after |", "| --- | --- | --- | --- |")
_TABLE = re.compile(r"(<!-- mutants -->\n)(.*)(<!-- /mutants -->)", re.DOTALL)


def find(hunt: Hunt) -> str:
    """What found a bug, as the last cells of a line of the table."""
    by = f"law: {hunt.broken}" if hunt.seed is not None else f"`{hunt.broken}`" if hunt.broken else "**nothing**"
    return f"{by} | {hunt.after} |"


def finds_in_table() -> dict[str, str]:
    """By the name of a bug, what ``tests/README.md`` says of how it was found. Raises ``LookupError`` where there is no place for
    the table."""
    marked = _TABLE.search(README.read_text())
    if marked is None:
        raise LookupError(f"{README} has no place for the table")
    lines = marked[2].splitlines()[len(HEAD) :]
    cells = [line.removeprefix("| ").split(" | ", 2) for line in lines]
    return {name: found for name, _, found in cells}


def _write_table(found: list[tuple[Mutant, Hunt]]) -> None:
    """Write how these were found; of the others, what is there stays. In the order of ``MUTANTS``, and with the places of today."""
    finds = finds_in_table() | {mutant.name: find(hunt) for mutant, hunt in found}
    lines = [*HEAD, *(f"| {m.name} | `{m.place}` | {finds[m.name]}" for m in MUTANTS if m.name in finds)]
    README.write_text(_TABLE.sub(lambda match: f"{match[1]}{chr(10).join(lines)}\n{match[3]}", README.read_text()))


def main(arguments: list[str]) -> int:
    """Look for all of them, or those that are named; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("bug", nargs="*", help="one to plant; all of them if none is named")
    parser.add_argument("--table", action="store_true", help="write what was found into tests/README.md")
    parser.add_argument("--missing", action="store_true", help="look for those alone that the table does not have")
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names: list[str] = options.bug
    unknown = {*names} - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"there is no bug {', '.join(sorted(unknown))}; tests/README.md has their names")
    if options.play:
        found = _play(next(mutant for mutant in MUTANTS if mutant.name == names[0]))
        print(json.dumps(attrs.asdict(found)))
        return 0
    results: list[tuple[Mutant, Hunt]] = []
    known = finds_in_table() if options.missing else {}
    wanted = [m for m in MUTANTS if (not names or m.name in names) and m.name not in known]
    with ThreadPoolExecutor(TOGETHER) as pool:
        for mutant, found in zip(wanted, pool.map(hunt, wanted), strict=True):
            results.append((mutant, found))
            print(f"{mutant.name:45} {found.after:22} {found.broken or 'NOT FOUND ' + found.said}", flush=True)
    missed = sum(not found.broken for _, found in results)
    print(f"{len(wanted) - missed} of {len(wanted)} found, each within {SEEDS} storms or {SECONDS:.0f} s")
    if options.table:
        _write_table(results)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
