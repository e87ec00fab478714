"""Bugs of one line, planted on purpose: does the simulator find each of them, and after how many seeds?

``python -m tests.mutants`` plants one after the other, each in a process of its own, and prints the law that it broke and the seed.
``python -m tests.mutants early-timer`` plants one. Exits with 1 if any is not found within ``SEEDS`` seeds.

A bug is described by its place, which is the qualified name of a function of ``actors`` or ``journal``, by a text in that function
and by the text that takes its place: so it survives that files are moved, and says so if the function is no longer there.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
SEEDS = 300
SECONDS = 60.0


@attrs.frozen
class Mutant:
    """A bug: its ``name`` says what the engine then does."""

    name: str
    place: str
    old: str
    new: str


MUTANTS = (
    # The kernel: what is decided, what it changes, what follows.
    Mutant("accepts-one-more-than-may-wait", "_invoke", ">= limits.mailbox", "> limits.mailbox"),
    Mutant("lets-the-last-one-go-first", "_accept", "state.queue.append(", "state.queue.insert(1 if state.queue else 0, "),
    Mutant("starts-at-once-what-was-sent-for-later", "_accept", "command.scheduled_for is None and", "True and"),
    Mutant("compensates-what-has-not-begun", "_cancel", "if not invocation.is_started:", "if False:"),
    Mutant("swallows-a-cancel", "Execution._cancel_root", ") -> None:", ") -> None:\n        return"),
    Mutant("is-never-impatient", "_on_cancel", "if event.kill_at is not None:", "if False:"),
    Mutant("leaves-a-called-one-alive", "_clear_waits", "if wait.kind is WaitKind.CALL and", "if False and"),
    Mutant("goes-on-with-a-killed-one", "_on_completed", "del state.invocations[invocation.invocation_id]", "state.invocations.pop(invocation.invocation_id) if event.outcome.kind is not OutcomeKind.KILLED else None"),
    Mutant("pauses-and-lets-a-step-be-forgotten", "_pause", "if drains:", "if False:"),
    Mutant("runs-what-is-paused", "may_run", "invocation.status in ACTIVE", "(invocation.status in ACTIVE or invocation.status is Status.PAUSED)"),
    Mutant("retries-a-step-of-what-is-paused", "_on_paused", "if wait.kind is WaitKind.STEP_RETRY:", "if False:"),
    Mutant("suspends-what-has-a-step-to-run", "_suspend", "if has_running_steps(invocation):", "if False:"),
    Mutant("tries-once-more-than-it-may", "is_exhausted", "failed_attempts >= policy", "failed_attempts > policy"),
    Mutant("keeps-half-of-an-atomic-change", "keeps_changes", "or not invocation.atomic", "or True"),
    Mutant("shows-half-of-an-atomic-change", "writer_beside", "return holder if holder is not None and not state.invocations[holder].atomic else None", "return holder"),
    Mutant("fires-timers-early", "timer_letter", "timer\"), at)", "timer\"), at - 0.1)"),
    Mutant("leaves-timers-behind", "Ledger._retract_timer", "self._forming.retracted.append(", "(lambda letter: None)("),
    Mutant("does-not-remember-who-attached", "_on_attach_requested", "invocation.attached.append(event.by)", "pass"),
    Mutant("answers-nobody-who-joined", "_answer", "waiting = [*invocation.attached] if", "waiting: list[Caller] = [] if"),
    # Signals and restarts.
    Mutant("gives-a-signal-to-another-wait", "Signals.receive", "next((wait for wait in waits if wait.step == signal.step), None)", "None"),
    Mutant("gives-a-restart-the-signal-of-another-wait", "keep", "_come_late(r.event, successor, takers, asking)", "_come_late(r.event, successor, {}, asking)"),
    Mutant("restarts-with-todays-signals", "keep", "and r.event.signal not in consumed", ""),
    Mutant("loses-outcomes-in-a-restart", "_may_be_kept", "or is_completion(event) or", "or"),
    Mutant("forgets-an-item-in-a-rewind", "rewind_items", "rows[keys.log_item(partition, stream, field, index)] = None", "pass"),
    # Running.
    Mutant("does-an-at-most-once-step-again", "Stage._take_up_steps", "and parked.event.at_most_once:", "and False:"),
    Mutant("takes-no-step-up-again", "Stage._start", "if unfinished:", "if False:"),
    Mutant("runs-one-step-more-than-may-run", "Stage._run_step", ">= self._limits.running_steps", "> self._limits.running_steps"),
    Mutant("forgets-steps-that-wait-for-their-turn", "Stage._supervise", "while self._waiting_steps and", "while False and"),
    Mutant("lets-steps-of-a-killed-one-run-on", "Stage.end_attempt", "if abort_steps:", "if False:"),
    Mutant("lets-the-next-one-begin-too-soon", "Stage._waits_for_unwinding", "if seconds <= 0:", "if True:"),
    Mutant("records-what-an-abandoned-step-says", "StepTask.abandon", "self.is_wanted = False", "pass"),
    Mutant("compensates-beside-the-action", "Stage._interrupt", "elif task.is_wanted:", "else:\n            self._ledger.decide_as_engine(resident, c.AbortStep(invocation_id=of, step=step))\n        if task is not None and task.is_wanted:"),
    Mutant("emits-again-in-a-replay", "Execution.request", "return self._match(event)", "self._turn.append(event)\n        return event"),
    # Edges: clients, the disk, other partitions.
    Mutant("answers-before-it-is-durable", "Ledger.when_durable", "self._forming.released.append(action)", "action()"),
    Mutant("forgets-that-a-request-came", "Definition.request_id", "new_id(target, request_key, 0, secret,", "new_id(target, request_key + str(__import__('random').random()), 0, secret,"),
    Mutant("does-a-refused-request-later", "Reception._refuse", "case c.Invoke() if arrival.reply is None and arrival.outcome is None:", "case c.Invoke():"),
    Mutant("loses-what-it-cannot-take-now", "Reception._postpone", "self._keep(arrival)", "pass"),
    Mutant("loses-what-a-damaged-object-is-told", "Reception._keep", "if c.can_be_sent(arrival.command):", "if False:"),
    Mutant("keeps-letters-that-were-dealt-with", "Ledger.consume", "self._forming.extension(resident).consumed.append(position)", "pass"),
    Mutant("gives-two-letters-one-place", "Postbox.put", "self.state.next_arrival += 1", "pass"),
    Mutant("names-letters-alike", "Ledger.deliver", 'f"{self._unique():032x}"', 'f"{to}"'),
    Mutant("shows-what-is-not-durable", "Settled._first_to_change", "if key in commit.batch.rows:", "if False:"),
    Mutant("reads-a-commit-in-doubt-as-done", "Settled.commit", "commit.is_in_doubt = True\n            raise", "commit.is_in_doubt = True"),
    Mutant("never-looks-what-became-of-a-doubt", "StoredJournal.claim", "if self._settled.reveal():", "if False:"),
    Mutant("hides-what-was-refused", "Settled.commit", "self._forget(commit)\n            raise", "raise"),
    Mutant("unchains-the-audit", "AuditTrail.extend", "value, self._link = encode_audit(", "value, _ = encode_audit("),
    # Retention and rows.
    Mutant("halves-retention", "Ledger._retention_of", "if retention is None else retention", "if retention is None else retention / 2"),
    Mutant("keeps-what-is-past-its-retention", "Ledger._row_at_end", "purge_at = stamp.at +", "purge_at = stamp.at + 3600.0 +"),
    Mutant("leaves-rows-of-what-was-purged", "forget_invocation", "rows[keys.invocation(partition, row.invocation_id)] = None", "pass"),
    Mutant("cuts-off-too-much", "Ledger._erase_history", "self.partition.snapshot(resident.stream, first_kept - 1)", "self.partition.snapshot(resident.stream, resident.durable)"),
    Mutant("purges-what-a-restart-needs", "_purge", "if keeps_from(waiting) == invocation_id:", "if False:"),
    Mutant("leaves-an-index-behind", "index_invocation", "rows[keys.open_by_status(partition, listed.status, invocation_id)] = None", "pass"),
    Mutant("starts-nobody-who-owes", "index_owing", "if owing != resident.owing_on_disk:", "if False:"),
    # Gates and jobs.
    Mutant("forgets-a-gate", "Gates.holding_invocation", "return self.holding(", "return [] and self.holding("),
    Mutant("opens-a-gate-and-wakes-nobody", "Gatekeeper.turn", "if before.let_through_more_as(gates):", "if False:"),
    Mutant("starts-with-the-gates-open", "RegistryView.load", "self.gates = self._read_gates()", "pass"),
    Mutant("asks-again-in-a-job", "_obey", "if spec.verb is not JobVerb.PURGE:", "if False:"),
    Mutant("says-that-a-job-changed-all", "_fate", "if answer.changed else ItemResult.UNCHANGED", ""),
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
    """How a bug was looked for: the seed that found it, and the law that it broke there; none if it was not found."""

    law: str
    seed: int
    seconds: float
    said: str


def hunt(mutant: Mutant) -> Hunt:
    """Look for a bug, in a process of its own."""
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--play", mutant.name], cwd=ROOT, capture_output=True, text=True
    )
    seed, _, law = ran.stdout.strip().partition(" ") if ran.returncode == 0 else ("-1", "", "")
    return Hunt(law, int(seed), time.monotonic() - began, ran.stderr.strip()[-200:])


def _play(mutant: Mutant) -> int:
    """In the child: plant it, and play storms until one breaks a law."""
    _import_with(*planted(mutant))
    from tests.simulation.storm import broken_laws  # with the bug in it

    for seed in range(SEEDS):
        broken = broken_laws(seed)
        if broken:
            print(seed, broken[0][0])
            return 0
        if time.process_time() > SECONDS:
            break
    return 1


def main(arguments: list[str]) -> int:
    """Look for all of them, or those that are named; the exit code."""
    if arguments[:1] == ["--play"]:
        return _play(next(mutant for mutant in MUTANTS if mutant.name == arguments[1]))
    wanted = [mutant for mutant in MUTANTS if not arguments or mutant.name in arguments]
    missed = 0
    for mutant in wanted:
        found = hunt(mutant)
        missed += not found.law
        told = f"seed {found.seed:4}: {found.law}" if found.law else f"NOT FOUND {found.said}"
        print(f"{mutant.name:45} {found.seconds:5.1f} s  {told}", flush=True)
    print(f"{len(wanted) - missed} of {len(wanted)} found within {SEEDS} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
