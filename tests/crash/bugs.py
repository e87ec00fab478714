"""Promises broken on purpose, so that the judge can be judged. Each is one small thing that an engine could do wrong.

They are planted into the servers that are killed; the one that ends everything in the end is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen
class Bug:
    """One of them; ``shows`` is what the judge must say. ``power``: only a power cut can show it. ``to_the_end``: the last
    process, which lets everything end, has it too."""

    plant: Callable[[], None]
    shows: str
    power: bool = False
    to_the_end: bool = False


def plant(name: str) -> None:
    """Break this promise."""
    BUGS[name].plant()


def _now_and_then(one_in: int) -> Callable[[], bool]:
    calls = 0

    def is_due() -> bool:
        nonlocal calls
        calls += 1
        return calls % one_in == 0

    return is_due


def _answer_too_early() -> None:
    from actors.engine.machine import Machine

    Machine.when_durable = lambda self, action: action()


def _never_flush() -> None:
    from journal.kv import rocks, rocks_watch

    class Forgetful:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._db = real(*arguments, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._db, name)

        def flush_wal(self, sync: bool) -> None:
            self._db.flush_wal(False)

    real = rocks.Rdict
    rocks.Rdict = Forgetful
    rocks_watch._MARK_SECONDS = 3600.0  # the mark is ahead of the disk otherwise, and the store says so at its start


def _forget_who_was_here() -> None:
    from actors.core import commands as c
    from actors.engine import dispatcher

    def invoke(self: dispatcher.Dispatcher, loaded: Any, request: Any, command: Any) -> None:
        request.is_fresh = True
        real(self, loaded, request, command)

    real = dispatcher._TAKEN[c.Invoke]
    dispatcher._TAKEN[c.Invoke] = invoke


def _skip_messages() -> None:
    from actors.engine.dispatcher import Dispatcher

    is_due = _now_and_then(15)

    async def take(self: Dispatcher, request: Any) -> None:
        if request.position is not None and is_due():
            loaded = await self._machine.cache.get(request.to)
            self._machine.consume(loaded, request.position)
        else:
            await real(self, request)

    real = Dispatcher.take
    Dispatcher.take = take


def _keep_messages() -> None:
    from actors.engine.machine import Machine

    Machine.consume = lambda self, loaded, position: None


def _run_steps_again() -> None:
    from actors.core.state import Wait, WaitKind, existing
    from actors.engine.step_runner import StepRunner
    from journal import events as e

    recorded: set[Any] = set()

    def take_up(self: StepRunner, loaded: Any, attempt: Any, steps: Any) -> None:
        for step in sorted(recorded & attempt.execution.parked.keys()):
            existing(loaded.state).invocations[attempt.invocation_id].waits[step] = Wait(WaitKind.STEP, 0.0)
            self.run_step(loaded, attempt.invocation_id, step)

    def replay_plan(history: list[Any], *also: int) -> Any:
        recorded.clear()
        recorded.update(r.event.step for r in history if isinstance(r.event, e.StepScheduled))
        return real((r for r in history if not isinstance(r.event, e.StepCompleted)), *also)

    from actors.engine import attempt as attempts

    real = attempts.replay_plan
    attempts.replay_plan = replay_plan
    StepRunner.take_up = take_up


def _forget_timers() -> None:
    from actors.core import commands as c
    from actors.core import effects as f
    from actors.engine import machine

    is_due = _now_and_then(5)

    def set_timer(self: machine.Machine, loaded: Any, effect: Any, recorded: Any) -> None:
        if not (isinstance(effect.command, (c.FireTimer, c.StartDue)) and is_due()):
            real(self, loaded, effect, recorded)

    real = machine._DEEDS[f.SetTimer]
    machine._DEEDS[f.SetTimer] = set_timer


def _fire_early() -> None:
    from actors.engine import machine

    def message(to: Any, at: float, command: Any) -> Any:
        return real(to, at - 0.1, command)

    real = machine.timer_message
    machine.timer_message = message


def _serve_the_last_first() -> None:
    from actors.core import evolve
    from actors.core.decide import turns
    from actors.engine.first_turns import FirstTurns
    from journal import events as e

    def start(state: Any, invocation: Any, event: Any, stamp: Any) -> None:
        if invocation.invocation_id in state.queue:
            state.queue.remove(invocation.invocation_id)
            state.queue.insert(0, invocation.invocation_id)
        real(state, invocation, event, stamp)

    FirstTurns.take = lambda *_: False  # type: ignore[method-assign]  # calls that end at once never wait in line
    real = evolve._EVOLVE[e.InvocationStarted]
    evolve._EVOLVE[e.InvocationStarted] = start

    def start_next(state: Any, *, without: Any) -> list[Any]:
        waiting = [i for i in state.queue if i != without.invocation_id]
        if not waiting or state.holder not in (None, without.invocation_id):
            return []
        return [e.InvocationStarted(invocation_id=waiting[-1])]

    turns._start_next = start_next


def _lose_output() -> None:
    from actors.replay.execution import Execution

    is_due = _now_and_then(10)

    def keep(self: Execution) -> None:
        self._turn_output = [value for value in self._turn_output if not is_due()]
        real(self)

    real = Execution._keep_turn
    Execution._keep_turn = keep


def _forget_in_snapshots() -> None:
    from actors.engine import sealer

    def encode(state: Any) -> bytes:
        return real(attrs.evolve(state, fields=dict(list(state.fields.items())[:-1])))

    real = sealer.encode_snapshot
    sealer.encode_snapshot = encode


def _lose_signals() -> None:
    from actors.core import commands as c
    from actors.engine.machine import Machine

    is_due = _now_and_then(5)

    def decide(self: Machine, loaded: Any, command: Any, stamp: Any) -> list[Any]:
        if isinstance(command, c.SignalInvocation) and is_due():
            return []
        return real(self, loaded, command, stamp)

    real = Machine.decide
    Machine.decide = decide


def _lose_changes() -> None:
    from actors.model.field_view import FieldView

    is_due = _now_and_then(20)

    def take(self: FieldView, *, ended: bool) -> Any:
        changes = real(self, ended=ended)
        return [] if changes and is_due() else changes

    real = FieldView.take_changes
    FieldView.take_changes = take


def _forget_items() -> None:
    from actors.engine import machine

    is_due = _now_and_then(20)

    def index(*arguments: Any) -> None:
        if not is_due():
            real(*arguments)

    real = machine.index_items
    machine.index_items = index


def _forget_rows() -> None:
    from actors.engine import sealer

    is_due = _now_and_then(20)

    def index(*arguments: Any) -> None:
        if not is_due():
            real(*arguments)

    real = sealer.index_invocation
    sealer.index_invocation = index


def _unchain_the_audit() -> None:
    from actors.rows.audit import AuditTrail

    is_due = _now_and_then(5)

    def extend(self: AuditTrail, row: Any) -> tuple[bytes, bytes]:
        link = self._link
        made = real(self, row)
        if is_due():
            self._link = link
        return made

    real = AuditTrail.extend
    AuditTrail.extend = extend


BUGS = {
    "answers before it is durable": Bug(_answer_too_early, "lost|was not kept"),
    "never syncs": Bug(_never_flush, "lost|was not kept", power=True),
    "forgets who was here": Bug(_forget_who_was_here, "was not kept|ended 2 times"),
    "skips a message": Bug(_skip_messages, "has not ended|has no end"),
    "keeps messages": Bug(_keep_messages, "messages are left", to_the_end=True),
    "runs a recorded step again": Bug(_run_steps_again, "ran again after its outcome was on disk"),
    "forgets a timer": Bug(_forget_timers, "has not ended"),
    "fires a timer early": Bug(_fire_early, "early"),
    "serves the last first": Bug(_serve_the_last_first, "not first come first served"),
    "loses output": Bug(_lose_output, "its output"),
    "forgets a field in snapshots": Bug(_forget_in_snapshots, "its balance|the snapshot and the events disagree"),
    "loses a signal": Bug(_lose_signals, "was not kept.*signalled"),
    "loses a change": Bug(_lose_changes, "its balance|lines in the log"),
    "forgets an item of a log or a map": Bug(_forget_items, "lines in the log|marks"),
    "forgets to index": Bug(_forget_rows, "its row|have a row"),
    "unchains the audit": Bug(_unchain_the_audit, "the audit"),
}
