"""A replay that passes recorded operations by cannot be told from one that hands over every completion.

Handlers are those of the forced replays, and their lives are as random. Each journal is cut at every event and replayed both ways:
by the handler itself, and by code that differs from it, so that the errors are compared as well.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import handler, step
from actors.model.classes import definition_of
from actors.model.field_view import FieldView
from actors.model.pins import Pins
from actors.model.verbs.backend import HandlerBackend
from actors.replay.execution import Execution, Progress
from journal import events as e
from journal.waits import event_of
from tests.core.machine import (
    IT,
    STARTED,
    Counted,
    LongWay,
    Machine,
    NoFields,
    call_done,
    cancel,
    signal,
    step_done,
    step_failed,
    timer,
)
from tests.core.test_forced_replay import HANDLERS, SEEDS, live

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from journal.events import Event


def found(machine: Machine) -> dict[str, Any]:
    """Everything that anybody sees of a replay."""
    execution = machine.execution
    error, mismatch = execution.error, execution.mismatch
    return {
        "progress": machine.progress,
        "result": execution.result,
        "error": (type(error), str(error)),
        "mismatch": str(mismatch),
        "waits": {
            step: (event_of(op.event, IT), type(op.interruption), str(op.interruption))
            for step, op in execution.parked.items()
        },
        "interrupted": [*execution.interrupted],
        "history": machine.events,
        "handed over": execution.handed_over,
        "now": execution.now,
        "met cancel": execution.has_met_cancel,
        "repeats": execution.is_repeating,
        "replays": execution.is_replaying,
    }


def replayed(handler: Callable[[], Awaitable[object]], history: Sequence[Event]) -> dict[str, Any]:
    """Replay both ways, and both with the turns after steps read as frames. Returns what is found, and how many operations were
    passed by."""
    short = Machine(handler, history, execution_type=Counted)
    long = Machine(handler, history, execution_type=LongWay)
    turns = Machine(handler, history, execution_type=Counted, reads_turns=True)
    long_turns = Machine(handler, history, execution_type=LongWay, reads_turns=True)
    assert isinstance(short.execution, Counted)
    assert isinstance(turns.execution, Counted)
    assert found(short) == found(long), history
    assert found(turns) == found(long), history
    assert found(long_turns) == found(long), history
    assert turns.execution.passed == short.execution.passed
    seen = {**found(short), "passed": short.execution.passed}
    for machine in (short, long, turns, long_turns):
        machine.execution.close()
    return seen


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_both_ways_agree_at_every_cut_of_a_history(handler: Callable[[], Awaitable[object]]) -> None:
    passed = 0
    for seed in range(SEEDS // 4):
        whole = live(handler, seed, replays=False).events
        for length in range(1, len(whole) + 1):
            passed += replayed(handler, whole[:length])["passed"]
    assert passed > 0


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_both_ways_find_the_same_difference_in_other_code(handler: Callable[[], Awaitable[object]]) -> None:
    mismatches = 0
    for seed in range(SEEDS // 10):
        whole = live(handler, seed, replays=False).events
        for other in HANDLERS:
            for length in range(1, len(whole) + 1, 3):
                mismatches += replayed(other, whole[:length])["progress"] is Progress.MISMATCHED
    assert mismatches > 0


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_both_ways_agree_on_histories_in_disorder(handler: Callable[[], Awaitable[object]]) -> None:
    for seed in range(SEEDS // 4):
        random = Random(f"{handler.__name__} {seed} in disorder")
        history = live(handler, seed, replays=False).events
        for _ in range(8):
            first, rest = history[0], history[1:]
            where = random.randrange(len(rest)) if rest else 0
            if random.random() < 0.5:
                del rest[where : where + 1]
            elif len(rest) > 1:
                where = random.randrange(len(rest) - 1)
                rest[where], rest[where + 1] = rest[where + 1], rest[where]
            replayed(handler, [first, *rest])


@step
async def work(name: str = "") -> str:
    raise AssertionError("not run in a replay")


class Neighbour(actors.Actor):
    @handler
    async def ask(self, number: int) -> int:
        return number


async def asks_a_neighbour() -> list[Any]:
    seen: list[Any] = [await work("a")]
    await actors.sleep(1)
    seen += [await actors.signal("x", int), await actors.actor(Neighbour, "n").ask(3)]
    await actors.actor(Neighbour, "n").ask.send(4)
    seen.append(await actors.invocation(IT).result())
    await work("last")
    return seen


def test_an_operation_of_every_kind_is_passed_by() -> None:
    given = [step_done("1", "a"), timer("2"), signal("x", 7), call_done("4", 3), call_done("6", "b"), step_done("7")]
    whole = Machine(asks_a_neighbour).give(*given)
    again = replayed(asks_a_neighbour, whole.events)
    assert again["result"] == b'["a",7,3,"b"]'
    assert (again["passed"], again["handed over"]) == (7, 6), "six completions and a message"


def test_a_request_that_is_passed_by_is_not_made() -> None:
    """Its id would be another one each time."""
    machine = Machine(asks_a_neighbour).give(step_done("1", "a"), timer("2"), signal("x", 7), call_done("4", 3))
    callees = [event.callee for event in machine.events if isinstance(event, (e.CallScheduled, e.SendScheduled))]
    again = machine.replayed()
    assert [v.callee for v in again.events if isinstance(v, (e.CallScheduled, e.SendScheduled))] == callees


def test_an_error_of_a_step_that_is_passed_by_is_raised() -> None:
    async def it() -> str:
        try:
            return await work("a")
        except actors.StepFailedError:
            return await work("b")

    whole = Machine(it).give(step_failed("1", ValueError("no")), step_done("2", "done"))
    assert replayed(it, whole.events)["result"] == b'"done"'


def test_a_cancel_after_a_failed_attempt_is_given_where_it_was() -> None:
    async def it() -> str:
        await work("a")
        await work("b")
        try:
            await actors.sleep(10)
        except actors.CancelledError:
            return await work("undo")
        raise ValueError("worth a retry")

    whole = Machine(it).give(step_done("1"), step_done("2"), timer("3"))
    assert whole.execution.handed_over == 3
    failed = e.AttemptFailed(invocation_id=IT, attempt=1, failure=e.Failure("E", ""), handed_over=3)
    again = replayed(it, [*whole.events, failed, cancel()])
    assert [*again["waits"]] == ["4"], "it undoes what it did"
    assert again["passed"] == 2


def test_a_step_that_is_stepped_by_hand_takes_no_recorded_outcome() -> None:
    async def it() -> list[str]:
        by_hand = work("a")
        by_hand.send(None)
        by_hand.close()
        return [await work("a"), await work("b")]

    whole = Machine(it).give(step_done("1", "first"), step_done("2", "second"))
    assert replayed(it, whole.events)["result"] == b'["first","second"]'


def test_code_that_insists_on_other_awaits_is_stopped_at_the_second() -> None:
    class Foreign:
        def __await__(self) -> Any:
            yield "something"

    async def it() -> list[str]:
        seen = []
        for name in "abcdef":
            try:
                await Foreign()
            except actors.errors.MisuseError:
                seen.append(await work(name))
        return seen

    whole = Machine(it).give(step_done("1", "1"))
    assert isinstance(whole.error, actors.errors.MisuseError)
    assert replayed(it, whole.events)["passed"] == 1


def test_a_cancel_of_a_scope_in_other_code_is_a_mismatch() -> None:
    """The child fails, so its sibling's wait is dropped; the journal has another request there."""

    async def fails() -> None:
        await work("a")
        raise actors.TerminalError("no")

    async def it(*, steps: int) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(actors.sleep, 1)
            nursery.start_soon(fails if steps == 1 else one_after_the_other)

    async def one_after_the_other() -> None:
        await work("a")
        await work("b")

    whole = Machine(partial(it, steps=2)).give(step_done("1.2.1"))
    again = replayed(partial(it, steps=1), whole.events)
    assert again["progress"] is Progress.MISMATCHED
    assert "attempted: the end of waiting at step 1.1.1" in again["mismatch"]


def test_a_step_in_a_scope_that_is_cancelled_now_is_not_passed_by() -> None:
    async def it(*, cancels: bool) -> str:
        await work("a")
        with actors.CancelScope() as scope:
            if cancels:
                scope.cancel()
            await work("b")
        return "done"

    whole = Machine(partial(it, cancels=False)).give(step_done("1"), step_done("2"))
    again = replayed(partial(it, cancels=True), whole.events)
    assert (again["progress"], again["passed"]) == (Progress.MISMATCHED, 1)


def test_a_step_at_which_a_cancel_is_due_now_is_not_passed_by() -> None:
    async def it(*, shields: int) -> None:
        with actors.CancelScope(shield=True):
            for name in "ab"[:shields]:
                await work(name)
        for name in "ab"[shields:]:
            await work(name)

    whole = Machine(partial(it, shields=2)).give(cancel(), step_done("1"), step_done("2"))
    again = replayed(partial(it, shields=1), whole.events)
    assert (again["progress"], again["passed"]) == (Progress.MISMATCHED, 0)


# The object.


class NoItems:
    """An object that has never had items."""

    def log_lengths(self) -> dict[str, int]:
        return {}

    def map_names(self) -> set[str]:
        return set()

    def log_items(self, field: str, start: int, stop: int) -> list[bytes]:
        return []

    def map_item(self, field: str, key: bytes) -> bytes | None:
        return None

    def map_items(self, field: str) -> list[tuple[bytes, bytes]]:
        return []


class Unencodable:
    """Not a value."""

    def __repr__(self) -> str:
        return "not a value"


class Diary(actors.Actor):
    lines: list[Any] = actors.field(factory=list)
    count: int = 0
    log: actors.Log[str]

    @handler
    async def close(self) -> None:
        """A class has at least one handler."""

    async def write(self) -> int:
        for name in "abc":
            self.lines.append(await work(name))
            self.log.append(name)
            self.count += 1
        return self.count

    async def write_less(self) -> int:
        self.lines.append(await work("a"))
        self.count = 5
        return len(await work("b") + await work("c"))

    async def write_what_cannot_be_kept(self) -> int:
        self.lines.append(await work("a"))
        self.lines.append(Unencodable())
        return len(await work("b") + await work("c"))

    async def read(self) -> int:
        first = len(self.lines)
        await work("a")
        raise ValueError(f"worth a retry: {first}")


EMPTY = {"lines": b"[]"}


def diary(
    handler: Callable[[Diary], Awaitable[int]],
    history: Sequence[Event],
    way: type[Execution],
    *,
    fields: dict[str, bytes] = EMPTY,
    kept: Sequence[Pins] = (),
    is_writer: bool = True,
    reads_turns: bool = False,
) -> Machine:
    """Replay a handler of an object with fields."""
    view = FieldView(IT, fields, NoItems(), is_writer=is_writer, kept=kept)
    instance = object.__new__(Diary)
    instance.__dict__.update(_view=view, _backend=HandlerBackend(), _definition=definition_of(Diary), _key="d")
    return Machine(partial(handler, instance), history, state=view, execution_type=way, reads_turns=reads_turns)


@pytest.mark.parametrize("code", [Diary.write, Diary.write_less, Diary.write_what_cannot_be_kept])
def test_both_ways_compare_the_changes_of_the_object(code: Callable[[Diary], Awaitable[int]]) -> None:
    whole = diary(Diary.write, [STARTED], LongWay).give(step_done("1", "x"), step_done("2", "y"), step_done("3", "z"))
    assert whole.result == 3
    for length in range(1, len(whole.events) + 1):
        short, long = (diary(code, whole.events[:length], way) for way in (Counted, LongWay))
        assert found(short) == found(long), length
        assert found(diary(code, whole.events[:length], Counted, reads_turns=True)) == found(long), length
    short = diary(code, whole.events, Counted)
    assert isinstance(short.execution, Counted)
    assert short.execution.passed == (3 if code is Diary.write else 1)


def test_what_a_reader_has_seen_is_recorded_although_its_next_turn_fails() -> None:
    whole = [STARTED, Machine(partial(work, "a")).events[1], step_done("1", "x")]
    short, long = (diary(Diary.read, whole, way, is_writer=False) for way in (Counted, LongWay))
    assert found(short) == found(long)
    assert isinstance(short.events[-1], e.ReadsPinned)


def test_no_branch_runs_while_the_changes_of_a_turn_are_compared() -> None:
    """Code of the object's classes runs then, and must not use a durable verb."""

    running: list[object] = []

    class Used(NoFields):
        may_have_changes = True

    class Watched(Execution):
        def _record_changes(self, *, ended: bool) -> None:
            running.append(self.resuming)

    async def it() -> None:
        await work("a")
        await work("b")

    whole = Machine(it).give(step_done("1"), step_done("2"))
    Machine(it, whole.events, state=Used(), execution_type=Watched)
    assert running == [None] * 3


def test_changes_at_the_end_of_a_copied_part_stay_the_handlers_own() -> None:
    """A restart has copied two steps. The object is as those left it, and the handler's later changes come on top."""
    whole = diary(Diary.write, [STARTED], LongWay).give(step_done("1", "x"), step_done("2", "y"), step_done("3", "z"))
    changed = [event.fields for event in whole.events if isinstance(event, e.FieldsChanged)]
    end = [getattr(event, "step", "") for event in whole.events].index("3")
    copied = e.HistoryCopied(invocation_id=IT, fields=EMPTY, lengths={}, maps={})
    history = [*whole.events[:end], copied, *whole.events[end:]]
    for way in (Counted, LongWay):
        again = diary(Diary.write, history, way, fields=changed[0], kept=[Pins(EMPTY, {}, {})])
        assert again.result == 3, again.execution.mismatch
